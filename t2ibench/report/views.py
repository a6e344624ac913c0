"""What each section of the page shows, as plain lists and mappings for the template."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from t2ibench.records import NONE, Sample
from t2ibench.report.charts import step_name
from t2ibench.report.embed import embed_picture
from t2ibench.report.inputs import Cell, ReportInputs
from t2ibench.stats import Count, mean_of_proportions, wilson

AVERAGE = "average"
BUNDLED = "tiny"
PAID = "openai"
"""The images engine that the bundled models replace by a stand-in."""


def bundled(inputs: ReportInputs) -> bool:
    """Whether the models are the small ones that come with the repository."""
    return bool(inputs.models["name"] == BUNDLED)


def stands_in(inputs: ReportInputs, source: str) -> bool:
    """Whether a source's images come from a stand-in for a paid model."""
    return bundled(inputs) and inputs.sources[source]["images"] == PAID


def pipeline(inputs: ReportInputs) -> list[dict[str, Any]]:
    """Figure 1: per source, how many images are left after each step, and what each variant then scores."""
    flows = []
    for source, content in inputs.funnels.items():
        steps = content["funnel"]
        counts = [step["count"] for step in steps]
        flows.append(
            {
                "source": source,
                "prompts": inputs.sources[source]["prompts"],
                "images": inputs.sources[source]["images"],
                "steps": [
                    {
                        "name": step_name(step["step"]),
                        "count": count,
                        "lost": before - count,
                        "share": count / counts[0] if counts[0] else None,
                    }
                    for step, count, before in zip(steps, counts, [counts[0], *counts], strict=False)
                ],
                "kept": counts[-1],
                "scores": [
                    {"variant": cell.variant, "average": accuracy_rows(inputs, cell)[-1]}
                    for cell in inputs.of_source(source)
                ],
            }
        )
    return flows


def engines(inputs: ReportInputs) -> list[dict[str, Any]]:
    """The engines that this study runs, with their settings: [{stage, engine, target, settings}]."""
    used = {
        "prompts": {str(source["prompts"]) for source in inputs.sources.values()},
        "images": {str(source["images"]) for source in inputs.sources.values()},
        "deblur": {str(variant["deblur"]) for variant in inputs.variants.values()},
    }
    return [
        {
            "stage": stage,
            "engine": name,
            "target": settings.get("_target_", ""),
            "settings": {key: value for key, value in settings.items() if key != "_target_"},
        }
        for stage, found in inputs.engines.items()
        for name, settings in found.items()
        if isinstance(settings, Mapping) and name in used.get(stage, {name})
    ]


def previews(inputs: ReportInputs) -> list[dict[str, Any]]:
    """Figure 2: per source and class the first images by id, the same ones in every variant."""
    return [
        {
            "source": source,
            "classes": [_preview(inputs, source, class_name) for class_name in inputs.classes],
        }
        for source in inputs.sources
    ]


def _preview(inputs: ReportInputs, source: str, class_name: str) -> dict[str, Any]:
    cells = inputs.of_source(source)
    chosen = [sample.id for sample in cells[0].of_class(class_name)[: inputs.settings.grid_columns]]
    strips = []
    for cell in cells:
        samples = {sample.id: sample for sample in cell.of_class(class_name)}
        images = [_image(cell, samples[key]) for key in chosen if key in samples]
        strips.append({"variant": cell.variant, "images": images, **_count(cell, class_name)})
    return {"name": class_name, "strips": strips, "kept": len(cells[0].of_class(class_name))}


def _count(cell: Cell, class_name: str) -> dict[str, int]:
    counted = cell.result["per_class"][class_name]
    return {"n": counted["n"], "correct": counted["correct"]}


def _image(cell: Cell, sample: Sample) -> dict[str, Any]:
    picture = embed_picture(cell.folder / sample.file_name)
    return {
        "picture": picture,
        "prompt": sample.prompt,
        "alt": f"{sample.class_name}, {cell.name}. Prompt: {sample.prompt}",
    }


def tables(inputs: ReportInputs) -> list[dict[str, Any]]:
    """Tables 1-4: the published columns with their rows, and the reasons behind the verdicts."""
    columns = []
    for (number, column), group in groupby(inputs.comparison["cells"], key=lambda row: (row["table"], row["column"])):
        rows = list(group)
        source = rows[0]["cell"].partition("/")[0]
        columns.append(
            {
                "number": number,
                "column": column,
                "cell": rows[0]["cell"],
                "stands_in": source in inputs.sources and stands_in(inputs, source),
                "rows": rows,
                "reasons": list(dict.fromkeys(row["reason"] for row in rows if row["reason"])),
            }
        )
    return columns


def accuracy_rows(inputs: ReportInputs, cell: Cell) -> list[Mapping[str, Any]]:
    """Rows for the chart: the study's classes, then the average; published values where the tables have them."""
    found = {row["class"]: row for row in inputs.comparison["cells"] if row["cell"] == cell.name}
    confidence = inputs.comparison.get("settings", {}).get("confidence", 0.95)
    counts = {name: Count(**_count(cell, name)) for name in inputs.classes}
    rows: list[Mapping[str, Any]] = []
    for name, count in counts.items():
        low, high = wilson(*count, confidence)
        accuracy = count.correct / count.n if count.n else None
        rows.append({"class": name, "accuracy": accuracy, "ci_low": low, "ci_high": high,
                     "published": found[name]["published"] if name in found else None})  # fmt: skip
    if AVERAGE in found:
        return [*rows, found[AVERAGE]]
    present = [count for count in counts.values() if count.n]
    low, high = mean_of_proportions(present, confidence) if present else (0.0, 1.0)
    mean = sum(count.correct / count.n for count in present) / len(present) if present else None
    return [*rows, {"class": AVERAGE, "accuracy": mean, "ci_low": low, "ci_high": high, "published": None}]


def failures(inputs: ReportInputs) -> list[dict[str, Any]]:
    """Figure 3: per cell the misclassified images, the judge's surest errors first, in turn from each class."""
    galleries = []
    for cell in inputs.cells.values():
        wrong = cell.misclassified(inputs.classes)
        galleries.append(
            {
                "cell": cell.name,
                "count": len(wrong),
                "n": len(cell.samples),
                "images": [_failure(cell, sample) for sample in wrong[: inputs.settings.failures]],
            }
        )
    return galleries


def _failure(cell: Cell, sample: Sample) -> dict[str, Any]:
    prediction = cell.predictions[sample.id]
    seen = f"{prediction.predicted}, confidence {prediction.confidence:.2f}"
    found_none = prediction.predicted == NONE
    return _image(cell, sample) | {
        "id": sample.id,
        "intended": sample.class_name,
        "predicted": prediction.predicted,
        "confidence": None if found_none else prediction.confidence,
        "alt": f"Intended {sample.class_name}, predicted {NONE if found_none else seen}. Prompt: {sample.prompt}",
    }
