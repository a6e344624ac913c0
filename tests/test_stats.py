"""Intervals, tests and sizes against scipy, statsmodels, published worked examples, closed forms and simulation."""

import math
from itertools import product

import numpy as np
import pytest
from scipy.stats import binom, binomtest, norm
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import (
    confint_proportions_2indep,
    proportion_confint,
    test_proportions_2indep,
    tost_proportions_2indep,
)

from t2ibench.stats import (
    Count,
    Interval,
    Share,
    as_one,
    cluster_bootstrap,
    cohen_kappa,
    difference_of_means,
    holm,
    images_for_margin,
    mcnemar,
    mean_of_proportions,
    newcombe,
    p_of_zero,
    paired_difference,
    smallest_difference,
    smallest_n_that,
    tost,
    wilson,
)

test_proportions_2indep.__test__ = False  # a function of statsmodels, not a test
COUNTS = [(0, 1), (1, 1), (0, 7), (7, 7), (1, 40), (39, 40), (139, 140), (250, 500)]
Z95 = 1.959963984540054


@pytest.mark.parametrize(("correct", "n"), COUNTS)
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_wilson_agrees_with_statsmodels(correct: int, n: int, confidence: float) -> None:
    expected = proportion_confint(correct, n, alpha=1 - confidence, method="wilson")
    assert wilson(correct, n, confidence) == pytest.approx(expected, abs=1e-12)


