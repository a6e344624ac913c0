"""Joins our counts with the published numbers, row by row (IEIE 2026, Tables 1-4)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from t2ibench.compare.published import AVERAGE, Published, PublishedCell
from t2ibench.compare.verdicts import decide
from t2ibench.errors import ConfigError
from t2ibench.stats import Count, Interval, mean_of_proportions, wilson

DIGITS = 6
"""Fractions are rounded to a millionth, so that another library version's last bit changes no file."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The section `compare` of params.yaml. Margins and confidence are fractions in (0, 1)."""

    tables: str | None
    margin_average: float = 0.02
    margin_class: float = 0.05
    confidence: float = 0.95

    def __post_init__(self) -> None:
        """Raises ConfigError for a fraction that is not one."""
        for key in ("margin_average", "margin_class", "confidence"):
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
                raise ConfigError(f"compare.{key}", value, "a fraction above 0 and below 1")


@dataclass(frozen=True)
class Ours:
    """Our side of a published number. count and accuracy: None where there is nothing; obstacle: why, or what makes
    it a different thing than the published number (empty where nothing does)."""

    count: Count | None
    accuracy: float | None
    interval: Interval | None
    obstacle: str


def compare(
    study: Mapping[str, Any],
    models: Mapping[str, Any],
    results: Mapping[str, Mapping[str, Any]],
    published: Published,
    settings: Settings,
) -> dict[str, Any]:
    """The content of results/compare.json: a row per published number, in printed order.

    study, models: those sections of params.yaml; results: what `load` gives. Nothing in a table can make it fail: a
    cell or class that the study lacks, or a class without an image, is a row with its reason.
    """
    rows = []
    for cell in published.cells:
        ours = _ours(cell, study, results, published, settings.confidence)
        rows.append(_row(cell, ours, models, settings))
    return {
        "study": study["name"],
        "models": models["name"],
        "published": {
            "paper": published.paper,
            "title": published.title,
            "authors": published.authors,
            "venue": published.venue,
            "unknown": list(published.unknown),
        },
        "settings": asdict(settings),
        "intervals": {
            "class": "Wilson score interval",
            "average": "mean of the classes, Wilson limits combined (Zou and Donner 2008)",
        },
        "cells": rows,
        "pairs": [],
        "audit": [],
    }


def _ours(
    cell: PublishedCell,
    study: Mapping[str, Any],
    results: Mapping[str, Mapping[str, Any]],
    published: Published,
    confidence: float,
) -> Ours:
    if cell.cell not in results:
        return Ours(None, None, None, f"this study does not run {cell.cell}")
    per_class = results[cell.cell]["per_class"]
    counts = {name: Count(per_class[name]["correct"], per_class[name]["n"]) for name in study["classes"]}
    if cell.class_name == AVERAGE:
        column = [c.class_name for c in published.cells if (c.table, c.cell) == (cell.table, cell.cell)]
        return _average([name for name in column if name != AVERAGE], counts, confidence)
    if cell.class_name not in counts:
        return Ours(None, None, None, f"this study has no class {cell.class_name}")
    count = counts[cell.class_name]
    interval = wilson(*count, confidence)
    if count.n == 0:
        return Ours(count, None, interval, f"there is no image of class {cell.class_name}")
    return Ours(count, count.correct / count.n, interval, "")


def _average(classes: Sequence[str], counts: Mapping[str, Count], confidence: float) -> Ours:
    """The mean of those published classes that have images; fewer than the paper's are an obstacle, and said."""
    present = [counts[name] for name in classes if name in counts and counts[name].n]
    if not any(name in counts for name in classes):
        return Ours(None, None, None, "this study has none of the published classes")
    if not present:
        return Ours(Count(0, 0), None, Interval(0.0, 1.0), "there are no images")
    absent = [name for name in classes if name not in counts or not counts[name].n]
    obstacle = f"the mean lacks {', '.join(absent)}" if absent else ""
    pooled = Count(sum(count.correct for count in present), sum(count.n for count in present))
    accuracy = sum(count.correct / count.n for count in present) / len(present)
    return Ours(pooled, accuracy, mean_of_proportions(present, confidence), obstacle)


def _row(cell: PublishedCell, ours: Ours, models: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    difference = None if ours.accuracy is None else ours.accuracy - cell.value
    verdict = decide(
        models_comparable=bool(models["comparable"]),
        note=str(models["note"]),
        obstacle=ours.obstacle,
        n=ours.count.n if ours.count else None,
        difference=difference,
        margin=settings.margin_average if cell.class_name == AVERAGE else settings.margin_class,
    )
    return {
        "table": cell.table,
        "column": cell.column,
        "cell": cell.cell,
        "class": cell.class_name,
        "n": ours.count.n if ours.count else None,
        "correct": ours.count.correct if ours.count else None,
        "accuracy": _rounded(ours.accuracy),
        "ci_low": _rounded(ours.interval.low if ours.interval else None),
        "ci_high": _rounded(ours.interval.high if ours.interval else None),
        "published": _rounded(cell.value),
        "published_printed": cell.printed,
        "published_n": cell.n,
        "difference": _rounded(difference),
        "verdict": verdict.word,
        "reason": verdict.reason,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)
