"""Shapes of garments, before anything is painted."""

import numpy as np
import pytest

from project.data.garments import GARMENTS, Garment


def drawn(kind: str, count: int) -> list[Garment]:
    return [GARMENTS[kind](np.random.default_rng([number, 7])) for number in range(count)]


def height(garment: Garment) -> float:
    points = np.concatenate([part.points for part in garment if part.material == "cloth"])
    return float(np.ptp(points[:, 1]))


def has(garment: Garment, material: str) -> bool:
    return any(part.material == material for part in garment)


@pytest.mark.parametrize("kind", GARMENTS)
def test_a_garment_is_made_of_cloth_about_two_units_high(kind: str) -> None:
    for garment in drawn(kind, 100):
        assert has(garment, "cloth")
        assert all(part.points.ndim == 2 and part.points.shape[1] == 2 for part in garment)
        assert all(np.isfinite(part.points).all() for part in garment)
        assert 0.4 < height(garment) < 2.5


@pytest.mark.parametrize("kind", GARMENTS)
def test_one_generator_draws_one_shape(kind: str) -> None:
    first, second = (GARMENTS[kind](np.random.default_rng(3)) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        assert a.material == b.material
        np.testing.assert_array_equal(a.points, b.points)


def test_coats_are_longer_than_tops_but_not_all_of_them() -> None:
    coats = [height(garment) for garment in drawn("outer", 300)]
    tops = [height(garment) for garment in drawn("top", 300)]
    assert np.median(coats) > np.quantile(tops, 0.9)
    assert np.quantile(coats, 0.05) < np.quantile(tops, 0.9)


def test_some_tops_are_buttoned_and_some_coats_are_not() -> None:
    assert 0.05 < np.mean([has(garment, "button") for garment in drawn("top", 300)]) < 0.3
    assert 0.05 < np.mean([has(garment, "button") for garment in drawn("outer", 300)]) < 0.5
