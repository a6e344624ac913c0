"""The report's charts, drawn with matplotlib: accuracy, confusion, funnel, what became of each class, pairs."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from t2ibench.records import NONE
from t2ibench.report.style import INK, LINE, LOST, MUTED, OURS, PAPER, empty, quiet, styled

AVERAGE = "average"


def accuracy(title: str, rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Accuracy per class with its interval, and the published value where there is one.

    rows, from the top: {class, accuracy, ci_low, ci_high, published}, fractions or None; `average` stands apart.
    """
    with styled():
        figure, axes = empty(4.4, 0.9 + 0.27 * len(rows), {"left": 0.9, "right": 0.25, "top": 0.4, "bottom": 0.3})
        places = _places([row["class"] for row in rows])
        for y, row in zip(places, rows, strict=True):
            if row["accuracy"] is not None:
                axes.plot([100 * row["ci_low"], 100 * row["ci_high"]], [y, y], color=OURS, linewidth=2.4, alpha=0.35)
                axes.plot(100 * row["accuracy"], y, "o", color=OURS, markersize=5.5, clip_on=False, zorder=3)
            if row["published"] is not None:
                axes.plot(100 * row["published"], y, "D", markerfacecolor="white", markeredgecolor=PAPER,
                          markeredgewidth=1.3, markersize=5, clip_on=False, zorder=4)
        _title(axes, title)
        _names(axes, places, [row["class"] for row in rows])
        axes.set_xlim(0, 100)
        axes.set_xticks([0, 25, 50, 75, 100], ["0", "25", "50", "75", "100 %"])
        axes.grid(axis="x", color=LINE, linewidth=0.7)
        return figure


def confusion(title: str, table: Mapping[str, Mapping[str, int]], classes: Sequence[str]) -> Figure:
    """Counts of intended class (row) against predicted class (column, `none` last); hits blue, errors orange."""
    columns = [*classes, NONE]
    counts = np.array([[table.get(row, {}).get(column, 0) for column in columns] for row in classes], dtype=float)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    with styled():
        figure, axes = empty(4.4, 1.2 + 0.3 * len(classes), {"left": 0.85, "right": 0.1, "top": 0.4, "bottom": 0.75})
        squares, colors = [], []
        for (row, column), count in np.ndenumerate(counts):
            squares.append(Rectangle((column + 0.03, row + 0.03), 0.94, 0.94))
            tone = OURS if row == column else PAPER
            colors.append(to_rgba(tone, 0.12 + 0.5 * float(share[row, column])) if count else to_rgba(LINE, 0.35))
            if count:
                axes.text(column + 0.5, row + 0.52, f"{count:.0f}", ha="center", va="center", fontsize=8)
        axes.add_collection(PatchCollection(squares, facecolors=colors, linewidths=0))
        axes.axvline(len(classes), color=MUTED, linewidth=0.8)
        axes.set_xlim(0, len(columns))
        axes.set_ylim(len(classes), 0)
        _title(axes, title)
        slanted: dict[str, Any] = {"rotation": 55, "ha": "right", "rotation_mode": "anchor", "color": INK}
        axes.set_xticks(np.arange(len(columns)) + 0.5, columns, **slanted)
        axes.set_yticks(np.arange(len(classes)) + 0.5, list(classes))
        axes.spines["bottom"].set_visible(False)
        return figure


def funnel(title: str, steps: Sequence[Mapping[str, Any]], accuracies: Mapping[str, float | None]) -> Figure:
    """How many images are left after each step, and how many percent of those the judge gets right.

    steps: [{step, count}] from the first to the last; accuracies: {step: mean accuracy of the classes}, a fraction.
    """
    with styled():
        figure, axes = empty(4.6, 0.75 + 0.34 * len(steps), {"left": 0.85, "right": 1.5, "top": 0.45, "bottom": 0.2})
        counts = [step["count"] for step in steps]
        widest = max([*counts, 1])
        axes.barh(range(len(steps)), counts, height=0.64, color=OURS, alpha=0.45)
        axes.barh([len(steps) - 1], counts[-1:], height=0.64, color=OURS)
        for y, count in enumerate(counts):
            axes.text(count + 0.015 * widest, y, f"{count}", va="center", fontsize=8.5)
        _title(axes, title, 26)  # beside it stands the panel's
        _names(axes, range(len(steps)), [step_name(step["step"]) for step in steps])
        axes.set_xlim(0, widest * 1.13)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        _accuracy_panel(figure, axes, [accuracies.get(step["step"]) for step in steps])
        return figure