def test_wilson_agrees_with_its_closed_form() -> None:
    p, n = 0.8, 50
    middle = (p + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 * math.sqrt(p * (1 - p) / n + Z95**2 / (4 * n * n)) / (1 + Z95**2 / n)
    assert wilson(40, 50) == pytest.approx((middle - half, middle + half), abs=1e-12)


def test_no_image_says_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert newcombe(Count(0, 0), Count(3, 4)) == (-1.0, 1.0)


def test_newcombe_gives_the_published_worked_example() -> None:
    # Newcombe 1998, Table II, method 10, (a): 56/70 against 48/80
    assert newcombe(Count(56, 70), Count(48, 80)) == pytest.approx((0.0524, 0.3339), abs=5e-5)


@pytest.mark.parametrize(("first", "second"), [((9, 10), (3, 10)), ((39, 40), (40, 40)), ((0, 10), (0, 20))])
def test_newcombe_agrees_with_statsmodels(first: tuple[int, int], second: tuple[int, int]) -> None:
    expected = confint_proportions_2indep(*first, *second, method="newcomb", compare="diff")
    assert newcombe(Count(*first), Count(*second)) == pytest.approx(expected, abs=1e-9)


def test_the_mean_of_one_proportion_has_its_wilson_interval() -> None:
    assert mean_of_proportions([Count(39, 40)]) == pytest.approx(wilson(39, 40), abs=1e-12)


def test_the_mean_of_equal_proportions_has_the_interval_of_all_their_images() -> None:
    assert mean_of_proportions([Count(30, 40)] * 10) == pytest.approx(wilson(300, 400), abs=1e-12)


def test_the_mean_of_perfect_proportions_still_has_a_width() -> None:
    assert mean_of_proportions([Count(40, 40)] * 10) == pytest.approx(wilson(400, 400), abs=1e-12)
    low, high = mean_of_proportions([Count(40, 40)] * 9 + [Count(4, 4)])
    assert 0.9 < low < wilson(400, 400).low < high == pytest.approx(1.0)


def test_the_mean_of_proportions_is_as_wide_as_its_smallest_sample_makes_it() -> None:
    found = as_one([Share(0.5, 4), Share(1.0, 400)])
    assert found.p == 0.75
    assert found.n == pytest.approx(0.75 * 0.25 / (0.25 / 4 / 4))  # the variance of the mean, spelt out


def test_a_class_without_an_image_leaves_the_mean_unknown() -> None:
    assert mean_of_proportions([Count(40, 40), Count(0, 0)]) == (0.0, 1.0)


def test_the_mean_of_large_samples_agrees_with_the_normal_approximation() -> None:
    counts = [Count(7000, 10000), Count(9000, 10000)]
    half = Z95 * math.sqrt(0.7 * 0.3 / 10000 + 0.9 * 0.1 / 10000) / 2
    low, high = mean_of_proportions(counts)
    assert (low, high) == pytest.approx((0.8 - half, 0.8 + half), abs=3e-4)
    assert high - low > 2 * half  # the effective sample is never larger than that of equal proportions


@pytest.mark.parametrize(("correct", "n", "confidence"), [(2, 1, 0.95), (-1, 3, 0.95), (1, 2, 0.0), (1, 2, 1.0)])
def test_what_is_no_proportion_is_refused(correct: int, n: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="is not"):
        wilson(correct, n, confidence)


def test_the_mean_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no proportions"):
        mean_of_proportions([])


def covered(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


PAPERS = (0.975, 0.85, 0.8, 0.95, 0.95, 0.8, 0.7, 1.0, 0.75, 0.95)
"""Table 1, DALL-E 3: the accuracies of ten classes."""


@pytest.mark.parametrize("truth", [[0.7] * 10, [0.9] * 10, [0.98] * 10, PAPERS, [0.7, 0.9], [1.0] * 9 + [0.944]])
def test_the_mean_of_classes_is_covered_as_often_as_promised(truth: list[float]) -> None:
    draws = np.random.default_rng(1).binomial(36, truth, size=(500, len(truth)))
    hits = [covered(mean_of_proportions([Count(int(k), 36) for k in row]), float(np.mean(truth))) for row in draws]
    assert np.mean(hits) >= 0.93


def test_a_difference_of_means_of_large_samples_agrees_with_the_normal_approximation() -> None:
    first, second = [Share(0.8, 9000), Share(0.8, 11000)], [Share(0.8, 10000)]
    half = Z95 * math.sqrt((0.16 / 9000 + 0.16 / 11000) / 4 + 0.16 / 10000)
    assert difference_of_means(first, second) == pytest.approx((-half, half), abs=2e-4)


def test_a_difference_of_means_turns_its_sign_with_its_sides() -> None:
    one, two = [Share(0.9, 30), Share(1.0, 12)], [Share(0.7, 25)]
    low, high = difference_of_means(one, two)
    assert difference_of_means(two, one) == pytest.approx((-high, -low))


@pytest.mark.parametrize("p", [0.75, 0.95])
def test_a_difference_of_means_is_covered_as_often_as_promised(p: float) -> None:
    draws = np.random.default_rng(2).binomial(40, p, size=(300, 2, 5))
    hits = [covered(difference_of_means(*([Share(k / 40, 40) for k in side] for side in row)), 0.0) for row in draws]
    assert np.mean(hits) >= 0.93


@pytest.mark.parametrize("sides", [([], [Share(0.5, 3)]), ([Share(0.5, 3)], []), ([Share(1.5, 3)], [Share(0.5, 3)]),
                                   ([Share(0.5, 0)], [Share(0.5, 3)])])
def test_a_difference_of_what_is_no_share_is_refused(sides: tuple[list[Share], list[Share]]) -> None:
    with pytest.raises(ValueError, match=r"is not a share|no proportions"):
        difference_of_means(*sides)


Pair = tuple[int, int]


@pytest.mark.parametrize(("first", "second"), [((360, 400), (380, 400)), ((700, 1000), (650, 1000)),
                                               ((56, 70), (48, 80))])
def test_the_p_value_of_no_difference_is_near_the_score_tests(first: Pair, second: Pair) -> None:
    found = p_of_zero(lambda confidence: newcombe(Count(*first), Count(*second), confidence))
    assert found == pytest.approx(test_proportions_2indep(*first, *second, method="score").pvalue, rel=0.3)


@pytest.mark.parametrize(("first", "second"), list(product([(30, 40), (40, 40), (1, 1)],
                                                            [(20, 40), (28, 40), (3, 9)])))
def test_the_p_value_is_where_the_interval_begins_to_exclude_zero(first: Pair, second: Pair) -> None:
    p = p_of_zero(lambda confidence: newcombe(Count(*first), Count(*second), confidence))
    assert 0 < p <= 1
    assert covered(newcombe(Count(*first), Count(*second), 1 - p * 0.99), 0.0)
    assert not covered(newcombe(Count(*first), Count(*second), 1 - p * 1.01), 0.0)


def test_equal_accuracies_have_a_p_value_of_one_and_hopeless_ones_the_smallest() -> None:
    assert p_of_zero(lambda confidence: newcombe(Count(30, 40), Count(30, 40), confidence)) == 1.0
    assert p_of_zero(lambda confidence: newcombe(Count(0, 4000), Count(4000, 4000), confidence)) == 1e-12


@pytest.mark.parametrize(("first", "second", "margin"), [
    ((950, 1000), (955, 1000), 0.03), ((380, 400), (384, 400), 0.05), ((700, 1000), (730, 1000), 0.05),
])
def test_equivalence_is_near_the_score_tests_of_statsmodels(first: Pair, second: Pair, margin: float) -> None:
    expected = tost_proportions_2indep(*first, *second, -margin, margin, method="score").pvalue
    assert tost(Count(*first), Count(*second), margin) == pytest.approx(expected, rel=0.35)


@pytest.mark.parametrize(("correct", "n", "margin"), [(38, 40, 0.05), (38, 40, 0.12), (99, 100, 0.05),
                                                      (400, 400, 0.05)])
def test_equivalence_is_found_where_the_interval_lies_inside_the_margin(correct: int, n: int, margin: float) -> None:
    p = tost(Count(correct, n), Count(n, n), margin)
    for alpha in (0.01, 0.05, 0.1):
        low, high = newcombe(Count(correct, n), Count(n, n), 1 - 2 * alpha)
        assert (p < alpha) == (-margin < low and high < margin)


def test_more_images_make_equivalence_surer_and_no_image_leaves_it_open() -> None:
    found = [tost(Count(19 * k, 20 * k), Count(19 * k, 20 * k), 0.05) for k in (1, 2, 5, 20, 100)]
    assert found == sorted(found, reverse=True)
    assert tost(Count(0, 0), Count(5, 5), 0.05) == 0.5


@pytest.mark.parametrize("margin", [0.0, 1.0, -0.1])
def test_a_margin_outside_of_its_range_is_refused(margin: float) -> None:
    with pytest.raises(ValueError, match="margin"):
        tost(Count(1, 2), Count(1, 2), margin)


def test_accuracies_that_differ_by_the_margin_are_rarely_called_equivalent() -> None:
    draws = np.random.default_rng(3).binomial(400, [0.9, 0.85], size=(200, 2))
    wrong = [tost(Count(int(a), 400), Count(int(b), 400), 0.05) < 0.05 for a, b in draws]
    assert np.mean(wrong) <= 0.09


def test_the_paired_difference_gives_the_published_worked_example() -> None:
    # Fagerland, Lydersen and Laake 2014: airway hyper-responsiveness before and after, 1, 1, 7, 12 of 21 patients
    assert paired_difference(both=1, lost=1, gained=7, neither=12) == pytest.approx((0.026, 0.507), abs=5e-4)


def test_the_paired_difference_of_uncorrelated_images_is_newcombes_unpaired() -> None:
    assert paired_difference(9, 9, 9, 9) == pytest.approx(newcombe(Count(18, 36), Count(18, 36)), abs=1e-12)


def test_the_paired_difference_is_narrower_than_the_unpaired_where_few_images_change() -> None:
    low, high = paired_difference(both=80, lost=2, gained=3, neither=15)
    wide_low, wide_high = newcombe(Count(83, 100), Count(82, 100))
    assert wide_low < low < 0.01 < high < wide_high


@pytest.mark.parametrize("table", [(40, 0, 0, 0), (0, 0, 0, 40), (0, 0, 1, 0), (0, 40, 0, 0), (39, 1, 0, 0)])
def test_the_paired_difference_of_extreme_tables_stays_in_range(table: tuple[int, int, int, int]) -> None:
    low, high = paired_difference(*table)
    assert -1.0 <= low <= (table[2] - table[1]) / sum(table) <= high <= 1.0
    assert low < high


def test_no_pair_says_nothing() -> None:
    assert paired_difference(0, 0, 0, 0) == (-1.0, 1.0)
    assert mcnemar(0, 0) == 1.0


@pytest.mark.parametrize("cells", [(0.7, 0.05, 0.05, 0.2), (0.85, 0.02, 0.06, 0.07), (0.25, 0.25, 0.25, 0.25)])
def test_the_paired_difference_is_covered_as_often_as_promised(cells: tuple[float, ...]) -> None:
    tables = np.random.default_rng(4).multinomial(100, cells, size=300)
    hits = [covered(paired_difference(*map(int, table)), cells[2] - cells[1]) for table in tables]
    assert np.mean(hits) >= 0.93


@pytest.mark.parametrize(("gained", "lost"), [(0, 1), (1, 7), (7, 1), (5, 5), (30, 12), (0, 20)])
def test_mcnemar_agrees_with_statsmodels(gained: int, lost: int) -> None:
    expected = statsmodels_mcnemar([[50, lost], [gained, 9]], exact=True).pvalue
    assert mcnemar(gained, lost) == pytest.approx(min(1.0, expected))


def test_mcnemar_agrees_with_its_closed_form() -> None:
    assert mcnemar(1, 7) == pytest.approx(2 * (1 + 8) / 2**8)


def test_counts_below_zero_are_refused() -> None:
    with pytest.raises(ValueError, match="no counts"):
        mcnemar(-1, 3)


def clustered(seed: int, prompts: int, images: int) -> tuple[list[float], list[str]]:
    """Right or wrong of images whose prompts differ in difficulty (beta with mean 0.8)."""
    rng = np.random.default_rng(seed)
    right = rng.binomial(1, rng.beta(2.4, 0.6, size=(prompts, 1)), size=(prompts, images))
    return [float(one) for one in right.ravel()], [f"p{i}" for i in range(prompts) for _ in range(images)]


def test_the_bootstrap_over_prompts_covers_where_counting_images_does_not() -> None:
    by_prompt, by_image = [], []
    for seed in range(150):
        values, prompts = clustered(seed, 30, 8)
        by_prompt.append(covered(cluster_bootstrap(values, prompts, draws=400), 0.8))
        by_image.append(covered(wilson(int(sum(values)), len(values)), 0.8))
    assert np.mean(by_prompt) >= 0.88
    assert np.mean(by_image) <= 0.85


def test_the_bootstrap_of_prompts_of_one_image_agrees_with_the_exact_distribution() -> None:
    low, high = cluster_bootstrap([1.0] * 32 + [0.0] * 8, list(range(40)), draws=20000)
    assert (low, high) == pytest.approx(binom.ppf([0.025, 0.975], 40, 0.8) / 40, abs=0.026)


def test_the_bootstrap_agrees_with_drawing_clusters_one_by_one() -> None:
    values, prompts = clustered(7, 12, 3)
    groups = np.array(values).reshape(12, 3)
    rng = np.random.default_rng(8)
    means = [groups[rng.integers(12, size=12)].mean() for _ in range(4000)]
    expected = np.quantile(means, [0.05, 0.95])
    assert cluster_bootstrap(values, prompts, 0.9, draws=4000) == pytest.approx(expected, abs=0.03)


def test_the_bootstrap_draws_within_each_stratum_and_averages_the_strata() -> None:
    easy, hard = clustered(7, 12, 3), clustered(8, 6, 5)
    strata = ["easy"] * 36 + ["hard"] * 30
    found = cluster_bootstrap(easy[0] + hard[0], easy[1] + hard[1], draws=8000, strata=strata)
    rng = np.random.default_rng(8)
    one, two = np.array(easy[0]).reshape(12, 3), np.array(hard[0]).reshape(6, 5)
    means = [(one[rng.integers(12, size=12)].mean() + two[rng.integers(6, size=6)].mean()) / 2 for _ in range(8000)]
    assert found == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.02)


def test_the_bootstrap_weighs_clusters_by_their_size() -> None:
    low, high = cluster_bootstrap([1.0] * 9 + [0.0], ["many"] * 9 + ["one"])
    assert (low, high) == (0.0, 1.0)
    inside = cluster_bootstrap([1.0] * 90 + [0.0] * 10, [i // 9 for i in range(90)] + [100 + i for i in range(10)], 0.5)
    assert inside.low < 0.9 < inside.high


def test_the_bootstrap_is_the_same_each_time_and_in_any_order() -> None:
    values, prompts = clustered(3, 10, 7)
    order = np.random.default_rng(0).permutation(70)
    shuffled = cluster_bootstrap([values[i] for i in order], [prompts[i] for i in order], seed=5)
    assert cluster_bootstrap(values, prompts, seed=5) == cluster_bootstrap(values, prompts, seed=5) == shuffled
    assert cluster_bootstrap(values, prompts, 0.9, draws=101, seed=6) != cluster_bootstrap(values, prompts, 0.9, 101, 5)


def test_clusters_that_are_alike_show_no_spread() -> None:
    assert cluster_bootstrap([1.0, 0.0, 1.0, 0.0], ["a", "a", "b", "b"]) == (0.5, 0.5)
    assert cluster_bootstrap([1.0], ["a"]) == (1.0, 1.0)


@pytest.mark.parametrize(("values", "clusters"), [([], []), ([1.0], []), ([1.0], ["a", "b"])])
def test_values_without_a_cluster_each_have_no_bootstrap(values: list[float], clusters: list[str]) -> None:
    with pytest.raises(ValueError, match="no bootstrap"):
        cluster_bootstrap(values, clusters)


def test_holm_gives_the_worked_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])  # times 3, 2 (twice), 4
    assert holm([]) == []
    assert holm([0.2]) == [0.2]
    assert holm([0.6, 0.9]) == [1.0, 1.0]


def test_holm_agrees_with_statsmodels_on_random_families() -> None:
    for values in np.random.default_rng(9).uniform(size=(10, 10)) ** 3:
        assert holm(list(values)) == pytest.approx(multipletests(values, method="holm")[1])


@pytest.mark.parametrize(("n1", "n2", "p"), [(40, 40, 0.875), (400, 40, 0.9), (1000, 1000, 0.5), (140, 140, 0.3)])
def test_the_smallest_difference_agrees_with_its_closed_form(n1: int, n2: int, p: float) -> None:
    effect = (Z95 + norm.ppf(0.8)) * math.sqrt(1 / n1 + 1 / n2)
    high = max(p, 1 - p)
    expected = high - math.sin(math.asin(math.sqrt(high)) - effect / 2) ** 2
    assert smallest_difference(n1, n2, p) == pytest.approx(expected, rel=1e-3)


def test_the_smallest_difference_is_found_with_the_power_that_it_promises() -> None:
    gap = smallest_difference(200, 200, 0.9) or 0.0
    draws = np.random.default_rng(10).binomial(200, [0.9, 0.9 - gap], size=(400, 2))
    found = [not covered(newcombe(Count(int(a), 200), Count(int(b), 200)), 0.0) for a, b in draws]
    assert np.mean(found) == pytest.approx(0.8, abs=0.06)


def test_the_smallest_difference_shrinks_with_more_images_and_is_none_for_too_few() -> None:
    found = [smallest_difference(n, n, 0.9) or 0.0 for n in (20, 40, 100, 1000)]
    assert found == sorted(found, reverse=True)
    assert smallest_difference(1, 1, 1.0) is None
    with pytest.raises(ValueError, match="no difference"):
        smallest_difference(0, 4, 0.5)


def test_the_images_for_a_margin_agree_with_the_closed_form() -> None:
    z = norm.ppf(0.95) + norm.ppf(0.9)
    assert images_for_margin(0.9, 0.05) == math.ceil(2 * 0.09 * (z / 0.05) ** 2) == 617


@pytest.mark.parametrize("p", [0.7, 0.9])
def test_the_images_for_a_margin_find_equivalence_as_often_as_they_promise(p: float) -> None:
    n = images_for_margin(p, 0.08)
    draws = np.random.default_rng(11).binomial(n, p, size=(200, 2))
    found = [tost(Count(int(a), n), Count(int(b), n), 0.08) < 0.05 for a, b in draws]
    assert np.mean(found) == pytest.approx(0.8, abs=0.07)


def test_perfect_accuracies_need_images_too() -> None:
    n = images_for_margin(1.0, 0.05)
    assert n == 52
    assert tost(Count(n, n), Count(n, n), 0.05) < 0.05 < tost(Count(n - 1, n - 1), Count(n - 1, n - 1), 0.05)
    with pytest.raises(ValueError, match="needs no images"):
        images_for_margin(0.5, 0.0)


@pytest.mark.parametrize("first", [1, 2, 3, 7, 64, 65, 1000])
def test_the_smallest_n_is_found_wherever_it_is(first: int) -> None:
    assert smallest_n_that(lambda n: n >= first, bound=1000) == first
    assert smallest_n_that(lambda n: False) is None


def test_kappa_gives_the_worked_example() -> None:
    # Cohen's table of two judges of 50 proposals: 20 and 15 agreements, 5 and 10 disagreements; kappa 0.4
    first = ["keep"] * 25 + ["reject"] * 25
    second = ["keep"] * 20 + ["reject"] * 5 + ["keep"] * 10 + ["reject"] * 15
    assert cohen_kappa(first, second) == pytest.approx(0.4)


def test_kappa_is_one_for_agreement_and_minus_one_for_its_opposite() -> None:
    assert cohen_kappa(["a", "b", "a", "b"], ["a", "b", "a", "b"]) == pytest.approx(1.0)
    assert cohen_kappa(["a", "b", "a", "b"], ["b", "a", "b", "a"]) == pytest.approx(-1.0)
    assert cohen_kappa(["a", "a"], ["b", "b"]) == 0.0


def test_kappa_is_undefined_without_images_or_without_a_choice() -> None:
    assert cohen_kappa([], []) is None
    assert cohen_kappa(["keep"] * 5, ["keep"] * 5) is None
    with pytest.raises(ValueError, match="argument"):
        cohen_kappa(["keep"], [])


def test_an_exact_binomial_agrees_with_the_wilson_interval_in_the_middle() -> None:
    exact = binomtest(200, 400).proportion_ci(0.95, method="exact")
    assert wilson(200, 400) == pytest.approx((exact.low, exact.high), abs=2e-3)
