"""The results of the fake workspace: what filter, evaluate and compare write under results/ for given decisions,
predictions and segmentations."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from t2ibench.compare import Settings, compare, load, load_completeness, load_filters, load_published
from t2ibench.records import NONE, Decision, Failure, Prediction, Segmentation, write_json

STEP = {"clip": "clip", "black": "quality", "flat": "quality", "duplicate": "quality", "people": "people",
        "review": "review"}
STEPS = ("made", "clip", "quality", "people", "review", "kept")


def filter_results(decisions: list[Decision], failed: list[Failure], classes: list[str],
                   reviewers: Sequence[str]) -> dict[str, Any]:
    """The content of results/filter/<source>.json."""
    made = Counter(one.class_name for one in decisions)
    lost = Counter(one.class_name for one in failed)
    counts = {"generated": {name: made[name] + lost[name] for name in classes}}
    counts |= {step: {name: sum(_passes(one, step) for one in decisions if one.class_name == name) for name in classes}
               for step in STEPS}
    rates = {name: counts["clip"][name] / counts["made"][name] if counts["made"][name] else None for name in classes}
    looked = [one for one in decisions if one.review]
    return {
        "planned": len(decisions) + len(failed),
        "made": len(decisions),
        "funnel": [{"step": step, "count": sum(row.values()), "per_class": row} for step, row in counts.items()],
        "clip_pass_rate": sum(counts["clip"].values()) / len(decisions) if decisions else None,
        "clip_pass_rate_per_class": rates,
        "rejected": {reason: sum(one.reason == reason for one in decisions) for reason in STEP},
        "review": {
            "reviewed": len(looked),
            "by": {name: len(looked) for name in reviewers},
            "agreement": {"reviewers": list(reviewers), "both": len(looked), "agree": max(len(looked) - 1, 0),
                          "kappa": 0.64 if len(looked) > 1 else None} if looked else None,
        },
    }


def _passes(decision: Decision, step: str) -> bool:
    """Whether an image is left after a step."""
    if not decision.reason or step == "made":
        return True
    return STEPS.index(STEP[decision.reason]) > STEPS.index(step)


def summarise(predictions: list[Prediction], classes: list[str], segmentations: Sequence[Segmentation] = (),
              funnel: list[tuple[Decision, Prediction]] | None = None) -> dict[str, Any]:
    """The content of results/evaluate/<source>/<variant>.json; funnel: all made images of a cell without deblurring."""
    confusion = {name: {other: sum(row.predicted == other for row in predictions if row.class_name == name)
                        for other in (*classes, NONE)} for name in classes}
    steps = None if funnel is None else [
        {"step": step, **_scores([seen for one, seen in funnel if _passes(one, step)], classes)} for step in STEPS]
    return _scores(predictions, classes) | {
        "confusion": confusion,
        "funnel": steps,
        "segmentation": _masks(segmentations) | {
            "per_class": {name: _masks([row for row in segmentations if row.class_name == name]) for name in classes}},
    }


def _scores(predictions: list[Prediction], classes: list[str]) -> dict[str, Any]:
    per_class = {}
    for name in classes:
        seen = [row.predicted for row in predictions if row.class_name == name]
        hits = seen.count(name)
        per_class[name] = {"n": len(seen), "correct": hits, "accuracy": hits / len(seen) if seen else None}
    present = [row["accuracy"] for row in per_class.values() if row["accuracy"] is not None]
    correct = sum(row["correct"] for row in per_class.values())
    return {
        "n": len(predictions),
        "correct": correct,
        "accuracy": sum(present) / len(present) if present else None,
        "accuracy_pooled": correct / len(predictions) if predictions else None,
        "per_class": per_class,
    }


def _masks(rows: Sequence[Segmentation]) -> dict[str, Any]:
    found = [row for row in rows if row.predicted != NONE]
    right = sum(row.predicted == row.class_name for row in found)
    return {
        "n": len(rows),
        "with_mask": len(found),
        "right_class": right,
        "fraction_right": right / len(rows) if rows else None,
        "mean_confidence": sum(row.confidence for row in found) / len(found) if found else None,
    }


def write_compare(root: Path, params: dict[str, Any]) -> None:
    """Writes results/compare.json with the stage's own function."""
    settings = Settings(**params["compare"])
    published = load_published(settings.tables)
    results = load(root, params)
    counted = load_completeness(root, params, results, load_filters(root, params))
    write_json(root / "results/compare.json", compare(params["study"], params["models"], results, published, settings)
               | {"completeness": counted})
