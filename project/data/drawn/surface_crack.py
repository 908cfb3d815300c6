"""Concrete, with and without a crack."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import ClassVar

import cv2
import numpy as np
from numpy.random import Generator

from project.data.drawn.painting import (
    Field,
    Picture,
    Points,
    blob,
    cloud,
    exposed,
    fill,
    lit,
    oval,
    stroke,
)
from project.data.drawn.source import DrawnClasses


class SurfaceCrack(DrawnClasses):
    """Walls and floors from near, in ``root/Positive/`` (cracked) and ``root/Negative/``.

    Sound concrete has joints, marks of its formwork, stains, pores and scribbles: straight or
    smooth lines, where cracks are ragged.

    Args:
        root: Folder of the photos. Its parent keeps a lock file, so that runs started together
            draw once.
        seed: Of the drawing, 0 or more.
        image_size: Height and width in pixels.
        scale: Factor on the number of images.

    Raises:
        ConfigError: The seed is negative, or the size or the scale is not positive.
    """

    name: ClassVar[str] = "surface crack"
    counts: ClassVar[Mapping[str, int]] = {"Negative": 400, "Positive": 400}

    def path(self, label: str, number: int) -> str:
        """Where a photo lies: ``Positive/00001.jpg``."""
        return f"{label}/{number + 1:05d}.jpg"

    def draw(self, label: str, rng: Generator) -> Picture:
        """Draws a piece of a surface."""
        picture = _concrete(rng, self._image_size)
        for _ in range(rng.integers(0, 3)):
            MARKS[rng.integers(len(MARKS))](picture, rng)
        if label == "Positive":
            _crack(picture, rng)
        return exposed(lit(picture, rng), rng)


def _concrete(rng: Generator, size: int) -> Picture:
    """Grey, with clouds of several sizes and grains of sand."""
    grey = np.full(3, rng.uniform(95, 190)) + rng.normal(0, 5, 3)
    relief: Field = sum(
        (strength * (cloud(rng, size, cells) - 0.5) for cells, strength in ((4, 40), (12, 25))),
        np.zeros((size, size), np.float32),
    )
    sand = rng.standard_normal((size, size), np.float32) * np.float32(rng.uniform(3, 12))
    grains = cv2.GaussianBlur(sand, (0, 0), rng.uniform(0.4, 0.9) * size / 96)
    return (grey + (relief + grains)[..., None]).clip(0, 255).astype(np.uint8)


def _crack(picture: Picture, rng: Generator) -> None:
    """A ragged dark line through the picture that widens and narrows, and may branch."""
    angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(0.4, 1.2)
    width, depth = rng.uniform(0.008, 0.03), rng.uniform(0.25, 0.7)
    path = _walk(rng, rng.uniform(0.25, 0.75, 2), angle, length)
    _open_up(picture, path, width, depth, rng)
    for _ in range(rng.integers(0, 3)):
        start = path[rng.integers(len(path))]
        turn = angle + rng.choice([-1, 1]) * rng.uniform(0.4, 1.2)
        _open_up(picture, _walk(rng, start, turn, 0.4 * length), 0.6 * width, depth, rng)


def _walk(rng: Generator, middle: Points, angle: float, length: float) -> Points:
    """Points on a way that changes its direction at each of many short steps."""
    steps = max(4, round(28 * length))
    heading = angle + np.cumsum(rng.normal(0, 0.25, steps)) + rng.normal(0, 0.45, steps)
    moves = length / steps * np.stack([np.cos(heading), np.sin(heading)], axis=1)
    way = np.cumsum(moves, axis=0)
    walked: Points = middle + way - way[steps // 2]
    return walked


def _open_up(picture: Picture, path: Points, width: float, depth: float, rng: Generator) -> None:
    """Darkens the surface along a path, piece by piece."""
    dark = picture.mean(axis=(0, 1)) * (1 - depth)
    for start, end in pairwise(path):
        stroke(picture, np.array([start, end]), dark, width * rng.uniform(0.4, 1.3))


def _joint(picture: Picture, rng: Generator) -> None:
    """A straight line from edge to edge, between two slabs or boards."""
    offset, angle = rng.uniform(0.1, 0.9), rng.normal(0, 0.08)
    line = np.array([(-0.1, offset - 0.6 * angle), (1.1, offset + 0.6 * angle)])
    color = picture.mean(axis=(0, 1)) * rng.uniform(0.35, 1.2)
    stroke(
        picture, line[:, :: rng.choice([-1, 1])], np.clip(color, 0, 255), rng.uniform(0.008, 0.03)
    )


def _stain(picture: Picture, rng: Generator) -> None:
    shade = picture.mean(axis=(0, 1)) * rng.uniform(0.6, 1.2)
    fill(picture, blob(rng, rng.uniform(0, 1, 2), rng.uniform(0.05, 0.25)), np.clip(shade, 0, 255))


def _pores(picture: Picture, rng: Generator) -> None:
    dark = picture.mean(axis=(0, 1)) * rng.uniform(0.3, 0.7)
    for x, y in rng.uniform(0, 1, (rng.integers(4, 20), 2)):
        fill(picture, oval((x, y), rng.uniform(0.004, 0.02), rng.uniform(0.004, 0.02)), dark)


def _scribble(picture: Picture, rng: Generator) -> None:
    """A smooth curve in chalk, pencil or paint."""
    turn = rng.uniform(0, 2 * np.pi) + rng.uniform(0.3, 2.5) * np.linspace(0, 1, 20)
    step = rng.uniform(0.015, 0.045)
    curve = rng.uniform(0.2, 0.8, 2) + step * np.cumsum(
        np.stack([np.cos(turn), np.sin(turn)], 1), 0
    )
    color = picture.mean(axis=(0, 1)) * rng.uniform(0.3, 1.5)
    stroke(picture, curve, np.clip(color, 0, 255), rng.uniform(0.008, 0.025))


MARKS: list[Callable[[Picture, Generator], None]] = [_joint, _stain, _pores, _scribble]
