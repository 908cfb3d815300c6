"""Rooms that people sit in before a webcam: a wall, a window at one side, and what stands about."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.random import Generator

from project.data.drawn.painting import Picture, any_color, blob, box, fill, oval, stroke, textured


class Room(NamedTuple):
    """A room as the camera sees it.

    Args:
        wall: The empty picture, RGB, uint8, shape ``(S, S, 3)``.
        window: Side on which the window is: -1 left, 1 right.
    """

    wall: Picture
    window: Literal[-1, 1]


def furnished(rng: Generator, size: int, window: Literal[-1, 1]) -> Room:
    """Draws a room.

    Args:
        rng: Of this room.
        size: Height and width in pixels.
        window: Side on which the window is.

    Returns:
        The room, in neutral light.
    """
    shade = 85 + 0.35 * any_color(rng)
    wall = textured(shade, rng, size)
    if rng.random() < 0.6:  # the floor, or a table along the wall
        fill(wall, box(0, rng.uniform(0.7, 0.85), 1, 1), 0.6 * any_color(rng) + 30)
    for _ in range(rng.integers(2, 5)):
        FURNITURE[rng.integers(len(FURNITURE))](wall, rng)
    if rng.random() < 0.6:  # elsewhere the window is outside the picture
        _hang_window(wall, rng, window)
    return Room(wall, window)


def _hang_window(wall: Picture, rng: Generator, side: int) -> None:
    """A bright pane with a frame, cut off by the edge of the picture."""
    width, top, bottom = rng.uniform(0.08, 0.2), rng.uniform(0, 0.15), rng.uniform(0.45, 0.7)
    left = -0.1 if side < 0 else 1 - width
    pane = box(left, top, left + width + 0.1, bottom)
    fill(wall, pane, 215 + 0.15 * any_color(rng))
    stroke(wall, np.concatenate([pane, pane[:1]]), 0.7 * any_color(rng) + 60, 0.015)


def _put_shelf(wall: Picture, rng: Generator) -> None:
    """Books of all colours on a board."""
    left, y, width = rng.uniform(-0.1, 0.8), rng.uniform(0.1, 0.6), rng.uniform(0.2, 0.45)
    edge = left
    while edge < left + width:
        step, height = rng.uniform(0.015, 0.045), rng.uniform(0.08, 0.14)
        fill(wall, box(edge, y - height, edge + step, y), any_color(rng))
        edge += step
    fill(wall, box(left, y, left + width, y + 0.02), 0.5 * any_color(rng) + 20)


def _put_poster(wall: Picture, rng: Generator) -> None:
    left, top = rng.uniform(-0.1, 0.85), rng.uniform(0, 0.4)
    width, height = rng.uniform(0.12, 0.3), rng.uniform(0.12, 0.3)
    fill(wall, box(left, top, left + width, top + height), any_color(rng))
    for _ in range(2):
        spot = (left + width * rng.uniform(0.2, 0.8), top + height * rng.uniform(0.2, 0.8))
        fill(wall, blob(rng, np.array(spot), 0.25 * width), any_color(rng))


def _put_door(wall: Picture, rng: Generator) -> None:
    left, top, color = rng.uniform(0, 0.8), rng.uniform(0.02, 0.2), any_color(rng)
    door = box(left, top, left + rng.uniform(0.18, 0.3), 1.05)
    fill(wall, door, color)
    stroke(wall, np.concatenate([door, door[:1]]), 0.6 * color, 0.012)


def _put_plant(wall: Picture, rng: Generator) -> None:
    x, y = rng.uniform(0, 1), rng.uniform(0.5, 0.9)
    green = np.array([0.5, 1.0, 0.4]) * rng.uniform(60, 170)
    for _ in range(7):
        turn = rng.uniform(-1.2, 1.2)
        tip = (x + 0.1 * np.sin(turn), y - 0.12 * np.cos(turn))
        fill(wall, oval(tip, 0.025, 0.1, turn), green * rng.uniform(0.7, 1.2))
    fill(wall, box(x - 0.05, y, x + 0.05, y + 0.1), any_color(rng))


def _put_lamp(wall: Picture, rng: Generator) -> None:
    x, y, metal = rng.uniform(0, 1), rng.uniform(0.1, 0.45), 0.5 * any_color(rng)
    stroke(wall, np.array([(x, y), (x, 1.0)]), metal, 0.012)
    shade = [(x - 0.05, y - 0.06), (x + 0.05, y - 0.06), (x + 0.09, y + 0.06), (x - 0.09, y + 0.06)]
    fill(wall, np.array(shade), 0.5 * any_color(rng) + 110)


FURNITURE: list[Callable[[Picture, Generator], None]] = [
    _put_shelf,
    _put_poster,
    _put_door,
    _put_plant,
    _put_lamp,
]
