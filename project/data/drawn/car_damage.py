"""Cars, some of them with a dent, a scratch, a broken window or a bumper that hangs."""

from collections.abc import Callable, Mapping
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.random import Generator

from project.data.drawn.painting import (
    Color,
    Layer,
    Picture,
    Points,
    any_color,
    blob,
    box,
    exposed,
    fill,
    lit,
    oval,
    stroke,
    textured,
)
from project.data.drawn.source import DrawnClasses


class View(NamedTuple):
    """A car from one side, in its own coordinates: x from -1 to 1, y downwards.

    Args:
        body: Outline of what is painted in the car's colour.
        windows: Outlines of the panes.
        lines: Open lines: doors, bonnet, handles.
        wheels: Centres of the wheels.
        wheel: Half axes of a wheel.
        lamps: Outlines of the lamps.
        bumper: Its middle line.
        metal: Left, top, right and bottom of where the body can be damaged.
    """

    body: Points
    windows: list[Points]
    lines: list[Points]
    wheels: Points
    wheel: tuple[float, float]
    lamps: list[Points]
    bumper: Points
    metal: tuple[float, float, float, float]


class CarDamage(DrawnClasses):
    """About 600 cars in ``root/normal/`` and ``root/abnormal/``, 35 % of them damaged.

    Damage may be small. Sound cars have dirt and reflections, so that not every mark is damage.

    Args:
        root: Folder of the photos. Its parent keeps a lock file, so that runs started together
            draw once.
        seed: Of the drawing, 0 or more.
        image_size: Height and width in pixels.
        scale: Factor on the number of images.

    Raises:
        ConfigError: The seed is negative, or the size or the scale is not positive.
    """

    name: ClassVar[str] = "car damage"
    counts: ClassVar[Mapping[str, int]] = {"abnormal": 210, "normal": 390}

    def draw(self, label: str, rng: Generator) -> Picture:
        """Draws a car in a street or a yard."""
        picture = _street(rng, self._image_size)
        view = _side(rng) if rng.random() < 0.65 else _front(rng)
        pose = Placement.draw(rng)
        color, layer = any_color(rng) * 0.85 + 25, Layer(picture)
        _paint(layer, view, pose, color, rng)
        for _ in range(rng.integers(0, 3)):
            _add_dirt(layer, view, pose, color, rng)
        if rng.random() < 0.6:
            _add_reflection(layer, view, pose, color, rng)
        if label == "abnormal":
            for damage in rng.choice(len(DAMAGES), rng.integers(2, 4), replace=False):
                DAMAGES[damage](layer, view, pose, color, rng)
        return exposed(lit(layer.surface, rng), rng)


class Placement(NamedTuple):
    """Brings a car's coordinates to fractions of the picture.

    Args:
        turn: Scale, mirror and rotation, shape ``(2, 2)``.
        middle: Of the car, shape ``(2,)``.
        scale: Of lengths.
    """

    turn: Points
    middle: Points
    scale: float

    @classmethod
    def draw(cls, rng: Generator) -> "Placement":
        """Anywhere near the middle, level within a few degrees."""
        scale, angle = rng.uniform(0.42, 0.54), np.radians(rng.normal(0, 3))
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        mirror = np.diag([rng.choice([-1.0, 1.0]), 1.0])
        return cls(scale * rotation @ mirror, rng.normal((0.5, 0.55), 0.03), scale)

    def __call__(self, points: Points) -> Points:
        """Places points, shape ``(N, 2)``."""
        placed: Points = points @ self.turn.T + self.middle
        return placed


def _street(rng: Generator, size: int) -> Picture:
    picture = textured(0.6 * any_color(rng) + 60, rng, size)
    ground = box(0, rng.uniform(0.5, 0.7), 1, 1)
    fill(picture, ground, np.full(3, rng.uniform(60, 170)) + rng.normal(0, 6, 3))
    for _ in range(rng.integers(0, 4)):
        fill(picture, blob(rng, rng.uniform(0, 1, 2), rng.uniform(0.04, 0.14)), any_color(rng))
    return picture


