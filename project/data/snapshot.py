"""Snapshots of generated garments: pose, fabric, background, things in the way, light and camera.

Nothing here knows what kind of garment it shows, so no class can be told by its colours, its
background or the quality of its picture. How strong each disturbance is was chosen for a small
network that is trained on a few thousand pictures: it shall err, but seldom for want of seeing.
"""

from collections.abc import Callable
from typing import NamedTuple, Self

import cv2
import numpy as np
from numpy.random import Generator

from project.data.drawn.painting import (
    Color,
    Field,
    Picture,
    any_color,
    blob,
    cloud,
    dots,
    exposed,
    fill,
    lit,
    stroke,
    textured,
)
from project.data.garments import Garment, Points

SOLID = {"cloth", "trim"}  # the materials that make a garment's outline


def snapshot(garment: Garment, rng: Generator, size: int) -> Picture:
    """Photographs a garment.

    Args:
        garment: Its parts, in painting order.
        rng: Source of everything but the shape.
        size: Height and width of the picture in pixels.

    Returns:
        RGB, uint8, shape ``(size, size, 3)``.
    """
    fabric, ground = _contrasting_colors(rng)
    pose = Pose.draw(rng, garment)
    picture = textured(ground, rng, size)
    _add_clutter(picture, rng)
    picture = _with_garment(picture, garment, pose, fabric, rng)
    OBSTACLES[rng.choice(len(OBSTACLES), p=OBSTACLE_SHARES)](picture, pose, rng)
    return exposed(lit(picture, rng), rng)


# ---------------------------------------------------------------------------------------------
# Pose
# ---------------------------------------------------------------------------------------------


class Pose(NamedTuple):
    """Brings garment coordinates to fractions of the picture, with the folds that cloth has.

    Args:
        centre: Of the garment, in its own coordinates, shape ``(2,)``.
        turn: Scale, mirror, shear and rotation in one matrix, shape ``(2, 2)``.
        place: Of the garment's centre, as fractions of the picture, shape ``(2,)``.
        bend: How far (first row) and at which phase (second row) x sways along y and y along x.
    """

    centre: Points
    turn: Points
    place: Points
    bend: Points

    @classmethod
    def draw(cls, rng: Generator, garment: Garment) -> Self:
        """Scales the box around the garment to a random area: a shoe is as large as a coat."""
        points = np.concatenate([part.points for part in garment if part.material in SOLID])
        low, high = points.min(axis=0), points.max(axis=0)
        width, height = high - low
        scale = min(rng.uniform(0.66, 0.82) / np.sqrt(width * height), 0.95 / max(width, height))
        angle = np.radians(rng.normal(0, 6))
        mirror = rng.choice([-1, 1])
        stretch = np.array([[mirror * rng.uniform(0.9, 1.1), rng.normal(0, 0.07)], [0, 1]])
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        bend = np.stack([rng.normal(0, 0.04, 2), rng.uniform(0, 2 * np.pi, 2)])
        return cls((low + high) / 2, scale * rotation @ stretch, rng.normal(0.5, 0.03, 2), bend)

    def __call__(self, points: Points) -> Points:
        """Poses points, shape ``(N, 2)``, to fractions of the picture."""
        sway = self.bend[0] * np.sin(3.0 * points[:, ::-1] + self.bend[1])
        posed: Points = (points + sway - self.centre) @ self.turn.T + self.place
        return posed


def _outline(points: Points, pose: Pose, steps: int = 4) -> Points:
    """A posed closed outline, with points between its vertices so that its edges bend."""
    weight = np.arange(steps)[:, None] / steps
    following = np.concatenate([points[1:], points[:1]])
    between = points[:, None] + weight * (following - points)[:, None]
    return pose(between.reshape(-1, 2))


# ---------------------------------------------------------------------------------------------
# The scene
# ---------------------------------------------------------------------------------------------


def _contrasting_colors(rng: Generator) -> tuple[Color, Color]:
    """Two colours that differ enough for the outline to be seen, whichever is the lighter."""
    while True:
        fabric, ground = any_color(rng), any_color(rng)
        if abs(fabric.mean() - ground.mean()) > 80:
            return fabric, ground


def _add_clutter(picture: Picture, rng: Generator) -> None:
    """Other things that lie about."""
    for _ in range(rng.integers(0, 3)):
        fill(picture, blob(rng, rng.uniform(0, 1, 2), rng.uniform(0.04, 0.15)), any_color(rng))


