"""Plates of traffic signs, before anything is painted on them."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from project.data.drawn.painting import Picture, Points, fill, oval, stroke

WHITE, BLACK = (240.0, 240.0, 240.0), (25.0, 25.0, 25.0)
RED, BLUE, YELLOW, GREY = (200.0, 30, 40), (25.0, 80, 170), (245.0, 190, 30), (110.0, 110, 110)


class Plate:
    """Where a sign hangs; its own coordinates go from -1 to 1.

    Args:
        picture: What to paint on.
        rng: Of how it hangs.
    """

    def __init__(self, picture: Picture, rng: Generator) -> None:
        self._picture = picture
        angle, narrow = rng.normal(0, 0.08), rng.uniform(0.8, 1.0)
        near = rng.uniform(0.24, 0.42)  # half of its height, as a fraction of the picture
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        self._turn = near * turn @ np.diag([narrow, 1.0])
        self._middle = rng.normal(0.5, 0.04, 2)
        self._near = near

    def fill(self, points: ArrayLike, color: tuple[float, ...]) -> None:
        """A filled polygon."""
        fill(self._picture, self._placed(points), color)

    def line(self, points: ArrayLike, color: tuple[float, ...], width: float) -> None:
        """A line whose width is in the sign's coordinates."""
        stroke(self._picture, self._placed(points), color, width * self._near)

    def _placed(self, points: ArrayLike) -> Points:
        placed: Points = np.asarray(points, float) @ self._turn.T + self._middle
        return placed


def _disc(radius: float) -> Points:
    return oval((0, 0), radius, radius)


def _prohibition(plate: Plate) -> None:
    plate.fill(_disc(1.0), RED)
    plate.fill(_disc(0.76), WHITE)


def _end(plate: Plate) -> None:
    plate.fill(_disc(1.0), WHITE)
    for shift in (-0.15, 0.0, 0.15):
        plate.line([(-0.6 + shift, 0.65 + shift), (0.6 + shift, -0.65 + shift)], GREY, 0.07)


def _warning(plate: Plate) -> None:
    corners = np.array([(0, -1.0), (1.0, 0.78), (-1.0, 0.78)])
    plate.fill(corners, RED)
    plate.fill(0.68 * corners + (0, 0.07), WHITE)


def _giving_way(plate: Plate) -> None:
    corners = np.array([(0, 1.0), (1.0, -0.78), (-1.0, -0.78)])
    plate.fill(corners, RED)
    plate.fill(0.62 * corners + (0, -0.07), WHITE)


def _priority(plate: Plate) -> None:
    corners = np.array([(0, -1.0), (1.0, 0), (0, 1.0), (-1.0, 0)])
    plate.fill(corners, WHITE)
    plate.fill(0.72 * corners, YELLOW)


def _octagon(plate: Plate) -> None:
    turn = np.arange(8) * np.pi / 4 + np.pi / 8
    corners = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    plate.fill(corners, WHITE)
    plate.fill(0.93 * corners, RED)


def _red_disc(plate: Plate) -> None:
    plate.fill(_disc(1.0), RED)


def _command(plate: Plate) -> None:
    plate.fill(_disc(1.0), WHITE)
    plate.fill(_disc(0.94), BLUE)


SHAPES: dict[str, Callable[[Plate], None]] = {
    "prohibition": _prohibition,
    "end": _end,
    "warning": _warning,
    "giving_way": _giving_way,
    "priority": _priority,
    "octagon": _octagon,
    "red_disc": _red_disc,
    "command": _command,
}
