import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from project.stats.inference import (
    cautious_quantile,
    difference_interval,
    effective_size,
    equivalence_test,
    holm,
    mcnemar_test,
    t_test,
    verdict,
    wilson,
)
from project.stats.results import Verdict
from project.stats.variance import Variance


@pytest.mark.parametrize(
    ("correct", "total", "low", "high"),
    [(23, 24, 0.7976, 0.9926), (24, 24, 0.8620, 1.0), (775, 889, 0.8482, 0.8922)],
)
def test_wilson_interval_is_that_of_scipy(
    correct: int, total: int, low: float, high: float
) -> None:
    found = wilson(correct / total, total, 0.95)
    oracle = stats.binomtest(correct, total).proportion_ci(method="wilson")
    assert found.low == pytest.approx(oracle.low)
    assert found.high == pytest.approx(oracle.high)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)


def test_interval_of_few_runs_is_wider_by_students_quantile() -> None:
    normal, student = wilson(0.8, 1e6, 0.95), wilson(0.8, 1e6, 0.95, stats.t.ppf(0.975, 2))
    ratio = (student.high - student.low) / (normal.high - normal.low)
    assert ratio == pytest.approx(stats.t.ppf(0.975, 2) / stats.norm.ppf(0.975), rel=1e-3)


def test_interval_of_two_runs_at_high_confidence_is_all_that_there_is() -> None:
    found = wilson(0.6, 30, 0.99, stats.t.ppf(0.995, 1))
    assert 0 <= found.low < 0.05
    assert 0.95 < found.high <= 1


def test_quantile_lies_between_that_of_seeds_and_that_of_images() -> None:
    seeds, images = Variance((1.0,), (0.0,), (3,), 2.0, 1.0, 99.0, 0.0), stats.t.ppf(0.975, 99)
    assert cautious_quantile(seeds, 0.95) == pytest.approx((stats.t.ppf(0.975, 2) + images) / 2)
    one_run = Variance((0.0,), (0.0,), (1,), 0.0, 1.0, 99.0, 0.0)
    assert cautious_quantile(one_run, 0.95) == pytest.approx(images)


def test_effective_size_of_a_plain_share_is_its_images() -> None:
    assert effective_size(0.8, 0.8 * 0.2 / 50, images=50, runs=1) == pytest.approx(50)
    assert effective_size(1.0, 0.0, images=24, runs=3) == 24
    assert effective_size(0.8, 1e-9, images=24, runs=3) == 72  # never more than all decisions


def test_t_test_and_interval_agree_with_scipy() -> None:
    gaps = np.array([0.02, 0.05, 0.01, 0.04])
    oracle = stats.ttest_1samp(gaps, 0)
    variance = gaps.var(ddof=1) / 4
    assert t_test(gaps.mean(), variance, 3) == pytest.approx(oracle.pvalue)
    found = difference_interval(gaps.mean(), variance, 3, 0.95)
    expected = oracle.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_interval_of_a_difference_ends_where_differences_do() -> None:
    assert difference_interval(0.9, 0.04, 5, 0.95).high == 1
    assert difference_interval(-0.9, 0.04, 5, 0.95).low == -1


def test_equivalence_is_the_larger_of_two_one_sided_tests() -> None:
    gaps = np.array([0.004, -0.002, 0.003, 0.001, 0.002])
    variance = gaps.var(ddof=1) / 5
    below = stats.ttest_1samp(gaps, -0.01, alternative="greater").pvalue
    above = stats.ttest_1samp(gaps, 0.01, alternative="less").pvalue
    assert equivalence_test(gaps.mean(), variance, 4, 0.01) == pytest.approx(max(below, above))


def test_mcnemar_is_a_coin_toss_over_the_images_that_one_side_gets_right() -> None:
    variant = np.array([True] * 9 + [False] * 2 + [True] * 50)
    baseline = np.array([False] * 9 + [True] * 2 + [True] * 50)
    assert mcnemar_test(variant, baseline) == pytest.approx(stats.binomtest(9, 11).pvalue)
    assert mcnemar_test(variant, variant) == 1


def test_holm_by_hand_and_by_statsmodels() -> None:
    # 3 x 0.01, then 2 x 0.02, then 0.03, which may not be below what came before.
    assert holm([0.02, 0.01, 0.03]).tolist() == pytest.approx([0.04, 0.03, 0.04])
    assert holm([]).tolist() == []
    p_values = np.random.default_rng(0).random(40) ** 3
    np.testing.assert_allclose(
        holm(p_values.tolist()), multipletests(p_values, method="holm")[1], 1e-12
    )


@pytest.mark.parametrize(
    ("difference", "p", "p_equivalence", "expected"),
    [
        (0.05, 0.01, 0.9, Verdict.BETTER),
        (-0.05, 0.01, 0.9, Verdict.WORSE),
        (0.001, 0.01, 0.01, Verdict.BETTER),  # small and real
        (0.001, 0.5, 0.01, Verdict.EQUIVALENT),
        (0.05, 0.051, 0.9, Verdict.NOT_SHOWN),
        (0.0, 1.0, 0.9, Verdict.NOT_SHOWN),
    ],
)
def test_verdict(difference: float, p: float, p_equivalence: float, expected: Verdict) -> None:
    assert verdict(difference, p, p_equivalence, 0.95) is expected
