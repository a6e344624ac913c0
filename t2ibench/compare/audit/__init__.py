"""The audit of a paper: its printed averages, its claims and the sample sizes that its digits allow, as data.

Everything is decided with whole numbers and fractions, from what the paper prints and nothing else. A mean of printed
rows inherits their rounding: an average that the printed rows do not give may still be one that their unprinted digits
allow, so both are said.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from t2ibench.compare.audit.claims import exact, verdicts
from t2ibench.compare.audit.evidence import describe
from t2ibench.compare.audit.rounding import (
    ROUNDED,
    RULES,
    TRUNCATED,
    mean,
    mean_range,
    overlap,
    shown,
    unprinted,
    write,
)
from t2ibench.compare.audit.samples import smallest_n
from t2ibench.compare.audit.sizes import audit_samples
from t2ibench.compare.printed import AVERAGE, Claim, Published, PublishedCell

__all__ = ["audit", "audit_averages", "audit_claims", "audit_samples", "smallest_n"]

Entry = dict[str, Any]


def audit(published: Published) -> list[Entry]:
    """Everything that can be said of a paper from its own print: averages, then claims, then sample sizes.

    Every entry has `kind` (average, claim, sample size), `where`, `holds` (None where nothing decides), `text` (one
    sentence) and its figures. Numbers of the paper are strings, in the unit and with the decimals that it prints.
    """
    return [*audit_averages(published), *audit_claims(published), *audit_samples(published)]


def audit_averages(published: Published) -> list[Entry]:
    """Each printed average against the mean of its column's printed rows, at the precision that it is printed with."""
    return [_average(rows, average) for rows, average in _averaged(published)]


def _averaged(published: Published) -> list[tuple[list[PublishedCell], PublishedCell]]:
    """The rows and the average of every column that prints one and all of its rows."""
    return [
        (rows, average)
        for column in published.columns()
        for average in column
        if average.row == AVERAGE and (rows := [cell for cell in column if cell.row != AVERAGE])
        if not any(cell.diverged for cell in column)
    ]


def _average(rows: Sequence[PublishedCell], average: PublishedCell) -> Entry:
    exact_mean = mean(rows)
    ways = [rule for rule in RULES if _as_printed(exact_mean, average, rule)]
    possible = {
        rule: overlap(mean_range(rows, rule), unprinted(average, rule)) is not None for rule in (ROUNDED, TRUNCATED)
    }
    text = f"The printed average is {average.printed} and the {len(rows)} printed rows give {shown(exact_mean)}"
    if not ways:
        text += f", which is {shown(exact_mean, average.decimals, strip=False)} at that precision"
        text += "; digits of the rows that are not printed " + (
            "could make up the difference" if any(possible.values()) else "cannot make up the difference"
        )
    return {
        "kind": "average",
        "where": average.where,
        "table": average.table,
        "column": average.column,
        "holds": bool(ways),
        "printed": average.printed,
        "unit": average.unit,
        "mean_of_rows": shown(exact_mean),
        "at_printed_precision": shown(exact_mean, average.decimals, strip=False),
        "ways": ways,
        "possible": possible,
        "range": {rule: [shown(end) for end in mean_range(rows, rule)[:2]] for rule in possible},
        "text": f"{text}.",
    }


def _as_printed(number: Fraction, cell: PublishedCell, rule: str) -> bool:
    scale = 10**cell.decimals
    return Fraction(write(number.numerator * scale, number.denominator, rule), scale) == cell.exact


def audit_claims(published: Published) -> list[Entry]:
    """Each claim of the text against the printed cells that decide it.

    Where averages decide and the rows of their columns lead to another answer, a second entry says so.
    """
    entries = []
    rows = {average: rows for rows, average in _averaged(published)}

    def by_rows(cell: PublishedCell) -> Fraction:
        return mean(rows[cell]) if cell in rows else cell.exact

    for claim in published.claims:
        entries.append({"kind": "claim", "by": "printed", **describe(claim, exact)})
        if verdicts(claim, by_rows) != verdicts(claim):
            allowed = _allowed(claim, rows)
            entry = describe(claim, by_rows, allowed) | {"where": f"{claim.where}, by the rows", "allowed": allowed}
            entries.append({"kind": "claim", "by": "rows", **entry})
    return entries


def _allowed(claim: Claim, rows: Mapping[PublishedCell, Sequence[PublishedCell]]) -> dict[str, list[str]]:
    """The differences that fit both the printed averages and their rows, digits that are not printed included."""
    allowed = {}
    for rule in (ROUNDED, TRUNCATED):
        ranges = [
            overlap(mean_range(rows[cell], rule), unprinted(cell, rule)) if cell in rows else unprinted(cell, rule)
            for cell in claim.sequences[0]
        ]
        if claim.check == "difference" and ranges[0] and ranges[1]:
            ends = (ranges[1].low - ranges[0].high, ranges[1].high - ranges[0].low)
            allowed[rule] = [shown(end, sign=True) for end in ends]
    return allowed
