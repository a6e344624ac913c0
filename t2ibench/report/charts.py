"""The report's charts, drawn with matplotlib: as SVG for the page, as PNG for data/report/figures/ and MLflow.

Equal numbers give equal bytes: no date, no version and a fixed salt for the ids in an SVG.
"""

import io
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import pairwise
from typing import Any

import matplotlib
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from t2ibench.records import NONE

INK, MUTED, LINE, OURS, PAPER = "#1d2733", "#66727f", "#dde2e7", "#1f5a8c", "#c2571a"
LOST = {"made": "#9aa5b1", "clip": "#e2a76f", "quality": "#c9ced4", "people": "#8f7fa8"}
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": LINE,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlesize": 10,
    "axes.titlepad": 10,
    "xtick.color": MUTED,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "svg.fonttype": "none",
    "svg.hashsalt": "t2ibench",
    "figure.facecolor": "white",
}
FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
"""What the page's SVGs are set in; they are measured in DejaVu Sans, which is wider than any of these."""


def _style() -> AbstractContextManager[None]:
    """matplotlib's own defaults and STYLE over them, whatever the reader's matplotlibrc says."""
    defaults: dict[Any, Any] = {key: value for key, value in matplotlib.rcParamsDefault.items() if key != "backend"}
    return matplotlib.rc_context(defaults | STYLE)


def svg(figure: Figure) -> bytes:
    """The figure as SVG in the reader's own fonts."""
    buffer = io.BytesIO()
    with _style():
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue().replace(b"'DejaVu Sans'", FONTS.encode())


def png(figure: Figure) -> bytes:
    """The figure as PNG at 200 dots per inch."""
    buffer = io.BytesIO()
    with _style():
        figure.savefig(buffer, format="png", dpi=200, metadata={"Software": None})
    return buffer.getvalue()


