"""Intervals for the rows of a table: one figure for all rows, of which each row of the page shows its slice.

So that a table of 66 rows costs one drawing, and the slices share one scale.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from t2ibench.report.style import GROUND, LINE, MUTED, OURS, PAPER, styled, svg

WIDTH, ROW = 150.0, 20.0
"""Of a slice, in the SVG's units."""
PAD = 13.0


@dataclass(frozen=True)
class Strips:
    """drawing: what is inside the SVG of all rows, to stand once in the page; name: its id there; axis: the slice with
    the scale's labels; slices: the others, in the order of the rows; each slice is the viewBox to show."""

    name: str
    drawing: str
    axis: str
    slices: list[str]


def accuracy_strips(name: str, rows: Sequence[Mapping[str, Any]]) -> Strips:
    """Slices for rows {accuracy, ci_low, ci_high, published, ci_prompt_low, ci_prompt_high}: fractions or None.

    The scale begins just below the lowest value, for most accuracies are high.
    """
    values = [row[key] for row in rows for key in ("ci_low", "published", "ci_prompt_low")
              if row.get(key) is not None and (key == "published" or row["accuracy"] is not None)]
    lowest = min(values, default=0.0)
    step = next((step for step in (0.05, 0.1, 0.25) if (1 - lowest) / step <= 4), 0.5)
    low = min(step * (lowest // step), 1 - step)
    ticks = [low + step * i for i in range(round((1 - low) / step) + 1)]
    return _strips(name, rows, "accuracy", low, 1.0, ticks, None)


def difference_strips(name: str, rows: Sequence[Mapping[str, Any]]) -> Strips:
    """Slices for rows {difference, ci_low, ci_high}: fractions or None; zero is a line."""
    known = [abs(row[key]) for row in rows if row["difference"] is not None for key in ("ci_low", "ci_high")]
    widest = max([*known, 0.05])
    step = next((step for step in (0.02, 0.05, 0.1, 0.2) if widest / step <= 3), 0.5)
    limit = min(1.0, step * -(-widest // step))
    return _strips(name, rows, "difference", -limit, limit, [-limit, 0.0, limit], 0.0)


def _strips(name: str, rows: Sequence[Mapping[str, Any]], key: str, low: float, high: float, ticks: Sequence[float],
            zero: float | None) -> Strips:
    """Row 0 of the drawing is the scale; row i + 1 shows rows[i]."""
    height = ROW * (len(rows) + 1)
    with styled():
        figure = Figure(figsize=(WIDTH / 72, height / 72))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(0, WIDTH)
        axes.set_ylim(height, 0)

        def place(value: float) -> float:
            return PAD + (WIDTH - 2 * PAD) * (min(max(value, low), high) - low) / (high - low)

        axes.vlines([place(tick) for tick in ticks], ROW, height, color=LINE, linewidth=0.7)
        if zero is not None:
            axes.vlines([place(zero)], ROW, height, color=MUTED, linewidth=0.8)
        for tick in ticks:
            sign = "+" if zero is not None and tick > 0 else ""
            axes.text(place(tick), ROW / 2, f"{sign}{100 * tick:.0f}".replace("-", "−"), fontsize=9.5, ha="center",
                      va="center", color=MUTED)
        known = [(ROW * (i + 1.5), row) for i, row in enumerate(rows) if row[key] is not None]
        prompts = [(y, row) for y, row in known if row.get("ci_prompt_low") is not None]
        axes.hlines([y for y, _ in prompts], [place(row["ci_prompt_low"]) for _, row in prompts],
                    [place(row["ci_prompt_high"]) for _, row in prompts], color=OURS, linewidth=0.9)
        axes.hlines([y for y, _ in known], [place(row["ci_low"]) for _, row in known],
                    [place(row["ci_high"]) for _, row in known], color=OURS, linewidth=4.5, alpha=0.32)
        axes.plot([place(row[key]) for _, row in known], [y for y, _ in known], "o", color=OURS, markersize=5.5)
        printed = [(ROW * (i + 1.5), row["published"]) for i, row in enumerate(rows)
                   if row.get("published") is not None]
        axes.plot([place(value) for _, value in printed], [y for y, _ in printed], "D", markerfacecolor=GROUND,
                  markeredgecolor=PAPER, markeredgewidth=1.3, markersize=4.6)
        drawing = svg(figure, name)
    drawing = drawing[drawing.index(">") + 1 : drawing.rindex("</svg>")]
    boxes = [f"0 {ROW * i:g} {WIDTH:g} {ROW:g}" for i in range(len(rows) + 1)]
    return Strips(name, drawing, boxes[0], boxes[1:])
