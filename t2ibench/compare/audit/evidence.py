"""A claim of a paper's text beside the cells that decide it: its figures, and one sentence that says both."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from t2ibench.compare.audit.claims import Value, exact, found, verdicts
from t2ibench.compare.audit.rounding import shown
from t2ibench.compare.printed import Claim, PublishedCell

EXAMPLES = 3
"""So many counterexamples are spelt out in a sentence."""


def describe(claim: Claim, value: Value, allowed: Mapping[str, Sequence[str]] | None = None) -> dict[str, Any]:
    """The claim's entry of the audit. value: each cell's number, `exact` for the printed one; allowed: the least and
    the greatest difference that unprinted digits allow, by how digits were lost."""
    answers = verdicts(claim, value)
    opening = "The paper prints it twice:" if claim.check == "same" else "The paper says that"
    cells = list(dict.fromkeys(cell for sequence in claim.sequences for cell in sequence))
    return {
        "where": claim.where,
        "holds": None if answers is None else all(answers),
        "says": claim.says,
        "check": claim.check,
        "number": claim.number,
        "agree": None if answers is None else sum(answers),
        "of": len(claim.sequences),
        "cells": [{"table": c.table, "column": c.column, "row": c.row, "printed": c.printed} for c in cells],
        "found": [[shown(number) for number in found(claim, sequence, value)] for sequence in claim.sequences],
        "text": f"{opening} {claim.says}; {_evidence(claim, answers, value, allowed or {})}.",
    }


def _evidence(claim: Claim, answers: Sequence[bool] | None, value: Value, allowed: Mapping[str, Sequence[str]]) -> str:
    tables, many = _tables(cell for sequence in claim.sequences for cell in sequence)
    verb = ("print" if many else "prints") if value is exact else f"{'have' if many else 'has'} rows whose means are"
    if answers is None:
        return str(claim.because)
    if len(answers) == 1:
        text = f"{tables} {verb} {_arrow(claim.sequences[0], value, claim.check)}"
        if claim.check == "difference":
            text += f", which is {shown(found(claim, claim.sequences[0], value)[0], sign=True)}"
        ranges = [f"{low} to {high} if all were {rule}" for rule, (low, high) in allowed.items()]
        return text + (f" ({', '.join(ranges)})" if ranges else "")
    text = f"in {tables} that is so in {sum(answers)} of {len(answers)} cases"
    against = [sequence for sequence, answer in zip(claim.sequences, answers, strict=True) if not answer]
    if against:
        examples = [f"{_label(cells)} ({_arrow(cells, value, claim.check)})" for cells in against[:EXAMPLES]]
        text += f", not in {'; '.join(examples)}"
    return text + (f" and {len(against) - EXAMPLES} more" if len(against) > EXAMPLES else "")


def _arrow(cells: Sequence[PublishedCell], value: Value, check: str) -> str:
    numbers = [cell.printed if value is exact else shown(value(cell), 3) for cell in cells]
    return (", " if check == "some below" else " -> ").join(numbers)


def _label(cells: Sequence[PublishedCell]) -> str:
    if len({cell.where for cell in cells}) == 1:
        return f"{cells[0].where}, {' -> '.join(cell.row for cell in cells)}"
    return f"{cells[0].where} to Table {cells[-1].table}"


def _tables(cells: Iterable[PublishedCell]) -> tuple[str, bool]:
    numbers = [str(number) for number in sorted({cell.table for cell in cells})]
    several = len(numbers) > 1
    return (f"Tables {', '.join(numbers[:-1])} and {numbers[-1]}" if several else f"Table {numbers[0]}"), several