def accuracy(title: str, rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Accuracy per class with its interval, and the published value where there is one.

    rows, from the top: {class, accuracy, ci_low, ci_high, published}, fractions or None; `average` stands apart.
    """
    with _style():
        figure, axes = _figure(4.4, 0.9 + 0.27 * len(rows))
        places = _places([row["class"] for row in rows])
        for y, row in zip(places, rows, strict=True):
            if row["accuracy"] is not None:
                axes.plot([100 * row["ci_low"], 100 * row["ci_high"]], [y, y], color=OURS, linewidth=2.4, alpha=0.35)
                axes.plot(100 * row["accuracy"], y, "o", color=OURS, markersize=5.5, clip_on=False, zorder=3)
            if row["published"] is not None:
                axes.plot(100 * row["published"], y, "D", markerfacecolor="white", markeredgecolor=PAPER,
                          markeredgewidth=1.3, markersize=5, clip_on=False, zorder=4)  # fmt: skip
        axes.set_title(title)
        axes.set_yticks(places, [row["class"] for row in rows])
        for label, row in zip(axes.get_yticklabels(), rows, strict=True):
            label.set_fontweight("bold" if row["class"] == "average" else "normal")
        axes.set_ylim(max(places) + 0.6, -0.6)
        axes.set_xlim(0, 100)
        axes.set_xticks([0, 25, 50, 75, 100], ["0", "25", "50", "75", "100 %"])
        axes.grid(axis="x", color=LINE, linewidth=0.7)
        axes.set_axisbelow(True)
        return figure


def confusion(title: str, table: Mapping[str, Mapping[str, int]], classes: Sequence[str]) -> Figure:
    """Counts of intended class (row) against predicted class (column, `none` last); hits blue, errors orange."""
    columns = [*classes, NONE]
    counts = np.array([[table.get(row, {}).get(column, 0) for column in columns] for row in classes], dtype=float)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    hits = np.eye(len(classes), len(columns), dtype=bool)[..., None]
    colors = np.where(hits, colormaps["Blues"](0.85 * share), colormaps["Oranges"](0.8 * share))
    colors[counts == 0] = (0.97, 0.975, 0.98, 1)
    with _style():
        figure, axes = _figure(4.4, 1.1 + 0.3 * len(classes))
        edges = np.arange(len(columns) + 1), np.arange(len(classes) + 1)
        axes.pcolormesh(*edges, colors, edgecolor="white", linewidth=1)
        for (row, column), count in np.ndenumerate(counts):
            if count:
                tone = "white" if share[row, column] > 0.55 else INK
                axes.text(column + 0.5, row + 0.5, f"{count:.0f}", ha="center", va="center", fontsize=8, color=tone)
        axes.axvline(len(classes), color=MUTED, linewidth=0.8)
        axes.invert_yaxis()
        axes.set_title(title)
        slanted: dict[str, Any] = {"rotation": 55, "ha": "right", "rotation_mode": "anchor", "color": INK}
        axes.set_xticks(np.arange(len(columns)) + 0.5, columns, **slanted)
        axes.set_yticks(np.arange(len(classes)) + 0.5, list(classes))
        axes.spines["bottom"].set_visible(False)
        return figure


def funnel(title: str, steps: Sequence[Mapping[str, Any]]) -> Figure:
    """How many images are left after each step; steps: [{step, count}] from the first to the last."""
    with _style():
        figure, axes = _figure(4.4, 0.8 + 0.36 * len(steps))
        counts = [step["count"] for step in steps]
        widest = max([*counts, 1])
        tones = [*["#8fb0cc"] * (len(steps) - 1), OURS]
        axes.barh(range(len(steps)), counts, height=0.66, color=tones)
        for y, count in enumerate(counts):
            axes.text(count + 0.015 * widest, y, f"{count}  ·  {_percent(count, counts[0])}", va="center", fontsize=8.5)
        axes.set_title(title)
        axes.set_yticks(range(len(steps)), [step_name(step["step"]) for step in steps])
        axes.set_ylim(len(steps) - 0.4, -0.6)
        axes.set_xlim(0, widest * 1.28)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        return figure


def kept_by_class(title: str, steps: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> Figure:
    """What became of each class's images: kept, or the step that lost them; steps: [{step, per_class}]."""
    with _style():
        figure, axes = _figure(4.4, 1.1 + 0.27 * len(classes))
        left = np.array([steps[-1]["per_class"].get(name, 0) for name in classes], dtype=float)
        whole = np.array([steps[0]["per_class"].get(name, 0) for name in classes], dtype=float)
        axes.barh(range(len(classes)), left, height=0.66, color=OURS, label="kept")
        for before, after in reversed(list(pairwise(steps))):
            lost = [before["per_class"].get(name, 0) - after["per_class"].get(name, 0) for name in classes]
            if any(lost):
                label = "not made" if after["step"] == "made" else step_name(after["step"])
                color = LOST.get(after["step"], LINE)
                axes.barh(range(len(classes)), lost, left=left, height=0.66, color=color, label=label)
                left = left + np.array(lost)
        for y, (kept, all_) in enumerate(zip((steps[-1]["per_class"].get(n, 0) for n in classes), whole, strict=True)):
            axes.text(all_ + 0.015 * whole.max(), y, _percent(kept, all_), va="center", fontsize=8.5)
        axes.set_title(title)
        axes.set_yticks(range(len(classes)), list(classes))
        axes.set_ylim(len(classes) - 0.4, -0.6)
        axes.set_xlim(0, max(whole.max(), 1) * 1.16)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        axes.legend(loc="upper left", bbox_to_anchor=(-0.02, 0.0), ncols=5, frameon=False, fontsize=8,
                    handlelength=0.9, handletextpad=0.4, columnspacing=1.0, borderpad=0.2)  # fmt: skip
        return figure


def step_name(step: str) -> str:
    """A step of the filter as a reader writes it."""
    return "CLIP" if step == "clip" else step


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty figure of width x height inches with quiet axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _places(names: Sequence[str]) -> list[float]:
    """y of each row: one apart, the average half a row further."""
    return [y + (0.5 if name == "average" else 0.0) for y, name in enumerate(names)]


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "–"
