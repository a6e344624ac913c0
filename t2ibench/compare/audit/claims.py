"""Claims of a paper's text as data: which printed cells decide each, and whether they bear it out. Fractions only.

A claim in a paper's YAML has `where`, `says`, `check` and its cells, each `[table, column, row]`, in one of three
forms:

    cells: [[1, ...], [3, ...]]                   one sequence
    pairs: [[[1, ...], [3, ...]], ...]            several
    table: 1, rows: [...], columns: [...]         those rows, in that order, once per column; all columns if none is
                                                  named; with `against: <row>`, that row and each other one as pairs
"""

import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

from t2ibench.compare.printed import Claim, PublishedCell
from t2ibench.errors import ConfigError

CHECKS = {
    "equals": "the cell is the number",
    "difference": "the second cell less the first is the number",
    "rises": "each cell is above the one before it",
    "falls": "each cell is below the one before it",
    "not above": "no cell is above the one before it",
    "same": "each cell is the one before it",
    "some below": "at least one cell is below the number",
    "open": "nothing that is printed decides it",
}
NUMBERED = {"equals": 1, "difference": 2, "some below": None}
"""The checks that name a number, and how many cells a sequence of theirs has (None: any)."""
NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
Value = Callable[[PublishedCell], Fraction]
Sequences = tuple[tuple[PublishedCell, ...], ...]


def exact(cell: PublishedCell) -> Fraction:
    """The printed number: what decides a claim unless something else is asked."""
    return cell.exact


def verdicts(claim: Claim, value: Value = exact) -> list[bool] | None:
    """Whether each sequence of the claim bears it out, value giving each cell's number; None where nothing decides.

    A difference agrees if it is the number after rounding to the number's decimals, whichever way ties go.
    """
    if claim.check == "open":
        return None
    if claim.check == "some below":
        return [any(value(cell) < Fraction(claim.number or 0) for cell in cells) for cells in claim.sequences]
    if claim.check in NUMBERED:
        return [_agrees(found(claim, cells, value)[-1], claim.number or "") for cells in claim.sequences]
    return [all(_ordered(claim.check, step) for step in found(claim, cells, value)) for cells in claim.sequences]


def found(claim: Claim, cells: Sequence[PublishedCell], value: Value = exact) -> list[Fraction]:
    """What the cells of one sequence give: the number itself for `equals`, else each step from cell to cell."""
    values = [value(cell) for cell in cells]
    return values if claim.check == "equals" else [second - first for first, second in pairwise(values)]


def parse_claims(entries: Sequence[Mapping[str, Any]], cells: Sequence[PublishedCell]) -> tuple[Claim, ...]:
    """Builds the claims of a parsed YAML. Raises ConfigError, naming the claim, where one cannot be used."""
    return tuple(_claim(f"claims[{position}]", entry, cells) for position, entry in enumerate(entries))


def _claim(key: str, entry: Mapping[str, Any], cells: Sequence[PublishedCell]) -> Claim:
    for setting in ("where", "says"):
        if not isinstance(entry.get(setting), str):
            raise ConfigError(f"{key}.{setting}", entry.get(setting), "words")
    check, number = entry.get("check"), entry.get("number")
    if not isinstance(check, str) or check not in CHECKS:
        raise ConfigError(f"{key}.check", check, ", ".join(CHECKS))
    if check in NUMBERED and not (isinstance(number, str) and NUMBER.fullmatch(number)):
        raise ConfigError(f"{key}.number", number, "a number in quotes, with the decimals that the text prints")
    if check not in NUMBERED and number is not None:
        raise ConfigError(f"{key}.number", number, f"none: {check!r} names no number")
    if (check == "open") != ("because" in entry):
        raise ConfigError(f"{key}.because", entry.get("because"), "a reason, for 'open' and for no other check")
    sequences = _sequences(key, entry, cells)
    if not sequences:
        raise ConfigError(f"{key}, cells", "0 sequences", "one at least: is the table there?")
    wanted = NUMBERED.get(check)
    for sequence in sequences:
        if (wanted and len(sequence) != wanted) or (check not in NUMBERED and len(sequence) < 2):
            raise ConfigError(f"{key}, cells", len(sequence), f"{wanted or 'two or more'} cells for {check!r}")
    return Claim(
        where=entry["where"],
        says=entry["says"],
        check=check,
        number=number,
        sequences=sequences,
        because=entry.get("because"),
    )


def _sequences(key: str, entry: Mapping[str, Any], cells: Sequence[PublishedCell]) -> Sequences:
    known: dict[tuple[Any, ...], PublishedCell] = {
        (cell.table, cell.column, cell.row): cell for cell in cells if not cell.diverged
    }

    def cell_at(place: Sequence[Any]) -> PublishedCell:
        if tuple(place) not in known:
            raise ConfigError(f"{key}, cell", list(place), "the table, column and row of a printed number")
        return known[tuple(place)]

    if "cells" in entry:
        return (tuple(cell_at(place) for place in entry["cells"]),)
    if "pairs" in entry:
        return tuple(tuple(cell_at(place) for place in pair) for pair in entry["pairs"])
    if "table" not in entry or "rows" not in entry:
        raise ConfigError(key, sorted(entry), "cells, or pairs, or table and rows")
    table = entry["table"]
    columns = entry.get("columns") or list(dict.fromkeys(cell.column for cell in cells if cell.table == table))
    rows = [(entry["against"], row) for row in entry["rows"]] if "against" in entry else [entry["rows"]]
    return tuple(tuple(cell_at((table, column, row)) for row in order) for column in columns for order in rows)


def _ordered(check: str, step: Fraction) -> bool:
    return {"rises": step > 0, "falls": step < 0, "not above": step <= 0, "same": step == 0}[check]


def _agrees(value: Fraction, number: str) -> bool:
    half = Fraction(1, 2 * 10 ** len(number.partition(".")[2]))
    return abs(value - Fraction(number)) <= half
