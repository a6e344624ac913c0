"""How a figure looks and how it is written: as SVG that follows the page's colours, as PNG for paper and MLflow.

Equal numbers give equal bytes: no date, no version and a fixed salt for the ids in an SVG.
"""

import io
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

INK, MUTED, LINE, OURS, PAPER, GROUND = "#1c232b", "#5d6873", "#dcd8cf", "#1f5a8c", "#b9541a", "#fefefd"
GOOD, BAD = "#1c7a3f", "#b3261e"
LOST = {"made": "#8b949e", "clip": "#d9965b", "quality": "#b9bec4", "people": "#8f7fa8", "review": "#6b9a8b"}
VARIABLES = {INK: "ink", MUTED: "muted", LINE: "line", OURS: "ours", PAPER: "paper", GROUND: "ground",
             GOOD: "good", BAD: "bad"}
"""The colours that the page's style sheet decides, by the names of its variables."""
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": LINE,
    "axes.facecolor": "none",
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlesize": 10,
    "axes.titlepad": 10,
    "axes.axisbelow": True,
    "xtick.color": MUTED,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "svg.fonttype": "none",
    "svg.hashsalt": "t2ibench",
    "figure.facecolor": GROUND,
}
FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
"""What the page's SVGs are set in; they are measured in DejaVu Sans, which is wider than any of these."""

FAST = 2
"""zlib's level for figures: a third larger than at 6, and written in a third of the time."""


def styled() -> AbstractContextManager[None]:
    """matplotlib's own defaults and STYLE over them, whatever the reader's matplotlibrc says."""
    defaults: dict[Any, Any] = {key: value for key, value in matplotlib.rcParamsDefault.items() if key != "backend"}
    return matplotlib.rc_context(defaults | STYLE)


def svg(figure: Figure, name: str) -> str:
    """The figure as an `<svg>` element for an HTML page: transparent, in the page's fonts and colours.

    name: goes before every id in it, for all figures of a page share one space of ids.
    """
    buffer = io.StringIO()
    with styled():
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg"):]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' id="[A-Za-z.\d]+_\d+"', "", text)  # groups that nothing refers to: figure_1, axes_1, ...
    text = re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{name}-", text).replace("xlink:href", "href")
    text = re.sub(r' (?:width|height)="[\d.]+pt"| xmlns(?::xlink)?="[^"]*"| version="1.1"', "", text, count=5)
    for color, variable in VARIABLES.items():
        text = text.replace(color, f"var(--{variable})")
    return re.sub(r"\n\s*", "\n", text).replace("'DejaVu Sans'", FONTS).strip()


def png(figure: Figure) -> bytes:
    """The figure as PNG at 150 dots per inch."""
    buffer = io.BytesIO()
    with styled():
        figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None}, pil_kwargs={"compress_level": FAST})
    return buffer.getvalue()


def sheet_png(sheet: Image.Image) -> bytes:
    """A sheet of images as PNG."""
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", compress_level=FAST)
    return buffer.getvalue()


def empty(width: float, height: float, margins: Mapping[str, float]) -> tuple[Figure, Axes]:
    """A figure of width x height inches with quiet axes; margins: left, right, top, bottom in inches.

    Fixed margins, for letting matplotlib find them costs more than drawing.
    """
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((
        margins["left"] / width,
        margins["bottom"] / height,
        1 - (margins["left"] + margins["right"]) / width,
        1 - (margins["top"] + margins["bottom"]) / height,
    ))
    quiet(axes)
    return figure, axes


def quiet(axes: Axes) -> None:
    """No frame but the base line."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
