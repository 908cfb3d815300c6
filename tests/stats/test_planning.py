import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from project.stats.inference import equivalence_test
from project.stats.planning import POWER, equivalence_power, needed, power
from project.stats.variance import Variance

MARGIN = 0.01


def variance(seeds: float, residual: float, images: float, runs: int = 3) -> Variance:
    return Variance(
        (seeds, seeds), (residual, residual), (runs, runs), 2.0 * (runs - 1), images, 99.0, 0.0
    )


def test_power_is_that_of_statsmodels() -> None:
    images_only = Variance.of_images(0.02**2)
    expected = TTestPower().power(effect_size=0.05 / 0.02, nobs=1, alpha=0.01, df=1e6)
    assert power(0.05, images_only, 0.01) == pytest.approx(expected, abs=1e-4)
    assert power(1.0, images_only, 0.01) == 1


@pytest.mark.parametrize("difference", [0.0, 0.004])
def test_power_of_equivalence_is_that_of_a_simulation(difference: float) -> None:
    error, df = 0.0035, 12
    rng = np.random.default_rng(0)
    estimates = difference + rng.normal(0, error, 4000)
    errors = error * np.sqrt(rng.chisquare(df, 4000) / df)
    found = [
        equivalence_test(estimate, spread**2, df, MARGIN) < 0.05
        for estimate, spread in zip(estimates, errors, strict=True)
    ]
    known = Variance((0.0, 0.0), (0.0, 0.0), (3, 3), 0.0, error**2, float(df), 0.0)
    assert equivalence_power(difference, MARGIN, known, 0.05) == pytest.approx(
        np.mean(found), abs=0.03
    )


def test_more_runs_settle_what_runs_blur() -> None:
    blurred = variance(seeds=0.03**2, residual=0.0, images=1e-6)
    found = needed(0.05, MARGIN, blurred, images=100, level=0.05)
    assert found.runs is not None
    assert found.images is None  # not even a thousand times as many
    assert found.effect == 0.05
    assert power(0.05, blurred.scaled(runs=found.runs), 0.05) >= POWER
    assert power(0.05, blurred.scaled(runs=found.runs - 1), 0.05) < POWER


def test_planned_runs_find_the_effect_as_often_as_promised() -> None:
    seeds = 0.03**2  # of a mean over 3 runs
    found = needed(0.06, MARGIN, variance(seeds, 0.0, 1e-9), images=100, level=0.05)
    assert found.runs is not None
    rng = np.random.default_rng(0)
    spread = np.sqrt(3 * seeds)
    drawn = rng.normal([0.06, 0.0], spread, (2000, found.runs, 2))
    p_values = stats.ttest_ind(drawn[..., 0], drawn[..., 1], axis=1, equal_var=False).pvalue
    assert (p_values < 0.05).mean() == pytest.approx(POWER, abs=0.06)


def test_more_images_settle_what_few_images_blur() -> None:
    blurred = variance(seeds=1e-8, residual=1e-9, images=0.03**2)
    found = needed(0.05, MARGIN, blurred, images=38, level=0.05)
    assert found.runs is None
    assert found.images is not None
    assert 38 < found.images < 38 * 10
    assert power(0.05, blurred.scaled(images=found.images / 38), 0.05) >= POWER


def test_what_is_near_to_nothing_is_planned_to_be_shown_equivalent() -> None:
    found = needed(0.002, MARGIN, variance(1e-9, 0.0, 0.01**2), images=100, level=0.05)
    assert found.effect == pytest.approx(0.008)
    assert found.images is not None
    then = variance(1e-9, 0.0, 0.01**2).scaled(images=found.images / 100)
    assert equivalence_power(0.002, MARGIN, then, 0.05) >= POWER


def test_both_at_once_where_neither_alone_would_do() -> None:
    blurred = variance(seeds=0.04**2, residual=0.0, images=0.04**2)
    found = needed(0.05, MARGIN, blurred, images=38, level=0.001)
    assert found.together
    assert found.runs is not None
    assert found.images is not None
    then = blurred.scaled(found.runs, found.images / 38)
    assert power(0.05, then, 0.001) >= POWER


def test_nothing_is_promised_where_nothing_would_do() -> None:
    hopeless = variance(seeds=1.0, residual=0.0, images=1.0)
    found = needed(0.001, MARGIN, hopeless, images=38, level=0.001)
    assert (found.runs, found.images) == (None, None)


def test_images_without_any_error_promise_no_more_than_unseen_errors_allow() -> None:
    unseen = Variance((0.0, 0.0), (0.0, 0.0), (3, 3), 4.0, 0.0, 11.0, imagined=4 / 12**2)
    found = needed(0.0, MARGIN, unseen, images=12, level=0.05 / 65)
    # An error rate that 12 images may hide must be shown to differ by less than a point.
    assert found.images is None or found.images > 5000


def test_two_models_need_images_and_nothing_is_said_of_runs() -> None:
    found = needed(0.05, MARGIN, Variance.of_images(0.03**2), images=38, level=0.05)
    assert found.runs is None
    assert found.images is not None