def _side(rng: Generator) -> View:
    """A saloon, an estate or a van."""
    roof, front, rear = rng.uniform(-0.62, -0.45), rng.uniform(-0.5, -0.3), rng.uniform(0.3, 0.75)
    belt = rng.uniform(-0.15, -0.08)
    top = [(front + 0.25, roof), (rear - 0.12, roof), (rear + 0.12, belt)]
    low = [(0.96, belt + 0.05), (1, 0.25), (-1, 0.25), (-0.98, 0.02), (front - 0.08, belt)]
    post = (front + rear) / 2 + 0.05
    pane, sill = roof + 0.06, belt - 0.01
    windows = [
        np.array(
            [(front + 0.05, sill), (front + 0.28, pane), (post - 0.03, pane), (post - 0.03, sill)]
        ),
        np.array(
            [(post + 0.03, sill), (post + 0.03, pane), (rear - 0.14, pane), (rear + 0.04, sill)]
        ),
    ]
    doors = [np.array([(x, belt), (x, 0.2)]) for x in (front + 0.02, post, rear - 0.02)]
    handles = [np.array([(x - 0.14, 0.0), (x - 0.06, 0.0)]) for x in (post, rear - 0.02)]
    return View(
        body=np.array(top + low),
        windows=windows,
        lines=doors + handles,
        wheels=np.array([(-0.62, 0.25), (0.6, 0.25)]),
        wheel=(0.19, 0.19),
        lamps=[box(-0.98, 0.0, -0.88, 0.08), box(0.92, -0.02, 0.98, 0.1)],
        bumper=np.array([(-1.0, 0.2), (-0.82, 0.22)]),
        metal=(-0.85, -0.05, 0.85, 0.2),
    )


def _front(rng: Generator) -> View:
    """From the front, as wide as high."""
    half, roof = rng.uniform(0.68, 0.8), rng.uniform(-0.75, -0.6)
    right = [(0.6 * half, roof), (0.8 * half, -0.2), (half, 0.0), (half, 0.45)]
    left = [(-x, y) for x, y in right[::-1]]
    shield = [(0.52 * half, roof + 0.08), (0.7 * half, -0.2)]
    lamp = box(0.6 * half, 0.05, 0.95 * half, 0.18)
    grille = [np.array([(-0.4 * half, y), (0.4 * half, y)]) for y in (0.1, 0.17, 0.24)]
    bonnet = np.array(
        [(-0.85 * half, -0.05), (-0.5 * half, 0.02), (0.5 * half, 0.02), (0.85 * half, -0.05)]
    )
    return View(
        body=np.array(right + left),
        windows=[np.array(shield + [(-x, y) for x, y in shield[::-1]])],
        lines=[*grille, bonnet],
        wheels=np.array([(-0.8 * half, 0.45), (0.8 * half, 0.45)]),
        wheel=(0.1, 0.16),
        lamps=[lamp, lamp * (-1, 1)],
        bumper=np.array([(-0.95 * half, 0.36), (0.95 * half, 0.36)]),
        metal=(-0.7 * half, -0.15, 0.7 * half, 0.3),
    )


def _paint(layer: Layer, view: View, pose: Placement, color: Color, rng: Generator) -> None:
    shadow = oval(pose(np.array([(0.0, view.wheels[0, 1] + 0.17)]))[0], pose.scale, 0.05)
    layer.fill(shadow, np.full(3, 35.0))
    for wheel in pose(view.wheels):
        layer.fill(oval(wheel, *(pose.scale * np.array(view.wheel))), np.full(3, 30.0))
    layer.fill(pose(view.body), color)
    for wheel in pose(view.wheels) if view.wheel[0] > 0.15 else []:
        layer.fill(oval(wheel, 0.17 * pose.scale, 0.17 * pose.scale), np.full(3, 30.0))
        layer.fill(
            oval(wheel, 0.1 * pose.scale, 0.1 * pose.scale), np.full(3, rng.uniform(90, 190))
        )
    glass = np.array([60.0, 75, 85]) * rng.uniform(0.5, 1.8)
    for window in view.windows:
        layer.fill(pose(window), glass)
    for line in view.lines:
        layer.stroke(pose(line), 0.6 * color, 0.01)
    for lamp in view.lamps:
        layer.fill(pose(lamp), np.array([235.0, 230, 200]) * rng.uniform(0.7, 1.0))
    layer.stroke(pose(view.bumper), 0.45 * color, 0.03)


# ---------------------------------------------------------------------------------------------
# What sound cars have too
# ---------------------------------------------------------------------------------------------


