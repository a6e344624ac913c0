"""The metrics and verdict tags of a cell, out of its results. What stands before a slash is a section of MLflow's
charts (`accuracy/cat`); what has none is a column that the runs table sorts by."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from t2ibench.records import Sample, read_json

Row = Mapping[str, Any]
COMPARED = ("published", "difference", "ci_low", "ci_high")
PAIRED = ("gained", "lost", "difference", "ci_low", "ci_high", "p_value")
TIMED = ("images_per_second", "seconds", "peak_memory_mb", "peak_device_memory_mb", "batch_size", "batch_size_planned")
DIGITS = 6
"""The UI prints every digit there is: 0.92, not 0.9199999999999999."""

WORK = ("images", "filter", "deblur", "evaluate")
"""The stages that an image goes through."""

NEEDED = ("images", "filter", "evaluate")
"""Those without whose speed there is none of the whole way; a variant that restores nothing has no speed of deblur."""


def metrics(filtered: Row, result: Row, rows: Sequence[Row], pair: Row | None,
            classes: Sequence[str]) -> dict[str, float]:
    """Every figure of a cell, without those that are null, the classes in their order.

    filtered: results/filter/<source>.json; result: results/evaluate/<cell>.json; rows: the cell's of
    results/compare.json; pair: this cell against the same source without deblurring, None where it is that itself.
    """
    found: dict[str, float | None] = {"accuracy_pooled": result["accuracy_pooled"], "images": result["n"],
                                      "accuracy": result["accuracy"], "clip_pass_rate": filtered["clip_pass_rate"]}
    found |= {f"accuracy/{name}": result["per_class"][name]["accuracy"] for name in classes}
    found |= {f"clip_pass_rate/{name}": filtered["clip_pass_rate_per_class"][name] for name in classes}
    found |= {f"funnel/{step['step']}": step["count"] for step in filtered["funnel"]}
    found |= {f"funnel_accuracy/{step['step']}": step["accuracy"] for step in result["funnel"] or ()}
    for row in (row for row in rows if row["class"] in ("average", *classes)):
        suffix = "" if row["class"] == "average" else f"/{row['class']}"
        found |= {f"{key}{suffix}": row[key] for key in COMPARED}
    found |= {f"deblurring/{key}": pair[key] for key in PAIRED} if pair else {}
    found |= _segmentation(result["segmentation"], classes)
    return {key: round(float(value), DIGITS) for key, value in found.items() if value is not None}


def _segmentation(masks: Row, classes: Sequence[str]) -> dict[str, float | None]:
    """The fractions of images with a mask, with one of the right class, the mean confidence; the second per class."""
    found = {"with_mask": masks["with_mask"] / masks["n"] if masks["n"] else None,
             "fraction_right": masks["fraction_right"], "mean_confidence": masks["mean_confidence"]}
    return {f"segmentation/{key}": value for key, value in found.items()} | {
        f"segmentation_right/{name}": masks["per_class"][name]["fraction_right"] for name in classes}


def clocks(folder: Path, cells: Mapping[str, str]) -> dict[str, Row]:
    """{stage: the reading of its clock}; folder: of the clocks of one hardware and models; cells: {stage: its cell}.

    A stage that took all of its images from the cache has none: the seconds are not those of this hardware.
    """
    paths = {stage: folder / stage / f"{cell.replace('/', '-')}.json" for stage, cell in cells.items()}
    read = {stage: read_json(path) for stage, path in paths.items() if path.is_file()}
    return {stage: row for stage, row in read.items() if row.get("images") or not row.get("reused")}


def timings(clocks: Mapping[str, Row]) -> dict[str, float]:
    """`<figure>/<stage>` of every stage that has a clock.

    `images_per_second` is one image's way through WORK, and is absent where a clock of NEEDED is.
    """
    found = {f"{key}/{stage}": round(float(row[key]), DIGITS) for stage, row in clocks.items() for key in TIMED
             if row.get(key) is not None}
    speeds = {stage: found[key] for stage in WORK if found.get(key := f"images_per_second/{stage}")}
    if not all(stage in speeds for stage in NEEDED):
        return found
    return found | {"images_per_second": round(1 / sum(1 / speed for speed in speeds.values()), DIGITS)}


def verdicts(rows: Sequence[Row]) -> dict[str, str]:
    """Tags: the paper's table and column, the verdict on the average, and how many cells got each verdict."""
    if not rows:
        return {}
    counts = Counter(row["verdict"] for row in rows)
    average = next((row["verdict"] for row in rows if row["class"] == "average"), "")
    return {"paper.table": str(rows[0]["table"]), "paper.column": rows[0]["column"], "verdict": average,
            "verdicts": ", ".join(f"{count} {word}" for word, count in sorted(counts.items()))} | {
            f"verdicts.{word.replace(' ', '_')}": str(count) for word, count in counts.items()}


def devices(clocks: Mapping[str, Row]) -> dict[str, str]:
    """Tags: the devices' own names and their drivers, of the stages that computed; empty where no clock was read."""
    found = {key: {str(clocks[stage][key]) for stage in WORK if clocks.get(stage, {}).get(key)}
             for key in ("device", "driver")}
    return {key: ", ".join(sorted(values)) for key, values in found.items() if values}


def drawn_by(samples: Sequence[Sample]) -> dict[str, str]:
    """Tags of a cell whose images another model drew than the one that the study names; empty for all others."""
    tags = {"stand_in_for": {str(one.extra["stand_in_for"]) for one in samples if one.extra.get("stand_in_for")},
            "model_answered": {str(one.extra["model"]) for one in samples if one.extra.get("model")}}
    return {key: ", ".join(sorted(values)) for key, values in tags.items() if values}
