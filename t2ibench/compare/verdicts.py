"""The verdict on one published number, and the reason in words.

`reproduced` is a finding of equivalence, not a failure to find a difference: the interval of the difference lies inside
the margin (two one-sided tests at alpha, so a confidence of 1 - 2 alpha). `differs` needs both a difference that chance
does not explain (p below alpha, Holm-adjusted over the classes of a column; that is the Holm-adjusted interval without
zero) and one that matters (beyond the margin). What is neither is `underpowered`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, NamedTuple

from t2ibench.stats import Interval, Share, difference_of_means, images_for_margin, p_of_zero, smallest_n_that

Word = Literal["reproduced", "differs", "underpowered", "not comparable"]
VERDICTS: tuple[Word, ...] = ("reproduced", "differs", "underpowered", "not comparable")


class Verdict(NamedTuple):
    """word: one of VERDICTS; reason: why, one sentence without a full stop; needed: the images of ours, over all
    classes behind the number, that would decide, None where it is decided or no number of ours would."""

    word: Word
    reason: str
    needed: int | None = None


@dataclass(frozen=True)
class Evidence:
    """Our shares beside the paper's, one of a class or those of an average's classes.

    value: the printed number, a fraction; margin: the difference that would matter, a fraction; assumed: where the
    paper's number of images is from, in words, empty where it is printed.
    """

    ours: tuple[Share, ...]
    published: tuple[Share, ...]
    value: float
    margin: float
    assumed: str

    @property
    def difference(self) -> float:
        """Ours minus the printed number."""
        return sum(one.p for one in self.ours) / len(self.ours) - self.value

    def interval(self, confidence: float) -> Interval:
        """The difference's interval; about the printed number where a printed average is not the mean of its rows."""
        low, high = difference_of_means(self.ours, self.published, confidence)
        shift = sum(one.p for one in self.published) / len(self.published) - self.value
        return Interval(low + shift, high + shift)

    @cached_property
    def p_value(self) -> float:
        """The two-sided p value of no difference, before any adjustment."""
        return p_of_zero(self.interval)

    def inside(self, alpha: float) -> bool:
        """Whether the two are equivalent: the interval of confidence 1 - 2 alpha lies inside the margin."""
        low, high = self.interval(1 - 2 * alpha)
        return -self.margin < low and high < self.margin

    def apart(self, alpha: float) -> bool:
        """Whether the two differ by more than the margin, and by more than chance at alpha."""
        low, high = self.interval(1 - alpha)
        return abs(self.difference) > self.margin and not low <= 0 <= high


def decide(evidence: Evidence, p_adjusted: float, tests: int, alpha: float, power: float) -> Verdict:
    """The verdict on comparable numbers.

    p_adjusted: the p value of no difference, Holm-adjusted over `tests` numbers; alpha: of every test; power: with
    which equivalence should be found, in (0, 1), for the images that are asked for.
    """
    points = f"{100 * evidence.difference:+.2f} points"
    margin = f"{100 * evidence.margin:g}"
    low, high = evidence.interval(1 - 2 * alpha)
    interval = f"the {100 * (1 - 2 * alpha):g} % interval, {100 * low:+.1f} to {100 * high:+.1f}"
    tail = f"; the paper prints no n, {evidence.assumed}" if evidence.assumed else ""
    family = f" after Holm over {tests} classes" if tests > 1 else ""
    if evidence.inside(alpha):
        return Verdict("reproduced", f"{points}: {interval}, lies inside the margin of {margin}{tail}")
    if p_adjusted < alpha and abs(evidence.difference) > evidence.margin:
        return Verdict("differs", f"{points}, more than the margin of {margin}, and more than chance explains: "
                                  f"p = {p_adjusted:.2g}{family}{tail}")
    needed, how = _needed(evidence, tests, alpha, power)
    return Verdict("underpowered", f"{points}: {interval}, reaches beyond the margin of {margin}, and "
                                   f"p = {p_adjusted:.2g}{family}; {how}{tail}", needed)


def _needed(evidence: Evidence, tests: int, alpha: float, power: float) -> tuple[int | None, str]:
    """How many images of ours would decide, if the accuracies stay what they are; Holm at its strictest."""
    classes = len(evidence.ours)
    each = " of each class" if classes > 1 else ""

    def decided(resize: Callable[[int], Evidence]) -> Callable[[int], bool]:
        return lambda n: (at := resize(n)).inside(alpha) or at.apart(alpha / tests)

    ours = smallest_n_that(decided(lambda n: replace(evidence, ours=_of(evidence.ours, n))))
    if ours is not None:
        return ours * classes, f"about {ours} images{each} would decide, if the accuracies stay as they are"
    both = smallest_n_that(decided(lambda n: replace(evidence, ours=_of(evidence.ours, n),
                                                     published=_of(evidence.published, n))))
    if both is not None:
        return None, f"no number of our images would decide, the paper has too few; {both}{each} on either side would"
    wanted = images_for_margin(sum(one.p for one in evidence.published) / classes, evidence.margin, alpha, power)
    return None, f"the difference is the margin itself; were there none, {wanted}{each} on either side would show it"


def _of(shares: tuple[Share, ...], n: int) -> tuple[Share, ...]:
    return tuple(Share(one.p, n) for one in shares)
