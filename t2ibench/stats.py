"""Intervals, tests and sample sizes for accuracies: pure functions; scipy and statsmodels do the arithmetic.

Sources: Wilson (1927) for one proportion; Newcombe (1998), "Interval estimation for the difference between
independent proportions", method 10, for two; Newcombe (1998), "Improved confidence intervals for the difference
between binomial proportions based on paired data", method 10, for two of the same images; for the mean of several,
Wilson's interval at the effective sample size (Dean and Pagano 2015, "Evaluating confidence interval methods for
binomial proportions in clustered surveys"). All of them are made of Wilson limits, so that an accuracy of 0 or 1 still
has an interval of honest width, where the usual normal approximation has none.

The p values of differences and of equivalence (Schuirmann 1987) are those intervals read backwards, so that a test and
the interval beside it never say different things. Also: McNemar (1947) in its exact form, Holm (1979), the bootstrap
over clusters (Davison and Hinkley 1997, section 3.8), Cohen's kappa (1960), power in Cohen's arcsine form (1988).
"""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple


class Interval(NamedTuple):
    """Two limits, both part of the interval."""

    low: float
    high: float


class Count(NamedTuple):
    """correct out of n, with 0 <= correct <= n."""

    correct: int
    n: int


class Share(NamedTuple):
    """A proportion p in [0, 1] of n > 0 images. A printed percentage need not be a whole count of the n behind it."""

    p: float
    n: float


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
    for correct, n in (first, second):
        _check(correct, n, confidence)
    if first.n == 0 or second.n == 0:
        return Interval(-1.0, 1.0)
    one, two = ([Share(correct / n, n)] for correct, n in (first, second))
    return difference_of_means(one, two, confidence)


def mean_of_proportions(counts: Sequence[Count], confidence: float = 0.95) -> Interval:
    """The interval of the unweighted mean of independent proportions, in [0, 1]: Wilson's, for `as_one`.

    The paper's average row is such a mean: each class weighs the same, however many images it has. (0, 1) where a
    class has none. Raises ValueError as `wilson` does, and where there is no count.
    """
    if not counts:
        raise ValueError("the mean of no proportions is not defined")
    for correct, n in counts:
        _check(correct, n, confidence)
    if not all(n for _, n in counts):
        return Interval(0.0, 1.0)
    (interval,) = _wilson_of([as_one([Share(correct / n, n) for correct, n in counts])], confidence)
    return interval


def as_one(shares: Sequence[Share]) -> Share:
    """The one sample whose proportion is as uncertain as the unweighted mean of these: their mean, effective n.

    n is the smaller of two: that which gives the variance of the mean, and that of equal proportions (the harmonic
    mean of the sizes, times their number), for the variance of a few observed zeros or ones is too small.
    """
    size, mean = len(shares), math.fsum(one.p for one in shares) / len(shares)
    variance = math.fsum(one.p * (1 - one.p) / one.n for one in shares) / size**2
    n = size**2 / math.fsum(1 / one.n for one in shares)
    return Share(mean, min(n, mean * (1 - mean) / variance) if variance else n)


def difference_of_means(first: Sequence[Share], second: Sequence[Share], confidence: float = 0.95) -> Interval:
    """Newcombe's interval of mean(first) - mean(second), in [-1, 1], of independent proportions (see `as_one`).

    Raises ValueError where a side is empty, a share is none, or the confidence is not in (0, 1).
    """
    _check_shares(first, second, confidence)
    a, b = as_one(first), as_one(second)
    one, two = _wilson_of([a, b], confidence)
    return Interval(
        a.p - b.p - math.hypot(a.p - one.low, two.high - b.p),
        a.p - b.p + math.hypot(one.high - a.p, b.p - two.low),
    )


def p_of_zero(interval: Callable[[float], Interval]) -> float:
    """The two-sided p value of "no difference": the smallest alpha whose interval, of confidence 1 - alpha, excludes 0.

    interval: confidence -> interval, wider for more confidence. In (0, 1]; never below 1e-12.
    """

    def reach(alpha: float) -> float:  # above 0 where the interval reaches zero
        low, high = interval(1 - alpha)
        return min(-low, high)

    return _smallest_alpha(reach)


def p_of_margin(interval: Callable[[float], Interval], margin: float) -> float:
    """The p value of equivalence: the smallest alpha whose interval, of confidence 1 - 2 alpha, is inside +-margin.

    interval: confidence -> interval, wider for more confidence. In (0, 0.5], which stands for 0.5 and more.
    """

    def beyond(alpha: float) -> float:  # above 0 where the interval passes the margin
        low, high = interval(1 - alpha)
        return max(-low, high) - margin

    return _smallest_alpha(beyond) / 2


