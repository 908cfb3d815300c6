"""Heads that turn."""

import numpy as np
import pytest

from project.data.drawn.heads import Head, Look, Pose
from project.data.drawn.painting import Layer

SIZE = 64


def painted(look: Look, degrees: float) -> Layer:
    layer = Layer(np.full((SIZE, SIZE, 3), 128, np.uint8))
    Head(layer, look, Pose(0.5, 0.5, 0.35, np.radians(degrees), 0.0, 0.0, 0.0, 0.0)).paint()
    return layer


@pytest.mark.parametrize("seed", range(8))
def test_a_head_that_turns_left_mirrors_one_that_turns_right(seed: int) -> None:
    look = Look.draw(np.random.default_rng(seed))
    left, right = (painted(look, degrees).surface.astype(int) for degrees in (-35, 35))
    assert np.abs(left[:, 1:] - right[:, :0:-1]).mean() < 2.5
    assert np.abs(left - right).mean() > 3


def test_the_face_moves_to_the_side_to_which_the_head_turns() -> None:
    look = Look.draw(np.random.default_rng(0))._replace(
        skin=np.array([250.0, 0, 0]), hair=np.array([0.0, 250, 0]), beard=0.0, length=-2.0
    )
    middles = []
    for degrees in (-50, 0, 50):
        surface = painted(look, degrees).surface[10:30].astype(int)
        skin = (surface[..., 0] - surface[..., 1] > 150).sum(axis=0)
        middles.append(np.average(np.arange(SIZE), weights=skin))
    assert middles[0] < middles[1] - 2 < middles[2] - 4
