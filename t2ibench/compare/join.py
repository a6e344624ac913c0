"""Joins our counts with the published numbers, row by row (IEIE 2026, Tables 1-4)."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from t2ibench.compare.assumed import Assumed, assumed_ns
from t2ibench.compare.audit import audit
from t2ibench.compare.ours import Ours, ours
from t2ibench.compare.pairs import pairs
from t2ibench.compare.printed import AVERAGE, Published, PublishedCell
from t2ibench.compare.results import CellResult
from t2ibench.compare.settings import Settings
from t2ibench.compare.verdicts import Evidence, Verdict, decide
from t2ibench.stats import Interval, Share, holm, images_for_margin, smallest_difference

DIGITS = 6
"""Fractions are rounded to a millionth, so that another library version's last bit changes no file."""

INTERVALS = {
    "class": "Wilson score interval",
    "average": "mean of the classes, Wilson score interval at its effective number of images",
    "difference": "Newcombe 1998, method 10; of averages: at their effective numbers of images",
    "prompt": "percentile bootstrap over the prompts of each class; never narrower than the interval over images",
    "pair": "Newcombe 1998 for paired data, method 10; exact McNemar test, Holm over the classes",
}
Assumptions = Mapping[tuple[str, str], Assumed]


def compare(
    study: Mapping[str, Any],
    models: Mapping[str, Any],
    results: Mapping[str, CellResult],
    published: Published,
    settings: Settings,
) -> dict[str, Any]:
    """The content of results/compare.json: a row per published number that a cell reproduces, in printed order.

    study, models: those sections of params.yaml; results: what `load` gives. Nothing in a table can make it fail: a
    cell or class that the study lacks, or a class without an image, is a row with its reason.
    """
    assumed = assumed_ns(published)
    rows = []
    for column in published.columns():
        found = {cell: ours(cell, study, results, published, settings) for cell in column if cell.cell}
        rows += _column(found, results, models, assumed, settings)
    return {
        "study": study["name"],
        "models": models["name"],
        "substitutes": {cell.partition("/")[0]: one.substitute for cell, one in results.items() if one.substitute},
        "published": {
            "paper": published.paper,
            "title": published.title,
            "authors": published.authors,
            "venue": published.venue,
            "unknown": list(published.unknown),
        },
        "settings": asdict(settings),
        "intervals": INTERVALS,
        "cells": rows,
        "pairs": pairs(results, study["classes"], settings.confidence),
        "audit": audit(published),
    }


def _column(
    found: Mapping[PublishedCell, Ours],
    results: Mapping[str, CellResult],
    models: Mapping[str, Any],
    assumed: Assumptions,
    settings: Settings,
) -> list[dict[str, Any]]:
    """The rows of one published column: its classes are one family of tests, its average stands on its own."""
    obstacles = {cell: _obstacle(cell, mine, results, models) for cell, mine in found.items()}
    evidence = {
        cell: _evidence(cell, mine, [one for one in found if one.class_name != AVERAGE], assumed, settings)
        for cell, mine in found.items()
        if not obstacles[cell] and not mine.empty
    }
    family = [cell for cell in evidence if cell.class_name != AVERAGE]
    adjusted = dict(zip(family, holm([evidence[cell].p_value for cell in family]), strict=True))
    rows = []
    for cell, mine in found.items():
        held = evidence.get(cell)
        p_adjusted = adjusted.get(cell, held.p_value if held else None)
        if held is None or p_adjusted is None:
            verdict = _undecided(cell, mine, obstacles[cell], settings)
        else:
            tests = len(family) if cell in adjusted else 1
            verdict = decide(held, p_adjusted, tests, settings.alpha, settings.power)
        rows.append(_row(cell, mine, held, p_adjusted, verdict, assumed, settings))
    return rows


