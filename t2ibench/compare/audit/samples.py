"""Which sample sizes a printed proportion allows: the n for which some k/n is written as the paper wrote it.

Integers only: a float would decide the ties wrongly. A number is read at its own printed decimals ("85" in percent is
anything from 84.5 to 85.5), which allows the most and so excludes the least.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from t2ibench.compare.audit.rounding import RULES, write
from t2ibench.compare.printed import AVERAGE, NUMBER, UNITS, PublishedCell
from t2ibench.errors import ConfigError

N_MAX = 500
Ks = dict[str, int]
"""By rule, a k that gives the printed digits."""
Ns = dict[int, tuple[str, ...]]
"""By n, ascending, the rules under which it fits."""


def counts(printed: str, unit: str, n: int) -> Ks:
    """By each of RULES for which there is one, a k in 0..n whose k/n is written as the printed digits.

    printed: a proportion in `unit`, percent or fraction. Raises ConfigError where it is not one.
    """
    digits, scale = _digits(printed, unit)
    below = digits * n // scale  # if any k fits, then one of the two whole numbers about digits * n / scale does
    near = range(below, min(n, below + 1) + 1)
    return {rule: k for rule in RULES for k in reversed(near) if write(k * scale, n, rule) == digits}


def fitting(printed: str, unit: str, n_max: int = N_MAX) -> Ns:
    """The n in 1..n_max, ascending, for which some k/n rounds (either way of ties) or truncates to the printed digits.

    With which k, says `counts`. Raises ConfigError as `counts` does.
    """
    return {n: tuple(fits) for n in range(1, n_max + 1) if (fits := counts(printed, unit, n))}


def common(numbers: Sequence[Ns]) -> Ns:
    """The n that fit all the numbers under one and the same rule, each with the rules that do."""
    shared = sorted(set(numbers[0]).intersection(*numbers[1:])) if numbers else []
    rules = {n: tuple(rule for rule in RULES if all(rule in ns[n] for ns in numbers)) for n in shared}
    return {n: fits for n, fits in rules.items() if fits}


def shared_rules(cells: Iterable[PublishedCell], n: int) -> tuple[str, ...]:
    """The rules under which every one of the cells, which are proportions, could be of n things."""
    rules: tuple[str, ...] = RULES
    for cell in cells:
        fits = counts(cell.printed, cell.unit, n)
        rules = tuple(rule for rule in rules if rule in fits)
        if not rules:
            break
    return rules


def smallest_n(cells: Iterable[PublishedCell], n_max: int = N_MAX) -> int | None:
    """The smallest n up to n_max that every one of the cells could have, all written by the same rule.

    Averages are left out, for they are not k/n, and so is what counts nothing. None where there is no such n, or
    nothing is left.
    """
    counted = proportions(cells)
    return next((n for n in range(1, n_max + 1) if shared_rules(counted, n)), None) if counted else None


def proportions(cells: Iterable[PublishedCell]) -> list[PublishedCell]:
    """The cells that are a share k/n of counted things."""
    return [cell for cell in cells if cell.counted and cell.row != AVERAGE and not cell.diverged]


def largest_needed(cells: Sequence[PublishedCell]) -> int:
    """An n that always does: with so many things, every printed number of the cells is one k/n exactly."""
    return max(_digits(cell.printed, cell.unit)[1] for cell in cells)


def as_ranges(ns: Iterable[int]) -> list[list[int]]:
    """Ascending numbers as [first, last] of each run: 138, 139, 140, 276 -> [[138, 140], [276, 276]]."""
    ranges: list[list[int]] = []
    for n in ns:
        if ranges and n == ranges[-1][1] + 1:
            ranges[-1][1] = n
        else:
            ranges.append([n, n])
    return ranges


def _digits(printed: str, unit: str) -> tuple[int, int]:
    """The printed digits as a whole number, and what a proportion of 1 would be in it: "99.28" -> 9928, 10000."""
    if unit not in ("percent", "fraction"):
        raise ConfigError("unit", unit, "percent or fraction: no other unit counts anything")
    if not NUMBER.fullmatch(printed):
        raise ConfigError("printed", printed, "digits, with the decimals that the paper prints")
    shift = Decimal(10) ** len(printed.partition(".")[2])
    return int(Decimal(printed) * shift), int(UNITS[unit] * shift)
