"""What a paper prints, as plain values: a number with its digits, a claim of the text, and the tables of one paper."""

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

AVERAGE = "average"
DIVERGED = "NaN"
"""Printed where a training diverged: a result of the paper, and no number."""
UNITS = {"percent": Decimal(100), "fraction": Decimal(1), "score": Decimal(1)}
"""What 1 is written as. A score is whatever its metric says, and may pass 1."""
BETTER = ("higher", "lower")
NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
"""How a table's number is written: no sign, no exponent."""


@dataclass(frozen=True, kw_only=True)
class PublishedCell:
    """One printed number. row: as printed, a class or `average` where a cell is named; better: higher or lower;
    counted: it is the share k/n of counted things; printed: the digits on paper, in `unit`; n: how many things,
    None where the paper is silent; cell: `<source>/<variant>` that reproduces its column, None where nothing does."""

    table: int
    about: str
    column: str
    row: str
    metric: str
    better: str
    unit: str
    counted: bool
    printed: str
    n: int | None = None
    cell: str | None = None

    @property
    def class_name(self) -> str:
        """The row, by the name that it has where the column is a cell of the pipeline."""
        return self.row

    @property
    def diverged(self) -> bool:
        """Whether the paper prints NaN in place of a number."""
        return self.printed == DIVERGED

    @property
    def exact(self) -> Fraction:
        """The printed number, in its unit, without a rounding. Raises ValueError where it is NaN."""
        return Fraction(self.printed)

    @property
    def value(self) -> float:
        """The printed number with 1 for the whole: 0.9928 for 99.28 percent; nan where the paper prints NaN."""
        return float(Decimal(self.printed) / UNITS[self.unit])

    @property
    def decimals(self) -> int:
        """How many decimals are printed: 2 for 99.28, 0 for 100."""
        return len(self.printed.partition(".")[2])

    @property
    def source(self) -> str | None:
        """The source of the pipeline's cell: the same images stand behind all columns that share it."""
        return self.cell.partition("/")[0] if self.cell else None

    @property
    def where(self) -> str:
        """The column, in words: Table 1, DALL-E 3, base."""
        return f"Table {self.table}, {self.column}"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What the text says of the tables. where: in the text; says: what, in our words; check: one of the checks of
    `compare/claims.py`; number: the one that it names, None for an order; sequences: the cells that decide it;
    because: why nothing does, for the check `open`."""

    where: str
    says: str
    check: str
    number: str | None
    sequences: tuple[tuple[PublishedCell, ...], ...]
    because: str | None = None


@dataclass(frozen=True, kw_only=True)
class Published:
    """The tables of one paper, cells in printed order, and its claims. unknown: what the paper does not print."""

    paper: str
    title: str
    authors: str
    venue: str
    unknown: tuple[str, ...]
    cells: tuple[PublishedCell, ...]
    claims: tuple[Claim, ...] = ()

    def columns(self) -> list[tuple[PublishedCell, ...]]:
        """The cells by column, in printed order."""
        found: dict[tuple[int, str], list[PublishedCell]] = {}
        for cell in self.cells:
            found.setdefault((cell.table, cell.column), []).append(cell)
        return [tuple(column) for column in found.values()]


NOTHING = Published(paper="none", title="", authors="", venue="", unknown=(), cells=())
