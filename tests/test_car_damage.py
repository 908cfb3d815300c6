"""The transforms of the car-damage case, as published and beyond reason."""

import numpy as np
import pytest
from numpy.typing import NDArray

from project import build
from project.data.augmentation import Affine, Augmentation, HorizontalFlip, VerticalFlip
from project.data.augmentation.chain import Chain
from project.data.randomness import Stream
from tests.conftest import Compose

CASES = ("car_damage", "car_damage_extreme")


def augmentation(compose_config: Compose, name: str) -> Augmentation:
    built = build.part(compose_config("train", f"augmentation={name}"), "augmentation")
    assert isinstance(built, Augmentation)
    return built


def moves(compose_config: Compose, name: str) -> NDArray[np.float64]:
    """Where 4000 draws send the points of a picture, as matrices."""
    affine = augmentation(compose_config, name).transforms["affine"]
    assert isinstance(affine, Affine)
    draws = affine.draw(np.random.default_rng(0).random((4000, 7)))
    assert not draws[:, 5:].any()  # no shift
    backward: NDArray[np.float64] = draws[:, 1:5].reshape(-1, 2, 2)
    return np.asarray(np.linalg.inv(backward), float)


@pytest.mark.parametrize("name", CASES)
def test_nothing_waits_for_workers(compose_config: Compose, name: str) -> None:
    chain = Chain(augmentation(compose_config, name).transforms, Stream.AUGMENTATION, 1)
    assert not chain.runs_by_sample
    flips = {type(transform) for transform in chain.batchwise} - {Affine}
    assert flips == ({HorizontalFlip} if name == CASES[0] else {HorizontalFlip, VerticalFlip})


def test_published_picture_leans_by_three_tenths_at_most(compose_config: Compose) -> None:
    matrices = moves(compose_config, "car_damage")
    # Without the turn, the first column is (1, lean of the rows) and the second (lean, 1).
    turn, lean = np.radians(30), 0.3
    widest = np.degrees(np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0])).max()
    assert 40 < widest <= np.degrees(turn + np.arctan(lean)) + 0.01
    stretched = np.linalg.norm(matrices[:, :, 0], axis=1).max()
    assert 1.03 < stretched <= np.sqrt(1 + lean**2) + 1e-3


def test_extreme_picture_is_torn_apart_but_never_a_line(compose_config: Compose) -> None:
    mild, wild = (np.linalg.cond(moves(compose_config, name)) for name in CASES)
    assert np.percentile(mild, 90) < 1.6
    assert np.percentile(wild, 90) > 3
    assert wild.max() < 60
    assert np.abs(np.linalg.det(moves(compose_config, CASES[1]))).min() > 0.05
