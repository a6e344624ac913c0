"""Base against deblur on the same images: what a variant changes, with McNemar's test (IEIE 2026, section 3.2.3).

The paper compares two averages; the images are the same ones, so an image that is right both times says nothing, and
the few that change their side say all. Chance is excluded class by class (Holm), and for all images together.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from t2ibench.compare.results import CellResult
from t2ibench.stats import holm, mcnemar, paired_difference

ALL = "all"
DIGITS = 6


class Table(NamedTuple):
    """Images by whether they are right before and after."""

    both: int
    lost: int
    gained: int
    neither: int


def pairs(
    results: Mapping[str, CellResult], classes: Sequence[str], confidence: float = 0.95
) -> list[dict[str, Any]]:
    """The content of `pairs` in results/compare.json: per source and pair of its variants, all images, then each class.

    results: by cell, `<source>/<variant>`. Only images that both variants have are compared.
    """
    variants: dict[str, list[str]] = {}
    for cell in results:
        source, _, variant = cell.partition("/")
        variants.setdefault(source, []).append(variant)
    return [
        row
        for source, names in variants.items()
        for before, after in combinations(names, 2)
        for row in _rows((source, before, after), results, classes, confidence)
    ]


def _rows(
    names: tuple[str, str, str], results: Mapping[str, CellResult], classes: Sequence[str], confidence: float
) -> list[dict[str, Any]]:
    source, before, after = names
    first, second = ({row.id: row for row in results[f"{source}/{name}"].predictions} for name in (before, after))
    common = [(first[key], second[key]) for key in sorted(first) if key in second]
    alone = len(first.keys() ^ second.keys())
    right = [(a.class_name, a.predicted == a.class_name, b.predicted == b.class_name) for a, b in common]
    tables = {ALL: _table([one[1:] for one in right])}
    tables |= {name: _table([one[1:] for one in right if one[0] == name]) for name in classes}
    values = {name: mcnemar(table.gained, table.lost) for name, table in tables.items()}
    adjusted = dict(zip(classes, holm([values[name] for name in classes]), strict=True))
    return [
        {"source": source, "from": before, "to": after, "class": name}
        | _row(table, values[name], adjusted.get(name), confidence, alone if name == ALL else 0)
        for name, table in tables.items()
    ]


def _table(right: Sequence[tuple[bool, bool]]) -> Table:
    return Table(right.count((True, True)), right.count((True, False)), right.count((False, True)),
                 right.count((False, False)))


def _row(table: Table, p_value: float, p_holm: float | None, confidence: float, alone: int) -> dict[str, Any]:
    n = sum(table)
    low, high = paired_difference(*table, confidence)
    difference = (table.gained - table.lost) / n if n else None
    return {
        "n": n,
        "from_correct": table.both + table.lost,
        "to_correct": table.both + table.gained,
        "gained": table.gained,
        "lost": table.lost,
        "difference": None if difference is None else round(difference, DIGITS),
        "ci_low": round(low, DIGITS) if n else None,
        "ci_high": round(high, DIGITS) if n else None,
        "p_value": round(p_value, DIGITS),
        "p_holm": None if p_holm is None else round(p_holm, DIGITS),
        "text": _text(table, p_value if p_holm is None else p_holm, confidence, alone),
    }


def _text(table: Table, p: float, confidence: float, alone: int) -> str:
    """One sentence. Significant: below 1 - confidence, Holm-adjusted for a class."""
    n = sum(table)
    left_out = f" {alone} images that only one of the two has are left out." if alone else ""
    if n == 0:
        return f"There is no image in both.{left_out}"
    if not table.gained + table.lost:
        return f"None of {n} images changed its side.{left_out}"
    says = "more than chance explains" if p < 1 - confidence else "which chance explains"
    return f"{table.gained} of {n} images gained, {table.lost} lost, {says} (p = {p:.2g}).{left_out}"
