"""Figure 1 as a picture: from prompts to a judged dataset, with the counts of every step."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from t2ibench.report.style import GROUND, INK, LINE, MUTED, OURS, PAPER, empty, styled

BOX, GAP, LANE = 1.05, 0.28, 1.5


def pipeline(flows: Sequence[Mapping[str, Any]]) -> Figure:
    """A lane per source: prompts, the steps of the filter, then a box per variant; flows: as `views.pipeline` gives."""
    columns = 1 + max(len(flow["steps"]) for flow in flows)
    width, height = (columns + 1) * (BOX + GAP) + 0.5, LANE * len(flows) + 0.2
    with styled():
        figure, axes = empty(width, height, {"left": 0.15, "right": 0.15, "top": 0.1, "bottom": 0.1})
        axes.set_axis_off()
        axes.set_xlim(0, width - 0.3)
        axes.set_ylim(height - 0.2, 0)
        for lane, flow in enumerate(flows):
            _lane(axes, flow, lane * LANE)
        return figure


def _lane(axes: Axes, flow: Mapping[str, Any], top: float) -> None:
    axes.text(0, top + 0.18, flow["shown"], fontsize=11, fontweight="bold")
    boxes = [("prompts", str(flow["prompts"]), f"drawn by {flow['images']}")]
    for step in flow["steps"]:
        boxes.append((step["name"], str(step["count"]), f"−{step['lost']}" if step["lost"] else ""))
    for place, (name, value, note) in enumerate(boxes):
        last = place == len(boxes) - 1
        _box(axes, place * (BOX + GAP), top + 0.35, 0.85, (name, value, note), OURS if last else GROUND)
        axes.annotate("", ((place + 1) * (BOX + GAP) - 0.03, top + 0.78), ((place + 1) * (BOX + GAP) - GAP + 0.03,
                      top + 0.78), arrowprops={"arrowstyle": "->", "color": MUTED})
    scores = flow["scores"]
    tall = 0.85 / max(len(scores), 1)
    for i, score in enumerate(scores):
        accuracy = score["average"]["accuracy"]
        text = "–" if accuracy is None else f"{100 * accuracy:.1f} %"
        left = len(boxes) * (BOX + GAP)
        axes.text(left, top + 0.35 + tall * (i + 0.5), f"{score['variant']}  ", va="center", fontsize=8, color=MUTED)
        axes.text(left + 1.1, top + 0.35 + tall * (i + 0.5), text, va="center", ha="right", fontweight="bold")


def _box(axes: Axes, left: float, top: float, height: float, texts: tuple[str, str, str], color: str) -> None:
    name, value, note = texts
    shape = FancyBboxPatch((left, top), BOX, height, boxstyle="round,pad=0,rounding_size=0.06", facecolor=color,
                           edgecolor=LINE if color == GROUND else color)
    axes.add_patch(shape)
    ink, soft = (INK, MUTED) if color == GROUND else ("white", "#d3e2ef")
    axes.text(left + 0.09, top + 0.2, name, fontsize=7.5, color=soft, va="center")
    axes.text(left + 0.09, top + 0.45, value, fontsize=12, fontweight="bold", color=ink, va="center")
    axes.text(left + 0.09, top + 0.69, note, fontsize=7, color=PAPER if note.startswith("−") and ink == INK else soft,
              va="center")
