"""Intervals for accuracies: pure functions; scipy does the arithmetic.

Sources: Wilson (1927) for one proportion; Newcombe (1998), "Interval estimation for the difference between
independent proportions", method 10, for two; Zou and Donner (2008), "Construction of confidence limits about
effect measures", for the mean of several (the method of variance estimates recovery). The last two combine
Wilson limits, so that an accuracy of 0 or 1 still has an interval of honest width, where the usual normal
approximation has none.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple


class Interval(NamedTuple):
    """Two limits, both part of the interval."""

    low: float
    high: float


class Count(NamedTuple):
    """correct out of n, with 0 <= correct <= n."""

    correct: int
    n: int


def wilson(correct: int, n: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of a proportion, in [0, 1]; (0, 1) where n is 0, for then nothing is known.

    Raises ValueError unless 0 <= correct <= n and 0 < confidence < 1.
    """
    _check(correct, n, confidence)
    if n == 0:
        return Interval(0.0, 1.0)
    # here, for the import takes more than a second
    from scipy.stats import binomtest  # type: ignore[import-untyped,unused-ignore]

    low, high = binomtest(correct, n).proportion_ci(confidence, method="wilson")
    return Interval(float(low), float(high))


def newcombe(first: Count, second: Count, confidence: float = 0.95) -> Interval:
    """Newcombe's interval (method 10) of p_first - p_second, in [-1, 1]; (-1, 1) where either n is 0.

    Raises ValueError as `wilson` does.
    """
    one, two = wilson(*first, confidence), wilson(*second, confidence)
    if first.n == 0 or second.n == 0:
        return Interval(-1.0, 1.0)
    p, q = first.correct / first.n, second.correct / second.n
    return Interval(
        p - q - math.hypot(p - one.low, two.high - q),
        p - q + math.hypot(one.high - p, q - two.low),
    )


def mean_of_proportions(counts: Sequence[Count], confidence: float = 0.95) -> Interval:
    """The interval of the unweighted mean of independent proportions, in [0, 1] (Zou and Donner).

    The paper's average row is such a mean: each class weighs the same, however many images it has.
    A class without images adds the full width of its (0, 1), around 1/2. Raises ValueError as `wilson` does, and
    where there is no count.
    """
    if not counts:
        raise ValueError("the mean of no proportions is not defined")
    below = above = total = 0.0
    for correct, n in counts:
        p = correct / n if n else 0.5
        low, high = wilson(correct, n, confidence)
        total += p
        below += (p - low) ** 2
        above += (high - p) ** 2
    size = len(counts)
    return Interval(max(0.0, (total - math.sqrt(below)) / size), min(1.0, (total + math.sqrt(above)) / size))


def _check(correct: int, n: int, confidence: float) -> None:
    if not 0 <= correct <= n:
        raise ValueError(f"{correct} of {n} is not a proportion")
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence of {confidence} is not in (0, 1)")
