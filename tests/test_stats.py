"""The intervals against statsmodels, published worked examples and closed forms."""

import math

import pytest
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from t2ibench.stats import Count, mean_of_proportions, newcombe, wilson

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


def test_the_mean_of_ten_equal_proportions_narrows_by_the_root_of_ten() -> None:
    low, high = mean_of_proportions([Count(30, 40)] * 10)
    one_low, one_high = wilson(30, 40)
    assert 0.75 - low == pytest.approx((0.75 - one_low) / math.sqrt(10))
    assert high - 0.75 == pytest.approx((one_high - 0.75) / math.sqrt(10))


def test_the_mean_of_perfect_proportions_still_has_a_width() -> None:
    low, high = mean_of_proportions([Count(40, 40)] * 10)
    assert 0.95 < low < 1.0
    assert high == 1.0


def test_the_mean_of_large_samples_agrees_with_the_normal_approximation() -> None:
    counts = [Count(7000, 10000), Count(9000, 10000)]
    half = Z95 * math.sqrt(0.7 * 0.3 / 10000 + 0.9 * 0.1 / 10000) / 2
    assert mean_of_proportions(counts) == pytest.approx((0.8 - half, 0.8 + half), abs=1e-4)


@pytest.mark.parametrize(("correct", "n", "confidence"), [(2, 1, 0.95), (-1, 3, 0.95), (1, 2, 0.0), (1, 2, 1.0)])
def test_what_is_no_proportion_is_refused(correct: int, n: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="is not"):
        wilson(correct, n, confidence)


def test_the_mean_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no proportions"):
        mean_of_proportions([])
