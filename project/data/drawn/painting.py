"""What all drawn photos are painted with: brushes, colours, surfaces, light and a camera.

Coordinates are fractions of the picture, x to the right and y downwards, so that one drawing can be
painted at any size. Nothing here knows what is drawn.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

Picture: TypeAlias = NDArray[np.uint8]  # (S, S, 3), RGB
Field: TypeAlias = NDArray[np.floating[Any]]  # (S, S) or (S, S, 3), a number or colour a pixel
Color: TypeAlias = NDArray[np.float64]  # (3,), 0 to 255
Points: TypeAlias = NDArray[np.float64]  # (N, 2)

SUBPIXEL_BITS = 4  # OpenCV takes vertices in sixteenths of a pixel

# ---------------------------------------------------------------------------------------------
# Brushes: they paint into a canvas, in place
# ---------------------------------------------------------------------------------------------


def fill(canvas: NDArray[np.uint8], points: Points, color: Any) -> None:
    """A filled polygon."""
    cv2.fillPoly(canvas, [_pixels(points, canvas)], color, cv2.LINE_AA, SUBPIXEL_BITS)


def stroke(canvas: Picture, points: Points, color: Any, width: float) -> None:
    """A line whose width is a fraction of the picture, at least one pixel."""
    line, thickness = [_pixels(points, canvas)], max(1, round(width * len(canvas)))
    cv2.polylines(canvas, line, False, color, thickness, cv2.LINE_AA, SUBPIXEL_BITS)


def dots(canvas: Picture, points: Points, color: Color, radius: float) -> None:
    """Dots around points; the radius is a fraction of the picture."""
    for centre in points:
        fill(canvas, centre + radius * OCTAGON, color)


def _pixels(points: Points, canvas: NDArray[np.uint8]) -> NDArray[np.int32]:
    pixels: NDArray[np.int32] = np.rint(points * (len(canvas) * 2**SUBPIXEL_BITS)).astype(np.int32)
    return pixels


OCTAGON = np.array([(np.cos(turn), np.sin(turn)) for turn in np.arange(8) * np.pi / 4])


def oval(middle: ArrayLike, rx: float, ry: float, turn: float = 0.0) -> Points:
    """The outline of an ellipse around a point, with half axes rx and ry, turned by radians."""
    x, y = np.asarray(middle, float)
    angle = 2 * np.pi * np.arange(24) / 24
    across, along = rx * np.cos(angle), ry * np.sin(angle)
    points = [
        x + across * np.cos(turn) - along * np.sin(turn),
        y + across * np.sin(turn) + along * np.cos(turn),
    ]
    return np.stack(points, axis=1)


def box(left: float, top: float, right: float, bottom: float) -> Points:
    """The outline of an upright rectangle."""
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def blob(rng: Generator, centre: Points, radius: float) -> Points:
    """An irregular outline around a point."""
    angle = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 9)))
    reach = radius * rng.uniform(0.6, 1.4, angle.size)[:, None]
    outline: Points = centre + reach * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return outline


# ---------------------------------------------------------------------------------------------
# Colours and textures, the same for fabrics and backgrounds
# ---------------------------------------------------------------------------------------------


def any_color(rng: Generator) -> Color:
    """Any hue, mostly muted, from nearly black to nearly white."""
    hue, saturation, value = rng.uniform(0, 6), rng.beta(1.2, 2.2), rng.uniform(20, 240)
    wheel = np.clip(np.abs((hue + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    color: Color = value * (1 - saturation * (1 - wheel))
    return color


def textured(color: Color, rng: Generator, size: int) -> Picture:
    """A surface of one colour, patterned with another."""
    pattern = TEXTURES[rng.choice(len(TEXTURES), p=TEXTURE_SHARES)](rng, size)
    strength = rng.uniform(0.05, 0.25)
    shades = color + np.linspace(0, strength, 256)[:, None] * (any_color(rng) - color)
    picture: Picture = shades.astype(np.uint8)[(255 * pattern).astype(np.uint8)]
    return picture


def _plain(rng: Generator, size: int) -> Field:  # noqa: ARG001  # the signature of all textures
    return np.zeros((size, size), np.float32)


def _uneven(rng: Generator, size: int) -> Field:
    return cloud(rng, size, cells=4)


def _stripes(rng: Generator, size: int) -> Field:
    wave: Field = np.sin(rng.uniform(15, 70) * slope(rng, size) + rng.uniform(0, 6))
    return (wave > rng.uniform(-0.5, 0.7)).astype(np.float32)


def _checks(rng: Generator, size: int) -> Field:
    return (_stripes(rng, size) + _stripes(rng, size)) / 2


def _print(rng: Generator, size: int) -> Field:
    """Blotches, from camouflage to small flowers."""
    return (cloud(rng, size, cells=int(rng.integers(5, 20))) > 0.55).astype(np.float32)


def cloud(rng: Generator, size: int, cells: int) -> Field:
    """Smooth noise, 0 to 1."""
    coarse = rng.random((cells, cells), np.float32)
    fine = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray(fine.clip(0, 1))


def slope(rng: Generator, size: int) -> Field:
    """A coordinate in a random direction, about 0 to 1 across the picture."""
    angle = rng.uniform(0, 2 * np.pi)
    axis = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    return np.float32(np.cos(angle)) * axis + np.float32(np.sin(angle)) * axis[:, None] + 0.5


TEXTURES: list[Callable[[Generator, int], Field]] = [_plain, _uneven, _stripes, _checks, _print]
TEXTURE_SHARES = (0.4, 0.25, 0.15, 0.1, 0.1)


# ---------------------------------------------------------------------------------------------
# Light and camera
# ---------------------------------------------------------------------------------------------


def lit(picture: Picture, rng: Generator) -> Field:
    """Light that falls off in one direction, lies in patches and has a colour."""
    size = len(picture)
    falloff = 1 - rng.uniform(0, 0.4) * np.clip(slope(rng, size), 0, 1)
    patches = 1 - rng.uniform(0, 0.3) * cloud(rng, size, cells=3)
    tint = np.float32(1 + rng.normal(0, 0.06, 3))
    return picture * tint * (falloff * patches)[..., None]


def exposed(light: Field, rng: Generator) -> Picture:
    """Exposure, contrast, blur and noise of a hand-held camera."""
    contrast, exposure = rng.uniform(0.8, 1.2), rng.normal(125, 15)
    light = (light - 115) * np.float32(contrast) + np.float32(exposure)
    blur = rng.uniform(0.2, 0.8) / 96 * len(light)  # sigma, in pixels of a picture of 96
    image = cv2.GaussianBlur(light, (0, 0), blur)
    noise = rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(0, 8))
    return (image + noise).clip(0, 255).astype(np.uint8)


def jpeg(picture: Picture, rng: Generator) -> bytes:
    """A JPEG file, of a quality between poor and good.

    Args:
        picture: RGB, uint8, shape ``(S, S, 3)``.
        rng: Source of the quality.

    Returns:
        The bytes of the file.
    """
    quality = int(rng.integers(60, 96))
    _, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


def png(picture: Picture) -> bytes:
    """A PNG file.

    Args:
        picture: RGB, uint8, shape ``(S, S, 3)``.

    Returns:
        The bytes of the file.
    """
    _, data = cv2.imencode(".png", picture[..., ::-1])
    return data.tobytes()


# ---------------------------------------------------------------------------------------------
# Things in front of a background
# ---------------------------------------------------------------------------------------------


class Layer:
    """Something painted over a background that can be lit or shaded apart from it.

    Args:
        background: What lies behind; left as it is.

    Attributes:
        surface: The background with what was painted on it.
        mask: Where that is, 0 to 255, uint8, shape ``(S, S)``.
    """

    def __init__(self, background: Picture) -> None:
        self.background = background
        self.surface = background.copy()
        self.mask = np.zeros(background.shape[:2], np.uint8)

    def fill(self, points: Points, color: Any) -> None:
        """A filled polygon."""
        fill(self.surface, points, color)
        fill(self.mask, points, 255)

    def stroke(self, points: Points, color: Any, width: float) -> None:
        """A line whose width is a fraction of the picture, at least one pixel."""
        stroke(self.surface, points, color, width)
        stroke(self.mask, points, 255, width)

    def over(self, behind: float | Field = 1.0, before: float | Field = 1.0) -> Field:
        """Both together.

        Args:
            behind: Light on the background, a factor.
            before: Light on what was painted.

        Returns:
            Light, 0 to 255 and above where it is too bright, float32, shape ``(S, S, 3)``.
        """
        share = (self.mask / np.float32(255))[..., None]
        light = np.float32(1) * behind * (1 - share) + before * share
        return np.asarray(self.surface * light.astype(np.float32))