def _with_garment(
    picture: Picture, garment: Garment, pose: Pose, color: Color, rng: Generator
) -> Picture:
    """Lays the garment over its shadow over the picture."""
    mask = np.zeros(picture.shape[:2], np.uint8)
    for material, points in garment:
        if material in SOLID:
            fill(mask, _outline(points, pose), 255)
    opacity = (mask / np.float32(255))[..., None]
    shaded = picture * (1 - _shadow(opacity, rng))
    surface = _surface(garment, pose, color, rng, len(picture))
    return (shaded + opacity * (surface - shaded)).astype(np.uint8)


def _shadow(opacity: Field, rng: Generator) -> Field:
    """Softer and further away, the further the garment hangs from the wall."""
    distance = rng.uniform(0.0, 0.05) * len(opacity)
    shift = np.array([[1, 0, distance * rng.choice([-1, 1])], [0, 1, distance]])
    moved = cv2.warpAffine(opacity, shift, opacity.shape[:2])
    soft: Field = cv2.GaussianBlur(moved, (0, 0), 0.5 + distance).astype(np.float32)
    return np.float32(rng.uniform(0, 0.6)) * soft[..., None]


def _surface(garment: Garment, pose: Pose, color: Color, rng: Generator, size: int) -> Picture:
    """Fabric with folds, edges and all that is sewn on it, as if the picture were full of it."""
    folds = 1 + rng.uniform(0, 0.5) * (cloud(rng, size, int(rng.integers(4, 10))) - 0.5)
    surface = np.clip(textured(color, rng, size) * folds[..., None], 0, 255).astype(np.uint8)
    thread = color * rng.uniform(0.4, 0.7) if rng.random() < 0.7 else color * 0.6 + 90
    second = any_color(rng)
    inside = 0.3 * color if color.mean() > 90 else 0.5 * color + 110  # a lining that shows
    width, radius = rng.uniform(0.01, 0.016), rng.uniform(0.011, 0.016)
    for material, points in garment:
        if material == "cloth":
            edge = _outline(points, pose)
            stroke(surface, np.concatenate([edge, edge[:1]]), 0.85 * color, width)
        elif material == "seam":
            stroke(surface, pose(points), thread, width)
        elif material == "button":
            dots(surface, pose(points), second, radius)
        else:
            fill(surface, _outline(points, pose), second if material == "trim" else inside)
    return surface


# ---------------------------------------------------------------------------------------------
# Things in the way
# ---------------------------------------------------------------------------------------------


def _add_nothing(picture: Picture, pose: Pose, rng: Generator) -> None:
    pass


def _add_hanger(picture: Picture, pose: Pose, rng: Generator) -> None:
    """A wire, as often in front of a shoe as of a coat."""
    width, y = rng.uniform(0.3, 0.6), rng.uniform(-0.7, -0.4)
    arms = [(width, y), (0, y - 0.15), (-width, y), (0, y - 0.15)]
    wire = np.array([*arms, (0, y - 0.35), (0.1, y - 0.4)])
    stroke(picture, pose(wire + pose.centre), any_color(rng), rng.uniform(0.012, 0.025))


def _add_hand(picture: Picture, pose: Pose, rng: Generator) -> None:  # noqa: ARG001
    """Three fingers that reach in from outside."""
    direction = rng.uniform(0, 2 * np.pi)
    reach = np.array([np.cos(direction), np.sin(direction)])
    beside = np.array([-reach[1], reach[0]])
    tip = 0.5 + rng.uniform(0.1, 0.3) * reach
    skin = rng.uniform(0.3, 0.95) * np.array([255, 190, 150])
    for finger, shade in ((-1, 1.0), (0, 0.93), (1, 0.86)):
        line = np.array([tip + 0.06 * finger * beside, tip + reach + 0.08 * finger * beside])
        stroke(picture, line, shade * skin, 0.055)


def _add_thing(picture: Picture, pose: Pose, rng: Generator) -> None:  # noqa: ARG001
    fill(picture, blob(rng, rng.normal(0.5, 0.22, 2), rng.uniform(0.06, 0.16)), any_color(rng))


OBSTACLES: list[Callable[[Picture, Pose, Generator], None]] = [
    _add_nothing,
    _add_hanger,
    _add_hand,
    _add_thing,
]
OBSTACLE_SHARES = (0.79, 0.07, 0.07, 0.07)