def tost(first: Count, second: Count, margin: float) -> float:
    """The p value of two one-sided tests that p_first - p_second is beyond a margin in (0, 1); small: equivalent.

    It is below alpha exactly where Newcombe's interval of confidence 1 - 2 alpha lies inside the margin. 0.5 where
    there is no image. Raises ValueError as `wilson` does, and for a margin that is none.
    """
    if not 0 < margin < 1:
        raise ValueError(f"a margin of {margin} is not in (0, 1)")
    for correct, n in (first, second):
        _check(correct, n, 0.5)
    if first.n == 0 or second.n == 0:
        return 0.5
    return p_of_margin(lambda confidence: newcombe(first, second, confidence), margin)


def paired_difference(both: int, lost: int, gained: int, neither: int, confidence: float = 0.95) -> Interval:
    """Newcombe's interval (paired, method 10) of p_after - p_before for the same images, in [-1, 1].

    both: right before and after; lost: before only; gained: after only; neither. (-1, 1) where there is no image.
    """
    n = both + lost + gained + neither
    if n == 0:
        return Interval(-1.0, 1.0)
    after, before = Count(both + gained, n), Count(both + lost, n)
    one, two = wilson(*after, confidence), wilson(*before, confidence)
    p, q = after.correct / n, before.correct / n
    spread = math.sqrt(after.correct * (n - after.correct) * before.correct * (n - before.correct))
    excess = both * neither - lost * gained
    corrected = max(excess - n / 2, 0.0) if excess > 0 else excess  # Newcombe's continuity correction of phi
    phi = corrected / spread if spread else 0.0
    below, above = (p - one.low, two.high - q), (one.high - p, q - two.low)
    return Interval(p - q - _root(*below, phi), p - q + _root(*above, phi))


def mcnemar(gained: int, lost: int) -> float:
    """McNemar's exact two-sided p value: gained and lost images, were both equally likely. 1 where there are none."""
    if gained < 0 or lost < 0:
        raise ValueError(f"{gained} gained and {lost} lost are no counts")
    from scipy.stats import binomtest

    return float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def cluster_bootstrap(
    values: Sequence[float],
    clusters: Sequence[Hashable],
    confidence: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
    strata: Sequence[Hashable] | None = None,
) -> Interval:
    """The percentile interval of the mean of `values`, drawing whole clusters with replacement.

    clusters: one label a value, such as the prompt of an image: values of one cluster need not be independent.
    strata: one label a value, such as its class: clusters are drawn within each, and the strata's means are averaged.
    The same input and seed give the same interval, in whatever order. It has no width where all clusters have the same
    mean. Raises ValueError where there is no value, or not as many labels as values.
    """
    import numpy as np

    if not values or len(values) != len(clusters):
        raise ValueError(f"{len(values)} values with {len(clusters)} clusters have no bootstrap")
    table: dict[str, dict[str, list[float]]] = {}
    for value, cluster, stratum in zip(values, clusters, strata or [""] * len(values), strict=True):
        table.setdefault(str(stratum), {}).setdefault(str(cluster), []).append(value)
    rng = np.random.default_rng(seed)
    means = np.zeros(draws)
    for _, found in sorted(table.items()):
        sums = np.array([math.fsum(one) for _, one in sorted(found.items())])
        sizes = np.array([len(one) for _, one in sorted(found.items())])
        k = len(sums)
        times = rng.multinomial(k, np.full(k, 1 / k), size=draws)  # how often each draw has each cluster: [draws, k]
        means += (times @ sums) / (times @ sizes) / len(table)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p values, in the order given: below alpha where the family's error rate allows a rejection."""
    adjusted, worst = [0.0] * len(p_values), 0.0  # here, for statsmodels' collects garbage each time: half a second
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = worst
    return adjusted


