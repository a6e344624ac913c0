"""The sections with pictures: pipeline, previews, funnel, rejected images, failures, flips, segmentations."""

from collections.abc import Mapping
from typing import Any

from t2ibench.records import NONE, Sample
from t2ibench.report.charts import step_name
from t2ibench.report.inputs import Cell, ReportInputs
from t2ibench.report.lineage import Lineage, Tile
from t2ibench.report.verdicts import accuracy_rows, count

REASONS = {
    "clip": "CLIP ranks another class first",
    "black": "black",
    "flat": "flat: one tone all over",
    "duplicate": "repeats another image",
    "people": "shows people",
    "review": "rejected by a reviewer",
}


def pipeline(inputs: ReportInputs) -> list[dict[str, Any]]:
    """Figure 1: per source, how many images are left after each step, and what each variant then scores."""
    flows = []
    for name, source in inputs.sources.items():
        steps = source.filtered["funnel"]
        counts = [step["count"] for step in steps]
        prompts = {sample.prompt_id for sample in source.made.values()}
        flows.append({
            "source": name,
            "shown": source.shown,
            "prompts": inputs.choices[name]["prompts"],
            "used": len(prompts),
            "images": inputs.choices[name]["images"],
            "steps": [
                {"name": step_name(step["step"]), "count": now, "lost": before - now,
                 "share": now / counts[0] if counts[0] else None}
                for step, now, before in zip(steps, counts, [counts[0], *counts], strict=False)
            ],
            "kept": counts[-1],
            "scores": [{"variant": cell.variant, "average": accuracy_rows(inputs, cell)[-1]}
                       for cell in inputs.of_source(name)],
        })
    return flows


def mosaic(inputs: ReportInputs, lineage: Lineage) -> list[Tile]:
    """One image of each class and source, for the head of the page: the first by id that the judge gets right."""
    tiles = []
    for source in inputs.sources:
        cell = inputs.of_source(source)[0]
        for name in inputs.classes:
            right = [one for one in cell.of_class(name) if cell.predictions[one.id].predicted == name]
            tiles += [lineage.kept(cell, one, f"{name}, {cell.shown}.") for one in right[:1]]
    return tiles


def previews(inputs: ReportInputs, lineage: Lineage) -> list[dict[str, Any]]:
    """Figure 2: per source and class the first images by id, the same ones in every variant."""
    return [{"source": origin.shown, "classes": [_preview(inputs, lineage, source, name) for name in inputs.classes]}
            for source, origin in inputs.sources.items()]


def _preview(inputs: ReportInputs, lineage: Lineage, source: str, class_name: str) -> dict[str, Any]:
    cells = inputs.of_source(source)
    chosen = [sample.id for sample in cells[0].of_class(class_name)[: inputs.settings.grid_columns]]
    strips = []
    for cell in cells:
        samples = {sample.id: sample for sample in cell.of_class(class_name)}
        alt = f"{class_name}, {cell.shown}."
        images = [lineage.kept(cell, samples[key], alt) for key in chosen if key in samples]
        correct, n = count(cell, class_name)
        strips.append({"variant": cell.variant, "images": images, "n": n, "correct": correct})
    return {"name": class_name, "strips": strips, "kept": len(cells[0].of_class(class_name))}


def step_accuracies(inputs: ReportInputs, source: str) -> Mapping[str, Mapping[str, Any]]:
    """{step: {n, correct, accuracy, per_class}} of the cell that does not deblur; empty where there is none."""
    for cell in inputs.of_source(source):
        if cell.result["funnel"]:
            return {step["step"]: step for step in cell.result["funnel"]}
    return {}


def funnel_tables(inputs: ReportInputs) -> list[dict[str, Any]]:
    """Per source and class, images and accuracy after each step: [{source, steps, rows: [{name, cells}]}]."""
    found = []
    for name, source in inputs.sources.items():
        steps, accuracies = source.filtered["funnel"], step_accuracies(inputs, name)
        rows = []
        for class_name in inputs.classes:
            cells = []
            for step in steps:
                seen = accuracies.get(step["step"], {}).get("per_class", {}).get(class_name, {})
                cells.append({"count": step["per_class"].get(class_name, 0), "accuracy": seen.get("accuracy")})
            rows.append({"name": class_name, "cells": cells})
        found.append({"source": source.shown, "steps": [step_name(step["step"]) for step in steps], "rows": rows})
    return found


