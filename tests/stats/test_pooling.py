import math

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from project.stats.pooling import pooled_interval


@pytest.mark.parametrize(("right", "images"), [(23, 24), (24, 24), (0, 5), (300, 1000)])
def test_images_that_were_tested_once_have_wilsons_interval(right: int, images: int) -> None:
    found = pooled_interval(np.r_[np.ones(right), np.zeros(images - right)], np.arange(images))
    expected = proportion_confint(right, images, method="wilson")
    assert (found.low, found.high) == pytest.approx(expected)


def test_testing_images_again_narrows_nothing() -> None:
    once = np.r_[np.ones(18), np.zeros(6)]
    found = pooled_interval(once, np.arange(24))
    assert pooled_interval((once + once) / 2, np.arange(24)) == found
    spread = np.full(24, 0.75)  # every image wrong in one of four tests
    assert pooled_interval(spread, np.arange(24)) == found


def test_images_that_err_together_count_as_one() -> None:
    shares = np.repeat([1.0, 1.0, 1.0, 0.0], 25)
    found = pooled_interval(shares, np.repeat(np.arange(4), 25))
    alone = pooled_interval(shares, np.arange(100))
    assert found.high - found.low > 3 * (alone.high - alone.low)


def test_groups_whose_images_err_by_themselves_cost_little() -> None:
    rng = np.random.default_rng(0)
    shares = (rng.random(600) < 0.7).astype(float)
    grouped = pooled_interval(shares, np.repeat(np.arange(200), 3))
    alone = pooled_interval(shares, np.arange(600))
    assert grouped.high - grouped.low == pytest.approx(alone.high - alone.low, rel=0.15)


def test_groups_that_are_all_right_are_as_many_as_they_are() -> None:
    found = pooled_interval(np.ones(100), np.repeat(np.arange(10), 10))
    ten = pooled_interval(np.ones(10), np.arange(10))
    assert found.low <= ten.low < pooled_interval(np.ones(100), np.arange(100)).low


def test_one_group_tells_nothing_of_others() -> None:
    found = pooled_interval(np.array([1.0, 0.0, 1.0]), np.zeros(3, np.int64))
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_intervals_of_groups_cover_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(400):
        shares = np.repeat(rng.beta(4, 2, 30), 6) > rng.random(180)
        found = pooled_interval(shares.astype(float), np.repeat(np.arange(30), 6))
        covered.append(found.low <= 4 / 6 <= found.high)
    assert 0.92 <= np.mean(covered) <= 0.98
