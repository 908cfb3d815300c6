"""Rooms behind people."""

from typing import Literal

import numpy as np
import pytest

from project.data.drawn.rooms import furnished


def test_one_generator_furnishes_one_room_and_another_another() -> None:
    walls = [furnished(np.random.default_rng(seed), 32, 1).wall for seed in (0, 0, 1)]
    assert (walls[0] == walls[1]).all()
    assert np.abs(walls[0].astype(int) - walls[2]).mean() > 5


@pytest.mark.parametrize("side", [-1, 1])
def test_a_window_is_at_the_side_where_it_shall_be(side: Literal[-1, 1]) -> None:
    here, there = (slice(0, 3), slice(-3, None)) if side < 0 else (slice(-3, None), slice(0, 3))
    brighter = []
    for seed in range(40):
        wall = furnished(np.random.default_rng(seed), 48, side).wall.mean(axis=2)
        brighter.append(wall[8:16, here].mean() > wall[8:16, there].mean())
    assert np.mean(brighter) > 0.65  # some windows are outside the picture