def smallest_difference(n1: int, n2: int, p: float, alpha: float = 0.05, power: float = 0.8) -> float | None:
    """The smallest distance from an accuracy p towards 1/2 that n1 and n2 images show with this power, in (0, 1).

    A two-sided test at alpha, in Cohen's arcsine approximation. None where even the farthest accuracy would not show.
    Raises ValueError where a size is not above 0 or a fraction not in range.
    """
    if n1 <= 0 or n2 <= 0 or not 0 <= p <= 1:
        raise ValueError(f"{n1} and {n2} images around {p} show no difference")
    from scipy.optimize import brentq  # not statsmodels' NormalIndPower: that imports pandas, three seconds
    from scipy.stats import norm

    root, z = math.sqrt(n1 * n2 / (n1 + n2)), norm.isf(alpha / 2)
    effect = brentq(lambda d: norm.sf(z - d * root) + norm.cdf(-z - d * root) - power, 0, 20 / root, xtol=1e-12)
    start = 2 * math.asin(math.sqrt(max(p, 1 - p)))
    return max(p, 1 - p) - math.sin((start - float(effect)) / 2) ** 2 if effect < start else None


def images_for_margin(p: float, margin: float, alpha: float = 0.05, power: float = 0.8) -> int:
    """The images on each side with which two equal accuracies p are found equivalent with about this power.

    Equivalent: `tost` below alpha, for a margin in (0, 1). The normal approximation (Chow, Shao and Wang 2008, section
    4.2), or, where it asks for fewer (p near 0 or 1), the images whose interval fits when both shares are p itself.
    """
    if not 0 <= p <= 1 or not 0 < margin < 1:
        raise ValueError(f"{p} within {margin} needs no images")
    from scipy.stats import norm  # type: ignore[import-untyped,unused-ignore]

    z = norm.ppf(1 - alpha) + norm.ppf((1 + power) / 2)
    normal = math.ceil(2 * p * (1 - p) * (float(z) / margin) ** 2)

    def fits(n: int) -> bool:
        low, high = difference_of_means([Share(p, n)], [Share(p, n)], 1 - 2 * alpha)
        return -margin < low and high < margin

    return max(normal, smallest_n_that(fits) or 1)


def smallest_n_that(fits: Callable[[int], bool], bound: int = 1_000_000) -> int | None:
    """The smallest n in 1..bound that fits, where every larger one does too; None where `bound` itself does not."""
    if not fits(bound):
        return None
    low, high = 0, 1
    while not fits(high):
        low, high = high, min(2 * high, bound)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def cohen_kappa(first: Sequence[str], second: Sequence[str]) -> float | None:
    """Cohen's kappa of two reviewers' labels of the same things, in [-1, 1]: agreement beyond chance.

    None where it is undefined: there is nothing, or both gave one and the same label throughout. Raises ValueError
    where the lengths differ.
    """
    pairs = Counter(zip(first, second, strict=True))
    labels = sorted({*first, *second})
    if len(labels) < 2:
        return None
    from statsmodels.stats.inter_rater import cohens_kappa  # type: ignore[import-untyped,unused-ignore]

    return float(cohens_kappa([[pairs[a, b] for b in labels] for a in labels], return_results=False))


def _root(a: float, b: float, phi: float) -> float:
    """The length of a and b combined, correlated by phi."""
    return math.sqrt(max(0.0, a * a - 2 * phi * a * b + b * b))


def _smallest_alpha(excess: Callable[[float], float]) -> float:
    """The alpha in [1e-12, 1] at which `excess`, which falls as alpha grows, comes down to 0."""
    from scipy.optimize import brentq  # type: ignore[import-untyped,unused-ignore]

    low, high = 1e-12, 1 - 1e-9
    if excess(high) >= 0:
        return 1.0
    if excess(low) <= 0:
        return low
    return float(brentq(excess, low, high, xtol=1e-13, rtol=1e-10))


def _wilson_of(shares: Sequence[Share], confidence: float) -> list[Interval]:
    """Wilson's interval of each share; n need not be whole, which is why it is not `wilson`."""
    from scipy.stats import norm  # not statsmodels' proportion_confint: that imports pandas, three seconds

    z2 = float(norm.isf((1 - confidence) / 2)) ** 2
    found = []
    for p, n in shares:
        centre, reach = p + z2 / (2 * n), math.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n)))
        found.append(Interval((centre - reach) / (1 + z2 / n), (centre + reach) / (1 + z2 / n)))
    return found


def _check_shares(first: Sequence[Share], second: Sequence[Share], confidence: float) -> None:
    if not first or not second:
        raise ValueError("the mean of no proportions is not defined")
    for p, n in (*first, *second):
        if not 0 <= p <= 1 or n <= 0:
            raise ValueError(f"{p} of {n} images is not a share")
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence of {confidence} is not in (0, 1)")


def _check(correct: int, n: int, confidence: float) -> None:
    if not 0 <= correct <= n:
        raise ValueError(f"{correct} of {n} is not a proportion")
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence of {confidence} is not in (0, 1)")