def rejected(inputs: ReportInputs, lineage: Lineage) -> list[dict[str, Any]]:
    """What the filter rejected: per source and reason the number, and the first images by id."""
    found = []
    for name, source in inputs.sources.items():
        reasons = []
        for reason in dict.fromkeys([*REASONS, *sorted({row.reason for row in source.decisions.values()} - {""})]):
            rows = [source.made[key] for key in sorted(source.decisions) if source.decisions[key].reason == reason]
            tiles = [lineage.generated(name, one, f"{one.class_name}, {source.shown}, rejected: {reason}.")
                     for one in rows[: inputs.settings.rejected]]
            if rows:
                reasons.append({"reason": reason, "text": REASONS.get(reason, reason), "count": len(rows),
                                "images": tiles})
        found.append({"source": source.shown, "reasons": reasons})
    return found


def reviews(inputs: ReportInputs) -> list[dict[str, Any]]:
    """Who looked at which source, and how far they agree: [{source, reviewed, by, agreement}]."""
    return [{"source": source.shown, **source.filtered["review"]} for source in inputs.sources.values()
            if source.filtered["review"]["reviewed"]]


def failures(inputs: ReportInputs, lineage: Lineage) -> list[dict[str, Any]]:
    """Figure 3: per cell the misclassified images, the judge's surest errors first, in turn from each class."""
    galleries = []
    for cell in inputs.cells.values():
        images = [_failure(cell, sample, lineage) for sample in cell.misclassified(inputs.classes)]
        fold = inputs.settings.failures
        galleries.append({"cell": cell.shown, "count": len(images), "n": len(cell.samples), "images": images[:fold],
                          "more": images[fold:]})
    return galleries


def _failure(cell: Cell, sample: Sample, lineage: Lineage) -> dict[str, Any]:
    seen = cell.predictions[sample.id]
    told = NONE if seen.predicted == NONE else f"{seen.predicted}, confidence {seen.confidence:.2f}"
    return {
        "tile": lineage.kept(cell, sample, f"Intended {sample.class_name}, predicted {told}."),
        "seen": seen,
    }


def flips(inputs: ReportInputs, lineage: Lineage) -> list[dict[str, Any]]:
    """Images that only one of two variants gets right: [{source, from, to, images: [{before, after, ...}]}]."""
    found = []
    for source in inputs.sources.values():
        first, *others = inputs.of_source(source.name)
        for other in others:
            images = [flip for sample in other.samples if (flip := _flip(first, other, sample, lineage))]
            found.append({"source": source.shown, "from": first.variant, "to": other.variant, "images": images})
    return found


def _flip(first: Cell, other: Cell, sample: Sample, lineage: Lineage) -> dict[str, Any] | None:
    before, after = first.predictions.get(sample.id), other.predictions[sample.id]
    if before is None or (before.predicted == sample.class_name) == (after.predicted == sample.class_name):
        return None
    original = next(one for one in first.samples if one.id == sample.id)
    return {
        "before": lineage.kept(first, original, f"{sample.class_name}, {first.shown}, seen as {before.predicted}."),
        "after": lineage.kept(other, sample, f"{sample.class_name}, {other.shown}, seen as {after.predicted}."),
        "was": before.predicted,
        "now": after.predicted,
        "gained": after.predicted == sample.class_name,
    }


def segmentations(inputs: ReportInputs, lineage: Lineage) -> dict[str, Any]:
    """Figure 4: per class and source the first images by id with their masks; the fraction of right masks per cell."""
    first = {source: inputs.of_source(source)[0] for source in inputs.sources}
    gallery = []
    for name in inputs.classes:
        columns = []
        for source, cell in first.items():
            chosen = cell.of_class(name)[: inputs.settings.segmentations]
            columns.append({"source": source, "images": [_masked(cell, sample, lineage) for sample in chosen]})
        gallery.append({"name": name, "columns": columns})
    return {
        "gallery": gallery,
        "variant": next(iter(inputs.variants)),
        "kinds": {one.shown: inputs.choices[one.name]["prompts"] for one in inputs.sources.values()},
        "cells": [{"cell": cell.shown, **cell.result["segmentation"]} for cell in inputs.cells.values()],
    }


def _masked(cell: Cell, sample: Sample, lineage: Lineage) -> dict[str, Any]:
    mask = cell.segmentations[sample.id]
    told = "no mask" if mask.predicted == NONE else f"mask of {mask.predicted}, confidence {mask.confidence:.2f}"
    return {"tile": lineage.kept(cell, sample, f"{sample.class_name}, {cell.shown}: {told}.", outlined=True),
            "mask": mask, "right": mask.predicted == sample.class_name}
