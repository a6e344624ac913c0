"""Puts the page together: views of the inputs, charts and pictures inlined, Jinja2 templates, one script."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from t2ibench.report import charts, flow, ran, style, verdicts, views
from t2ibench.report.embed import Album
from t2ibench.report.grid import grids
from t2ibench.report.inputs import ReportInputs
from t2ibench.report.lineage import Lineage
from t2ibench.report.strips import Strips

TEMPLATES = Path(__file__).parent / "templates"
MEGABYTE = 1_000_000

Chart = tuple[str, Figure, str]
"""A file's name, the figure, and what it says in words."""


def draw(inputs: ReportInputs) -> dict[str, list[Chart]]:
    """The charts that are both in the page and PNG files, drawn once: {kind: charts}."""
    return {"funnels": list(_funnels(inputs)), "confusions": list(_confusions(inputs))}


def build(inputs: ReportInputs, plots: Mapping[str, Sequence[Chart]] | None = None) -> str:
    """The whole report as one HTML document without an outside reference; equal inputs give equal text.

    plots: what `draw` gave, where it was called before.

    Raises MissingError where a picture that is to be shown is absent or damaged.
    """
    plots = plots or draw(inputs)
    album = Album()
    lineage = Lineage(inputs, album)
    script = (TEMPLATES / "page.js").read_text(encoding="utf-8").strip()
    text = environment().get_template("page.html.j2").render(
        inputs=inputs,
        published=inputs.comparison["published"],
        **_facts(inputs),
        **_numbers(inputs),
        **_galleries(inputs, lineage),
        funnels=_drawn(plots["funnels"]),
        confusions=_drawn(plots["confusions"]),
        records=Markup(lineage.records()),
        script=Markup(script),
        script_digest=base64.b64encode(hashlib.sha256(f"\n{script}\n".encode()).digest()).decode(),
        pictures="@pictures@",
    )
    uris = album.uris(inputs.settings.megabytes * MEGABYTE - len(text))
    return text.replace('"@pictures@"', uris, 1)


def figures(inputs: ReportInputs, plots: Mapping[str, Sequence[Chart]] | None = None) -> dict[str, bytes]:
    """Every chart and sheet of the report as PNG bytes, by name, without the ending; plots: as in `build`."""
    plots = plots or draw(inputs)
    drawn = {name: style.png(figure) for some in (*plots.values(), _accuracies(inputs)) for name, figure, _ in some}
    drawn["pipeline"] = style.png(flow.pipeline(views.pipeline(inputs)))
    drawn["pairs"] = style.png(charts.pairs(_known_pairs(inputs)))
    return drawn | {name: style.sheet_png(grid) for name, grid in grids(inputs).items()}


def environment() -> Environment:
    """The templates' settings: everything is escaped, an unknown name is an error."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters: dict[str, Callable[..., Any]] = {"pct": _percent, "points": _points, "show": _show, "p": _p_value,
                                              "upper_first": _upper_first}
    made.filters |= filters
    return made


def _facts(inputs: ReportInputs) -> dict[str, Any]:
    flows = views.pipeline(inputs)
    return {
        "bundled": ran.bundled(inputs),
        "substitutes": inputs.comparison["substitutes"],
        "flows": flows,
        "kept": sum(one["kept"] for one in flows),
        "models": ran.models(inputs),
        "data": ran.data(inputs),
        "libraries": ran.libraries(inputs),
        "engines": ran.engines(inputs),
        "reviews": views.reviews(inputs),
        "funnel_tables": views.funnel_tables(inputs),
    }


def _numbers(inputs: ReportInputs) -> dict[str, Any]:
    tables, intervals = verdicts.tables(inputs)
    pairs, differences = verdicts.pairs(inputs)
    return {
        "verdict": verdicts.sentence(inputs),
        "verdicts": verdicts.summary(inputs),
        "glyphs": verdicts.GLYPHS,
        "tables": tables,
        "common_reason": verdicts.common_reason(tables),
        "pairs": pairs,
        "audit": verdicts.audit(inputs),
        "strips": [_marked(strips) for strips in (intervals, differences)],
        "intervals": intervals,
        "differences": differences,
    }


def _galleries(inputs: ReportInputs, lineage: Lineage) -> dict[str, Any]:
    return {
        "mosaic": views.mosaic(inputs, lineage),
        "previews": views.previews(inputs, lineage),
        "rejected": views.rejected(inputs, lineage),
        "galleries": views.failures(inputs, lineage),
        "flips": views.flips(inputs, lineage),
        "segmented": views.segmentations(inputs, lineage),
    }


def _marked(strips: Strips) -> dict[str, Any]:
    return {"name": strips.name, "drawing": Markup(strips.drawing)}


def _funnels(inputs: ReportInputs) -> Iterator[Chart]:
    for name, source in inputs.sources.items():
        steps = source.filtered["funnel"]
        seen = {step: row["accuracy"] for step, row in views.step_accuracies(inputs, name).items()}
        told = ", ".join(f"{step['step']} {step['count']}" for step in steps)
        words = f"Images of {source.shown} left after each step: {told}."
        yield f"funnel-{name}", charts.funnel(source.shown, steps, seen), words
        kept = ", ".join(f"{one} {steps[-1]['per_class'].get(one, 0)}" for one in inputs.classes)
        figure = charts.kept_by_class(f"{source.shown}, by class", steps, inputs.classes)
        yield f"kept-{name}", figure, f"Images of {source.shown} kept per class: {kept}."


def _accuracies(inputs: ReportInputs) -> Iterator[Chart]:
    for cell in inputs.cells.values():
        figure = charts.accuracy(cell.shown, verdicts.accuracy_rows(inputs, cell))
        yield f"accuracy-{cell.source}-{cell.variant}", figure, ""


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
        words = f"Confusion matrix of {cell.shown}. Most frequent errors: {', '.join(most) or 'none'}."
        yield f"confusion-{cell.source}-{cell.variant}", charts.confusion(cell.shown, table, inputs.classes), words


def _known_pairs(inputs: ReportInputs) -> list[dict[str, Any]]:
    return [row | {"shown": inputs.sources[row["source"]].shown} for row in inputs.comparison["pairs"]
            if row["source"] in inputs.choices]


def _drawn(chart: Sequence[Chart]) -> list[dict[str, Any]]:
    return [{"svg": Markup(style.svg(figure, name)), "alt": words} for name, figure, words in chart]


def _percent(fraction: float | None, digits: int = 2) -> str:
    return "–" if fraction is None else f"{100 * fraction:.{digits}f}"


def _points(fraction: float | None) -> str:
    return "–" if fraction is None else f"{100 * fraction:+.2f}".replace("-", "−")


def _p_value(value: float | None) -> str:
    return "–" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _show(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _upper_first(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "." if text else ""
