"""The audit of sample sizes: which n the printed digits of a column allow, and of two columns of the same images."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from t2ibench.compare.audit.rounding import TRUNCATED
from t2ibench.compare.audit.samples import (
    N_MAX,
    as_ranges,
    common,
    counts,
    fitting,
    largest_needed,
    proportions,
    shared_rules,
    smallest_n,
)
from t2ibench.compare.printed import Published, PublishedCell

Entry = dict[str, Any]


def audit_samples(published: Published) -> list[Entry]:
    """The n that the printed digits allow: per column with each of its rows, then per two columns of one source.

    `holds` is None unless the paper prints an n, for it claims nothing else. Averages have no n, nor has a metric that
    counts nothing. Deblurring changes no number of images, so the columns of one source share their n row by row.
    """
    columns = [rows for column in published.columns() if (rows := proportions(column))]
    pairs = [(a, b) for a, b in combinations(columns, 2) if a[0].source and a[0].source == b[0].source]
    return [_column(rows) for rows in columns] + [_pair(first, second) for first, second in pairs]


def _column(rows: Sequence[PublishedCell]) -> Entry:
    fits = [fitting(cell.printed, cell.unit) for cell in rows]
    shared = common(fits)
    smallest = next(iter(shared), None)
    at_all = smallest_n(rows, largest_needed(rows))
    details = [
        {"row": cell.row, "printed": cell.printed, "smallest_n": smallest_n([cell], largest_needed([cell])),
         "ns": as_ranges(ns)}
        for cell, ns in zip(rows, fits, strict=True)
    ]
    n = rows[0].n
    holds = None if n is None else bool(shared_rules(rows, n))
    text = _what_fits(details, smallest, at_all)
    if n is not None:
        text += f"; the n = {n} that is printed {'does' if holds else 'does not'}"
    return {
        "kind": "sample size",
        "where": rows[0].where,
        "table": rows[0].table,
        "column": rows[0].column,
        "holds": holds,
        "published_n": n,
        "n_max": N_MAX,
        "smallest_n": smallest,
        "smallest_n_at_all": at_all,
        "ways": list(shared[smallest]) if smallest else [],
        "ns": as_ranges(shared),
        "rows": details,
        "text": f"{text}.",
    }


def _what_fits(rows: Sequence[Entry], smallest: int | None, at_all: int | None) -> str:
    if smallest is not None:
        return f"The smallest n that gives the {len(rows)} printed rows is {smallest}"
    large = [f"{row['row']} prints {row['printed']}, which takes {row['smallest_n']} at least" for row in rows
             if not row["ns"]]
    why = ", ".join(large) or "so n differs between them, or is larger"
    return f"No n up to {N_MAX} gives the {len(rows)} printed rows, one of {at_all} would; {why}"


def _pair(first: Sequence[PublishedCell], second: Sequence[PublishedCell]) -> Entry:
    others = {cell.row: cell for cell in second}
    rows = [_pair_row(cell, others[cell.row]) for cell in first if cell.row in others]
    odd = [
        f"{row['row']}'s {row['printed'][0]} and {row['printed'][1]} would need {row['smallest_n']} images if written "
        f"alike, but {_written_apart(row)}"
        for row in rows
        if row["written_apart"]
    ]
    said = "; ".join(odd) if odd else f"each of the {len(rows)} rows allows one n up to {N_MAX} for both"
    return {
        "kind": "sample size",
        "where": f"{first[0].where}, and {second[0].where}",
        "holds": None,
        "n_max": N_MAX,
        "rows": rows,
        "text": f"The same images stand behind both columns: {said}.",
    }


def _pair_row(first: PublishedCell, second: PublishedCell) -> Entry:
    """The smallest n for both cells written by one rule; where that is above N_MAX, what it takes by two rules."""
    cells = (first, second)
    smallest, apart = smallest_n(cells), None
    if smallest is None:
        smallest = smallest_n(cells, largest_needed(cells))
        fits = ((n, [counts(cell.printed, cell.unit, n) for cell in cells]) for n in range(1, N_MAX + 1))
        apart = next(({"n": n, "counts": ks} for n, ks in fits if all(ks)), None)
    printed = [cell.printed for cell in cells]
    return {"row": first.row, "printed": printed, "smallest_n": smallest, "written_apart": apart}


def _written_apart(row: Entry) -> str:
    n = row["written_apart"]["n"]
    said = []
    for printed, fits in zip(row["printed"], row["written_apart"]["counts"], strict=True):
        rule, k = next(iter(fits.items()))
        said.append(f"{k}/{n} {'cut off' if rule == TRUNCATED else 'rounded'} is {printed}")
    return " and ".join(said)