def _accuracy_panel(figure: Figure, beside: Axes, values: Sequence[float | None]) -> None:
    """Accuracy at each step as a line from the top to the bottom, right of the bars."""
    place = beside.get_position()
    panel = figure.add_axes((place.x1 + 0.03, place.y0, 0.95 - place.x1, place.height), sharey=beside)
    quiet(panel)
    seen = [(100 * value, y) for y, value in enumerate(values) if value is not None]
    panel.set_title("accuracy", fontsize=8.5, fontweight="normal", color=MUTED)
    panel.tick_params(labelleft=False)
    panel.set_xticks([])
    panel.spines["bottom"].set_visible(False)
    if seen:
        xs, ys = zip(*seen, strict=True)
        spread = max(max(xs) - min(xs), 2.0)
        panel.plot(xs, ys, "-o", color=PAPER, linewidth=1.2, markersize=4, clip_on=False)
        panel.set_xlim(min(xs) - 0.1 * spread, min(xs) + 2.1 * spread)
        for x, y in seen:
            panel.text(x + 0.16 * spread, y, f"{x:.1f} %", va="center", fontsize=8.5)


def kept_by_class(title: str, steps: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> Figure:
    """What became of each class's images: kept, or the step that lost them; steps: [{step, per_class}]."""
    with styled():
        figure, axes = empty(4.6, 1.05 + 0.25 * len(classes), {"left": 0.85, "right": 0.3, "top": 0.4, "bottom": 0.45})
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
        _title(axes, title)
        _names(axes, range(len(classes)), classes)
        axes.set_xlim(0, max(whole.max(), 1) * 1.12)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        axes.legend(loc="upper left", bbox_to_anchor=(-0.02, 0.0), ncols=6, frameon=False, fontsize=8,
                    handlelength=0.9, handletextpad=0.4, columnspacing=1.0, borderpad=0.2)
        return figure


def pairs(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """What deblurring changed, in points, with its interval: rows of results/compare.json's `pairs`, from the top, with
    the name of their source for people, `shown`."""
    with styled():
        names = [f"{row['shown']}: {row['class']}" if row["class"] == "all" else row["class"] for row in rows]
        left = max([1.9, *(0.075 * len(name) for name in names)])
        figure, axes = empty(3.3 + left, 0.9 + 0.24 * max(len(rows), 1),
                             {"left": left, "right": 0.25, "top": 0.4, "bottom": 0.45})
        known = [(y, row) for y, row in enumerate(rows) if row["difference"] is not None]
        axes.axvline(0, color=MUTED, linewidth=0.8)
        for y, row in known:
            heavy = row["class"] == "all"
            axes.plot([100 * row["ci_low"], 100 * row["ci_high"]], [y, y], color=OURS, alpha=0.35, linewidth=2.4)
            axes.plot(100 * row["difference"], y, "s" if heavy else "o", color=OURS, markersize=6 if heavy else 4.5)
        axes.set_title("What a variant changed, in points")
        _names(axes, range(len(rows)), names)
        axes.grid(axis="x", color=LINE, linewidth=0.7)
        return figure


def step_name(step: str) -> str:
    """A step of the filter as a reader writes it."""
    return "CLIP" if step == "clip" else step


def _title(axes: Axes, text: str, fits: int = 42) -> None:
    """The chart's name; a long one in two lines of smaller letters. fits: characters of a line at full size."""
    if len(text) <= fits:
        axes.set_title(text)
        return
    text = text.replace(" (", "\n(", 1)
    longest = max(len(line) for line in text.split("\n"))
    axes.set_title(text, fontsize=min(8.5, 10 * fits / longest), pad=4)


def _names(axes: Axes, places: Sequence[float], names: Sequence[str]) -> None:
    axes.set_yticks(places, list(names))
    for label, name in zip(axes.get_yticklabels(), names, strict=True):
        label.set_fontweight("bold" if name == AVERAGE or name.endswith(": all") else "normal")
    axes.set_ylim(max(places, default=0) + 0.6, -0.6)


def _places(names: Sequence[str]) -> list[float]:
    """y of each row: one apart, the average half a row further."""
    return [y + (0.5 if name == AVERAGE else 0.0) for y, name in enumerate(names)]


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "–"