def _obstacle(
    cell: PublishedCell, mine: Ours, results: Mapping[str, CellResult], models: Mapping[str, Any]
) -> str:
    """What makes the two numbers of different things; empty where nothing does.

    models.comparable and models.note speak of all models; a substitute is of one source, as its images' rows say.
    """
    if mine.counts is None:
        return mine.obstacle
    note = "" if models["comparable"] else str(models["note"])
    drew = results[str(cell.cell)].substitute
    substitute = f"another model drew than the paper's: {drew}" if drew else ""
    return "; ".join(filter(None, (note, substitute, mine.obstacle)))


def _undecided(cell: PublishedCell, mine: Ours, obstacle: str, settings: Settings) -> Verdict:
    """The verdict where there is nothing to test."""
    if obstacle:
        return Verdict("not comparable", "; ".join(filter(None, (obstacle, mine.empty))))
    margin = settings.margin_average if cell.class_name == AVERAGE else settings.margin_class
    each = images_for_margin(cell.value, margin, settings.alpha, settings.power)
    return Verdict("underpowered", f"{mine.empty}; {each} of each class, here and in the paper, would show two equal "
                                   f"accuracies to be so, within {100 * margin:g} points", each)


def _evidence(
    cell: PublishedCell, mine: Ours, column: list[PublishedCell], assumed: Assumptions, settings: Settings
) -> Evidence:
    counts = mine.counts or {}
    behind = [one for one in column if one.class_name in counts]
    published = []
    for one in behind:
        n = assumed[str(one.cell), one.class_name].n
        published.append(Share(one.value, counts[one.class_name].n if n is None else n))
    first = assumed[str(behind[0].cell), behind[0].class_name]
    how = first.how or ("taken as ours" if first.n is None else "")
    if cell.class_name == AVERAGE and how:
        sizes = [f"{one.n:g}" for one in published]
        how = f"taken as {sizes[0] if len(set(sizes)) == 1 else ', '.join(sizes)} in its classes"
    return Evidence(
        ours=tuple(Share(count.correct / count.n, count.n) for count in (counts[one.class_name] for one in behind)),
        published=tuple(published),
        value=cell.value,
        margin=settings.margin_average if cell.class_name == AVERAGE else settings.margin_class,
        assumed=how,
    )


def _row(
    cell: PublishedCell,
    mine: Ours,
    held: Evidence | None,
    p_adjusted: float | None,
    verdict: Verdict,
    assumed: Assumptions,
    settings: Settings,
) -> dict[str, Any]:
    difference = None if mine.accuracy is None else mine.accuracy - cell.value
    between = held.interval(1 - 2 * settings.alpha) if held else None
    average = cell.class_name == AVERAGE
    return {
        "table": cell.table,
        "column": cell.column,
        "cell": cell.cell,
        "class": cell.class_name,
        "n": mine.n,
        "correct": mine.correct,
        "accuracy": _rounded(mine.accuracy),
        **_limits("ci", mine.interval),
        "prompts": mine.prompts,
        **_limits("ci_prompt", mine.by_prompt),
        "published": _rounded(cell.value),
        "published_printed": cell.printed,
        "published_n": cell.n,
        "published_n_assumed": None if average else assumed[str(cell.cell), cell.class_name].n,
        "difference": _rounded(difference),
        **_limits("difference", between),
        "p_value": _rounded(held.p_value if held else None),
        "p_holm": None if average else _rounded(p_adjusted),
        "detectable": None if average or held is None else _detectable(held, settings),
        "verdict": verdict.word,
        "reason": verdict.reason,
        "needed": verdict.needed,
    }


def _detectable(held: Evidence, settings: Settings) -> float | None:
    """The smallest distance from the paper's accuracy that a class's images would show."""
    (mine,), (theirs,) = held.ours, held.published
    return _rounded(smallest_difference(int(mine.n), int(theirs.n), theirs.p, settings.alpha, settings.power))


def _limits(name: str, interval: Interval | None) -> dict[str, float | None]:
    low, high = interval or (None, None)
    return {f"{name}_low": _rounded(low), f"{name}_high": _rounded(high)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)
