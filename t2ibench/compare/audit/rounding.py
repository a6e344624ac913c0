"""What the digits that a paper does not print could be, as exact ranges; and exact numbers written as decimals."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from typing import NamedTuple

from t2ibench.compare.printed import UNITS, PublishedCell

ROUNDED, TRUNCATED = "rounded", "truncated"
RULES = ("half up", "half even", TRUNCATED)
"""How a number may have lost its further digits: rounded with ties up, rounded with ties to even, or cut off."""


class Range(NamedTuple):
    """From low to high, both part of it; open: high is not."""

    low: Fraction
    high: Fraction
    open: bool = False


def unprinted(cell: PublishedCell, rule: str) -> Range:
    """The numbers that the printed digits can stand for, in their unit; rule: ROUNDED (either way of ties), TRUNCATED.

    A proportion stays within 0 and the whole: 100 percent, truncated, is 100 percent.
    """
    step = Fraction(1, 10**cell.decimals)
    low, high = (cell.exact, cell.exact + step) if rule == TRUNCATED else (cell.exact - step / 2, cell.exact + step / 2)
    whole = Fraction(UNITS[cell.unit])
    clipped = cell.unit != "score" and high > whole
    return Range(max(low, Fraction(0)), whole if clipped else high, rule == TRUNCATED and not clipped)


def mean(rows: Sequence[PublishedCell]) -> Fraction:
    """The mean of the printed numbers, in their unit."""
    return sum((row.exact for row in rows), Fraction(0)) / len(rows)


def mean_range(rows: Sequence[PublishedCell], rule: str) -> Range:
    """Every mean that the rows' unprinted digits allow, all of them written by one rule."""
    ranges = [unprinted(row, rule) for row in rows]
    low = sum((part.low for part in ranges), Fraction(0)) / len(rows)
    high = sum((part.high for part in ranges), Fraction(0)) / len(rows)
    return Range(low, high, any(part.open for part in ranges))


def overlap(first: Range, second: Range) -> Range | None:
    """What two ranges share; None where they share nothing."""
    low, high = max(first.low, second.low), min(first.high, second.high)
    ends_open = any(part.open for part in (first, second) if part.high == high)
    return Range(low, high, ends_open) if low < high or (low == high and not ends_open) else None


def write(numerator: int, n: int, rule: str) -> int:
    """numerator / n (neither negative) as a whole number, by one of RULES."""
    whole, rest = divmod(numerator, n)
    if rule == TRUNCATED or 2 * rest < n:
        return whole
    if rule == "half even" and 2 * rest == n:
        return whole + whole % 2
    return whole + 1


def shown(number: Fraction, decimals: int = 6, *, sign: bool = False, strip: bool = True) -> str:
    """A fraction as a decimal with so many decimals, ties up; strip: without the zeros at its end."""
    with localcontext() as context:
        context.prec = 60
        decimal = Decimal(number.numerator) / Decimal(number.denominator)
        decimal = decimal.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)
    text = f"{decimal:+f}" if sign else f"{decimal:f}"
    return text.rstrip("0").rstrip(".") if strip and "." in text else text
