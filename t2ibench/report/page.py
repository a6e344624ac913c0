"""Puts the page together: views of the inputs, charts and pictures inlined, one Jinja2 template."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.figure import Figure

from t2ibench.pictures import encode_png
from t2ibench.report import charts, views
from t2ibench.report.embed import data_uri
from t2ibench.report.grid import grids
from t2ibench.report.inputs import ReportInputs

TEMPLATES = Path(__file__).parent / "templates"


def build(inputs: ReportInputs) -> str:
    """The whole report as one HTML document without an outside reference; equal inputs give equal text.

    Raises MissingError where a picture that is to be shown is absent or damaged.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"pct": _percent, "points": _points, "show": _show}
    return environment.get_template("page.html.j2").render(
        inputs=inputs,
        bundled=views.bundled(inputs),
        stands_in={source: views.stands_in(inputs, source) for source in inputs.sources},
        kept=sum(flow["kept"] for flow in views.pipeline(inputs)),
        flows=views.pipeline(inputs),
        engines=views.engines(inputs),
        previews=views.previews(inputs),
        tables=views.tables(inputs),
        galleries=views.failures(inputs),
        funnels=_embedded(_funnels(inputs)),
        accuracies=_embedded(_accuracies(inputs)),
        confusions=_embedded(_confusions(inputs)),
    )


def figures(inputs: ReportInputs) -> dict[str, bytes]:
    """Every chart and sample grid of the report as PNG bytes, by name, without the ending."""
    drawn = {
        name: charts.png(figure) for chart in (_funnels, _accuracies, _confusions) for name, figure, _ in chart(inputs)
    }
    return drawn | {name: encode_png(np.asarray(grid)) for name, grid in grids(inputs).items()}


Chart = tuple[str, Figure, str]
"""A file's name, the figure, and what it says in words."""


def _funnels(inputs: ReportInputs) -> Iterator[Chart]:
    for source, content in inputs.funnels.items():
        steps = content["funnel"]
        counts = ", ".join(f"{step['step']} {step['count']}" for step in steps)
        yield f"funnel-{source}", charts.funnel(source, steps), f"Images of {source} left after each step: {counts}."
        kept = ", ".join(f"{name} {steps[-1]['per_class'].get(name, 0)}" for name in inputs.classes)
        figure = charts.kept_by_class(f"{source}, by class", steps, inputs.classes)
        yield f"kept-{source}", figure, f"Images of {source} kept per class: {kept}."


def _accuracies(inputs: ReportInputs) -> Iterator[Chart]:
    for cell in inputs.cells.values():
        rows = views.accuracy_rows(inputs, cell)
        words = ", ".join(f"{row['class']} {_percent(row['accuracy'], 1)}" for row in rows)
        figure = charts.accuracy(cell.name, rows)
        yield f"accuracy-{cell.source}-{cell.variant}", figure, f"Accuracy of {cell.name} in percent: {words}."


def _confusions(inputs: ReportInputs) -> Iterator[Chart]:
    for cell in inputs.cells.values():
        table = cell.result["confusion"]
        errors = {
            f"{intended} as {predicted} {count}": count
            for intended in inputs.classes
            for predicted, count in sorted(table.get(intended, {}).items())
            if predicted != intended and count
        }
        most = sorted(errors, key=lambda error: (-errors[error], error))[:5]
        words = f"Confusion matrix of {cell.name}. Most frequent errors: {', '.join(most) or 'none'}."
        yield f"confusion-{cell.source}-{cell.variant}", charts.confusion(cell.name, table, inputs.classes), words


def _embedded(drawn: Iterator[Chart]) -> list[dict[str, str]]:
    return [{"uri": data_uri("image/svg+xml", charts.svg(figure)), "alt": words} for _, figure, words in drawn]


def _percent(fraction: float | None, digits: int = 2) -> str:
    return "–" if fraction is None else f"{100 * fraction:.{digits}f}"


def _points(fraction: float | None) -> str:
    return "–" if fraction is None else f"{100 * fraction:+.2f}".replace("-", "−")


def _show(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
