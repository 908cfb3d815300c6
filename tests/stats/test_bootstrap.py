import numpy as np
import pytest

from project.stats.bootstrap import chance_to_beat, resampled
from project.stats.metrics import Metric, tally

LABELS = np.repeat([0, 1, 2], [20, 30, 50])
RNG = np.random.default_rng(0)
PREDICTED = np.where(RNG.random((4, 100)) < 0.7, LABELS, RNG.integers(0, 4, (4, 100)))


def test_resampled_test_sets_keep_the_number_of_images_of_each_class() -> None:
    drawn = resampled(PREDICTED, LABELS, 3, 50, np.random.default_rng(1))
    assert drawn.hits.shape == (50, 4, 3)
    assert (drawn.hits <= drawn.support).all()
    assert drawn.support.tolist() == [20, 30, 50]
    elsewhere = (PREDICTED == 3).mean()  # a class without images: counted for no class
    assert drawn.predicted.sum() / (50 * 4 * 100) == pytest.approx(1 - elsewhere, abs=0.01)


def test_resampled_metrics_vary_around_the_measured_ones_as_theory_says() -> None:
    drawn = resampled(PREDICTED, LABELS, 3, 4000, np.random.default_rng(1))
    recall = Metric("recall", "top", 2)
    measured = tally(PREDICTED, LABELS, 3).values(recall)
    np.testing.assert_allclose(drawn.values(recall).mean(0), measured, atol=0.005)
    np.testing.assert_allclose(
        drawn.values(recall).var(0), measured * (1 - measured) / 50, rtol=0.1
    )


def test_all_runs_see_the_same_resampled_images() -> None:
    twice = np.stack([PREDICTED[0], PREDICTED[0]])
    drawn = resampled(twice, LABELS, 3, 20, np.random.default_rng(1))
    np.testing.assert_array_equal(drawn.hits[:, 0], drawn.hits[:, 1])
    np.testing.assert_array_equal(drawn.predicted[:, 0], drawn.predicted[:, 1])


def test_equal_runs_beat_each_other_half_of_the_time() -> None:
    values = np.array([[0.8, 0.8], [0.7, 0.7]])
    assert chance_to_beat(values, values) == 0.5
    assert chance_to_beat(values + 0.1, values) == 1
    assert chance_to_beat(values - 0.1, values) == 0
