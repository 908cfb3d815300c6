"""Snapshots of generated garments: pose, fabric, background, things in the way, light and camera.

Nothing here knows what kind of garment it shows, so no class can be told by its colours, its
background or the quality of its picture. How strong each disturbance is was chosen for a small
network that is trained on a few thousand pictures: it shall err, but seldom for want of seeing.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Self, TypeAlias

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from project.data.garments import Garment, Points

Picture: TypeAlias = NDArray[np.uint8]  # (S, S, 3), RGB
Field: TypeAlias = NDArray[np.floating[Any]]  # (S, S) or (S, S, 3), a number or colour a pixel
Color: TypeAlias = NDArray[np.float64]  # (3,), 0 to 255

SOLID = {"cloth", "trim"}  # the materials that make a garment's outline
SUBPIXEL_BITS = 4  # OpenCV takes vertices in sixteenths of a pixel


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
    picture = _textured(ground, rng, size)
    _add_clutter(picture, rng)
    picture = _with_garment(picture, garment, pose, fabric, rng)
    OBSTACLES[rng.choice(len(OBSTACLES), p=OBSTACLE_SHARES)](picture, pose, rng)
    return _exposed(_lit(picture, rng), rng)


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
# Brushes: they paint into a canvas, in place
# ---------------------------------------------------------------------------------------------


def _fill(canvas: NDArray[np.uint8], points: Points, color: Any) -> None:
    cv2.fillPoly(canvas, [_pixels(points, canvas)], color, cv2.LINE_AA, SUBPIXEL_BITS)


def _stroke(canvas: Picture, points: Points, color: Any, width: float) -> None:
    """A line whose width is a fraction of the picture, at least one pixel."""
    line, thickness = [_pixels(points, canvas)], max(1, round(width * len(canvas)))
    cv2.polylines(canvas, line, False, color, thickness, cv2.LINE_AA, SUBPIXEL_BITS)


def _dot(canvas: Picture, points: Points, color: Color, radius: float) -> None:
    for centre in points:
        _fill(canvas, centre + radius * OCTAGON, color)


def _pixels(points: Points, canvas: NDArray[np.uint8]) -> NDArray[np.int32]:
    pixels: NDArray[np.int32] = np.rint(points * (len(canvas) * 2**SUBPIXEL_BITS)).astype(np.int32)
    return pixels


OCTAGON = np.array([(np.cos(turn), np.sin(turn)) for turn in np.arange(8) * np.pi / 4])


# ---------------------------------------------------------------------------------------------
# Colours and textures, the same for fabrics and backgrounds
# ---------------------------------------------------------------------------------------------


def _color(rng: Generator) -> Color:
    """Any hue, mostly muted, from nearly black to nearly white."""
    hue, saturation, value = rng.uniform(0, 6), rng.beta(1.2, 2.2), rng.uniform(20, 240)
    wheel = np.clip(np.abs((hue + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    color: Color = value * (1 - saturation * (1 - wheel))
    return color


def _contrasting_colors(rng: Generator) -> tuple[Color, Color]:
    """Two colours that differ enough for the outline to be seen, whichever is the lighter."""
    while True:
        fabric, ground = _color(rng), _color(rng)
        if abs(fabric.mean() - ground.mean()) > 80:
            return fabric, ground


def _textured(color: Color, rng: Generator, size: int) -> Picture:
    """A surface of one colour, patterned with another."""
    pattern = TEXTURES[rng.choice(len(TEXTURES), p=TEXTURE_SHARES)](rng, size)
    strength = rng.uniform(0.05, 0.25)
    shades = color + np.linspace(0, strength, 256)[:, None] * (_color(rng) - color)
    picture: Picture = shades.astype(np.uint8)[(255 * pattern).astype(np.uint8)]
    return picture


def _plain(rng: Generator, size: int) -> Field:  # noqa: ARG001  # the signature of all textures
    return np.zeros((size, size), np.float32)


def _uneven(rng: Generator, size: int) -> Field:
    return _cloud(rng, size, cells=4)


def _stripes(rng: Generator, size: int) -> Field:
    wave: Field = np.sin(rng.uniform(15, 70) * _slope(rng, size) + rng.uniform(0, 6))
    return (wave > rng.uniform(-0.5, 0.7)).astype(np.float32)


def _checks(rng: Generator, size: int) -> Field:
    return (_stripes(rng, size) + _stripes(rng, size)) / 2


def _print(rng: Generator, size: int) -> Field:
    """Blotches, from camouflage to small flowers."""
    return (_cloud(rng, size, cells=int(rng.integers(5, 20))) > 0.55).astype(np.float32)


def _cloud(rng: Generator, size: int, cells: int) -> Field:
    """Smooth noise, 0 to 1."""
    coarse = rng.random((cells, cells), np.float32)
    fine = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray(fine.clip(0, 1))


def _slope(rng: Generator, size: int) -> Field:
    """A coordinate in a random direction, about 0 to 1 across the picture."""
    angle = rng.uniform(0, 2 * np.pi)
    axis = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    return np.float32(np.cos(angle)) * axis + np.float32(np.sin(angle)) * axis[:, None] + 0.5


TEXTURES: list[Callable[[Generator, int], Field]] = [_plain, _uneven, _stripes, _checks, _print]
TEXTURE_SHARES = (0.4, 0.25, 0.15, 0.1, 0.1)


# ---------------------------------------------------------------------------------------------
# The scene
# ---------------------------------------------------------------------------------------------


def _add_clutter(picture: Picture, rng: Generator) -> None:
    """Other things that lie about."""
    for _ in range(rng.integers(0, 3)):
        _fill(picture, _blob(rng, rng.uniform(0, 1, 2), rng.uniform(0.04, 0.15)), _color(rng))


def _blob(rng: Generator, centre: Points, radius: float) -> Points:
    """An irregular outline around a point."""
    angle = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 9)))
    reach = radius * rng.uniform(0.6, 1.4, angle.size)[:, None]
    outline: Points = centre + reach * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return outline


def _with_garment(
    picture: Picture, garment: Garment, pose: Pose, color: Color, rng: Generator
) -> Picture:
    """Lays the garment over its shadow over the picture."""
    mask = np.zeros(picture.shape[:2], np.uint8)
    for material, points in garment:
        if material in SOLID:
            _fill(mask, _outline(points, pose), 255)
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
    folds = 1 + rng.uniform(0, 0.5) * (_cloud(rng, size, int(rng.integers(4, 10))) - 0.5)
    surface = np.clip(_textured(color, rng, size) * folds[..., None], 0, 255).astype(np.uint8)
    thread = color * rng.uniform(0.4, 0.7) if rng.random() < 0.7 else color * 0.6 + 90
    second = _color(rng)
    inside = 0.3 * color if color.mean() > 90 else 0.5 * color + 110  # a lining that shows
    width, radius = rng.uniform(0.01, 0.016), rng.uniform(0.011, 0.016)
    for material, points in garment:
        if material == "cloth":
            edge = _outline(points, pose)
            _stroke(surface, np.concatenate([edge, edge[:1]]), 0.85 * color, width)
        elif material == "seam":
            _stroke(surface, pose(points), thread, width)
        elif material == "button":
            _dot(surface, pose(points), second, radius)
        else:
            _fill(surface, _outline(points, pose), second if material == "trim" else inside)
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
    _stroke(picture, pose(wire + pose.centre), _color(rng), rng.uniform(0.012, 0.025))


def _add_hand(picture: Picture, pose: Pose, rng: Generator) -> None:  # noqa: ARG001
    """Three fingers that reach in from outside."""
    direction = rng.uniform(0, 2 * np.pi)
    reach = np.array([np.cos(direction), np.sin(direction)])
    beside = np.array([-reach[1], reach[0]])
    tip = 0.5 + rng.uniform(0.1, 0.3) * reach
    skin = rng.uniform(0.3, 0.95) * np.array([255, 190, 150])
    for finger, shade in ((-1, 1.0), (0, 0.93), (1, 0.86)):
        line = np.array([tip + 0.06 * finger * beside, tip + reach + 0.08 * finger * beside])
        _stroke(picture, line, shade * skin, 0.055)


def _add_thing(picture: Picture, pose: Pose, rng: Generator) -> None:  # noqa: ARG001
    _fill(picture, _blob(rng, rng.normal(0.5, 0.22, 2), rng.uniform(0.06, 0.16)), _color(rng))


OBSTACLES: list[Callable[[Picture, Pose, Generator], None]] = [
    _add_nothing,
    _add_hanger,
    _add_hand,
    _add_thing,
]
OBSTACLE_SHARES = (0.79, 0.07, 0.07, 0.07)


# ---------------------------------------------------------------------------------------------
# Light and camera
# ---------------------------------------------------------------------------------------------


def _lit(picture: Picture, rng: Generator) -> Field:
    """Light that falls off in one direction, lies in patches and has a colour."""
    size = len(picture)
    falloff = 1 - rng.uniform(0, 0.4) * np.clip(_slope(rng, size), 0, 1)
    patches = 1 - rng.uniform(0, 0.3) * _cloud(rng, size, cells=3)
    tint = np.float32(1 + rng.normal(0, 0.06, 3))
    return picture * tint * (falloff * patches)[..., None]


def _exposed(light: Field, rng: Generator) -> Picture:
    """Exposure, contrast, blur and noise of a hand-held camera."""
    contrast, exposure = rng.uniform(0.8, 1.2), rng.normal(125, 15)
    light = (light - 115) * np.float32(contrast) + np.float32(exposure)
    blur = rng.uniform(0.2, 0.8) / 96 * len(light)  # sigma, in pixels of a picture of 96
    image = cv2.GaussianBlur(light, (0, 0), blur)
    noise = rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(0, 8))
    return (image + noise).clip(0, 255).astype(np.uint8)
