"""Pictures of garments: what the scene adds has nothing to do with the garment."""

import numpy as np
import pytest

from project.data.garments import Garment, cloth
from project.data.snapshot import Pose, snapshot

SQUARE: Garment = [cloth([(-1, -1), (1, -1), (1, 1), (-1, 1)], soft=False)]
TRIANGLE: Garment = [cloth([(0, -1), (1, 1), (-1, 1)], soft=False)]


@pytest.mark.parametrize("size", [16, 96, 200])
def test_a_picture_is_rgb_of_the_size_asked_for(size: int) -> None:
    picture = snapshot(SQUARE, np.random.default_rng(0), size)
    assert picture.shape == (size, size, 3)
    assert picture.dtype == np.uint8


def test_one_generator_takes_one_picture() -> None:
    first, second = (snapshot(SQUARE, np.random.default_rng(1), 48) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_the_same_scene_surrounds_any_garment() -> None:
    same = []
    for seed in range(30):
        square, triangle = (
            snapshot(shape, np.random.default_rng(seed), 96) for shape in (SQUARE, TRIANGLE)
        )
        same += [(square[y, x] == triangle[y, x]).all() for x in (0, -1) for y in (0, -1)]
    assert np.mean(same) > 0.9  # a shadow may reach a corner


def test_a_garment_can_be_seen_against_its_background() -> None:
    contrast = []
    for seed in range(50):
        picture = snapshot(SQUARE, np.random.default_rng(seed), 96).mean(axis=2)
        contrast.append(abs(picture[40:56, 40:56].mean() - picture[:8].mean()))
    assert np.median(contrast) > 40


def test_garments_are_as_large_as_one_another_whatever_their_units() -> None:
    large: Garment = [cloth(10 * part.points, soft=False) for part in SQUARE]
    areas = [
        np.linalg.det(Pose.draw(np.random.default_rng(2), garment).turn) * side**2
        for garment, side in ((SQUARE, 2), (large, 20))
    ]
    assert areas[0] == pytest.approx(areas[1])
    assert 0.3 < abs(areas[0]) < 0.9