def _add_dirt(layer: Layer, view: View, pose: Placement, color: Color, rng: Generator) -> None:
    """Mud with a soft colour, low on the body."""
    spot = _on_metal(view, rng)
    mud = 0.6 * color + 0.4 * np.array([110, 90, 70])
    layer.fill(pose(blob(rng, spot, rng.uniform(0.05, 0.11))), mud)


def _add_reflection(
    layer: Layer, view: View, pose: Placement, color: Color, rng: Generator
) -> None:
    """A long bright line along the body, or a slanting one on a pane."""
    if rng.random() < 0.5:
        y = rng.uniform(view.metal[1], view.metal[3])
        line = np.array([(view.metal[0], y), (view.metal[2], y + rng.normal(0, 0.02))])
        stroke(layer.surface, pose(line), 0.6 * color + 95, 0.01)
    else:
        middle = view.windows[0].mean(axis=0)
        line = middle + np.array([(-0.08, 0.14), (0.08, -0.14)])
        stroke(layer.surface, pose(line), np.full(3, 200.0), 0.012)


# ---------------------------------------------------------------------------------------------
# Damages
# ---------------------------------------------------------------------------------------------


def _dent(layer: Layer, view: View, pose: Placement, color: Color, rng: Generator) -> None:
    """A dark hollow with a bright rim at one side, and cracked paint around it."""
    spot, radius = _on_metal(view, rng), rng.uniform(0.13, 0.26)
    hollow = blob(rng, spot, radius)
    layer.fill(pose(hollow + np.array([0.025, 0.03])), np.clip(0.7 * color + 85, 0, 255))
    layer.fill(pose(hollow), 0.45 * color)
    layer.fill(pose(spot + 0.5 * (hollow - spot)), 0.65 * color)
    for crease in hollow[: rng.integers(1, 4)]:
        layer.stroke(pose(np.array([spot, spot + 1.5 * (crease - spot)])), 0.3 * color, 0.008)


def _scratch(layer: Layer, view: View, pose: Placement, color: Color, rng: Generator) -> None:
    """Some ragged lines beside each other, down to the primer."""
    spot, angle = _on_metal(view, rng), rng.uniform(-0.7, 0.7)
    primer = np.full(3, 225.0) if color.mean() < 130 else np.full(3, 55.0)
    along = np.array([np.cos(angle), np.sin(angle)]) * rng.uniform(0.2, 0.4)
    for _ in range(rng.integers(3, 7)):
        start = spot + rng.normal(0, 0.03, 2)
        line = start + np.linspace(-1, 1, 6)[:, None] * along + rng.normal(0, 0.012, (6, 2))
        layer.stroke(pose(line), primer, 0.014)


def _break_window(layer: Layer, view: View, pose: Placement, color: Color, rng: Generator) -> None:
    """Cracks that run out from one point, around a hole."""
    del color
    pane = view.windows[rng.integers(len(view.windows))]
    spot = pane.mean(axis=0) + rng.normal(0, 0.04, 2)
    for corner in np.concatenate([pane, (pane + np.roll(pane, 1, axis=0)) / 2]):
        reach = rng.uniform(0.6, 0.95)
        line = np.array([spot, spot + reach * (corner - spot)])
        layer.stroke(pose(line), np.full(3, 235.0), 0.008)
    layer.fill(pose(blob(rng, spot, rng.uniform(0.04, 0.1))), np.full(3, 12.0))


def _tear_bumper(layer: Layer, view: View, pose: Placement, color: Color, rng: Generator) -> None:
    """One end of the bumper hangs, and the lamp beside it is dark."""
    start, end = view.bumper[0], view.bumper[-1]
    layer.stroke(pose(view.bumper), np.full(3, 25.0), 0.03)
    fallen = np.array([start + np.array([0, rng.uniform(0.12, 0.25)]), end])
    layer.stroke(pose(fallen), 0.5 * color + 20, 0.03)
    layer.fill(pose(view.lamps[0]), np.full(3, 20.0))


def _on_metal(view: View, rng: Generator) -> Points:
    left, top, right, bottom = view.metal
    return rng.uniform((left, top), (right, bottom))


DAMAGES: list[Callable[[Layer, View, Placement, Color, Generator], None]] = [
    _dent,
    _scratch,
    _break_window,
    _tear_bumper,
]
