import pytest
from statsmodels.stats.power import TTestPower

from project.stats.planning import POWER, needed, power
from project.stats.variance import Variance


def variance(seeds: float, residual: float, images: float, runs: int = 3) -> Variance:
    return Variance(
        (seeds, seeds), (residual, residual), (runs, runs), (runs - 1, runs - 1), images, 99.0, 0.0
    )


def test_power_is_that_of_statsmodels() -> None:
    images_only = Variance.of_images(0.02**2)
    expected = TTestPower().power(effect_size=0.05 / 0.02, nobs=1, alpha=0.01, df=1e6)
    assert power(0.05, images_only, 0.01) == pytest.approx(expected, abs=1e-4)
    assert power(1.0, images_only, 0.01) == 1


def test_more_runs_settle_what_runs_blur() -> None:
    blurred = variance(seeds=0.03**2, residual=0.0, images=1e-6)
    found = needed(0.05, blurred, images=100, level=0.05)
    assert found.runs is not None
    assert found.images is None  # not even a thousand times as many
    assert power(0.05, blurred.scaled(runs=found.runs), 0.05) >= POWER
    assert power(0.05, blurred.scaled(runs=found.runs - 1), 0.05) < POWER


def test_more_images_settle_what_few_images_blur() -> None:
    blurred = variance(seeds=1e-8, residual=1e-9, images=0.03**2)
    found = needed(0.05, blurred, images=38, level=0.05)
    assert found.runs is None
    assert found.images is not None
    assert 38 < found.images < 38 * 10
    assert power(0.05, blurred.scaled(images=found.images / 38), 0.05) >= POWER


def test_both_at_once_where_neither_alone_would_do() -> None:
    blurred = variance(seeds=0.04**2, residual=0.0, images=0.04**2)
    found = needed(0.05, blurred, images=38, level=0.001)
    assert found.together
    assert found.runs is not None
    assert found.images is not None
    then = blurred.scaled(found.runs, found.images / 38)
    assert power(0.05, then, 0.001) >= POWER


def test_nothing_is_promised_where_nothing_would_do() -> None:
    hopeless = variance(seeds=1.0, residual=0.0, images=1.0)
    found = needed(0.001, hopeless, images=38, level=0.001)
    assert (found.runs, found.images) == (None, None)


def test_two_models_need_images_and_nothing_is_said_of_runs() -> None:
    found = needed(0.05, Variance.of_images(0.03**2), images=38, level=0.05)
    assert found.runs is None
    assert found.images is not None
