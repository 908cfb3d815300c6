"""Traffic signs: 43 classes as in GTSRB, as unevenly frequent, small, blurred and badly lit."""

from collections.abc import Mapping
from typing import ClassVar

import cv2
import numpy as np
from numpy.random import Generator

from project.data.drawn.painting import (
    Field,
    Picture,
    any_color,
    blob,
    fill,
    lit,
    stroke,
    textured,
)
from project.data.drawn.plates import GREY, SHAPES, Plate
from project.data.drawn.signs import SIGNS
from project.data.drawn.source import DrawnClasses


class TrafficSigns(DrawnClasses):
    """Signs in ``root/Train/00000/`` to ``root/Train/00042/``, no two photos of the same one.

    Shares are those of GTSRB's training photos, 14 to 150 of a class. Files are named as there,
    ``<class>_<sign>_<photo>.png``.

    Args:
        root: Folder of the photos. Its parent keeps a lock file, so that runs started together
            draw once.
        seed: Of the drawing, 0 or more.
        image_size: Height and width in pixels.
        scale: Factor on the number of images.

    Raises:
        ConfigError: The seed is negative, or the size or the scale is not positive.
    """

    name: ClassVar[str] = "traffic signs"
    counts: ClassVar[Mapping[str, int]] = {name: 2 * sign.signs for name, sign in SIGNS.items()}

    def path(self, label: str, number: int) -> str:
        """Where a photo lies: ``Train/00014/00014_00000_00000.png``."""
        return f"Train/{label}/{label}_{number:05d}_00000.png"

    def draw(self, label: str, rng: Generator) -> Picture:
        """Draws a sign at a road, more or less near."""
        picture = textured(any_color(rng), rng, self._image_size)
        for _ in range(rng.integers(0, 4)):
            fill(picture, blob(rng, rng.uniform(0, 1, 2), rng.uniform(0.1, 0.3)), any_color(rng))
        post = np.array([(0.5, 0.6), (0.5 + rng.normal(0, 0.03), 1.1)])
        stroke(picture, post, GREY, 0.06)
        sign = SIGNS[label]
        plate = Plate(picture, rng)
        SHAPES[sign.shape](plate)
        for symbol in sign.symbols:
            symbol(plate)
        if rng.random() < 0.15:  # a twig, a sticker, snow
            spot = rng.uniform(0.15, 0.85, 2)
            fill(picture, blob(rng, spot, rng.uniform(0.05, 0.12)), any_color(rng))
        return _exposed(lit(picture, rng), rng)


def _exposed(light: Field, rng: Generator) -> Picture:
    """From glaring to dusk, blurred by distance and motion, with noise."""
    size = len(light)
    image = np.asarray(light, np.float32) * np.float32(np.exp(rng.uniform(-1.8, 0.3)))
    blur = rng.uniform(0.3, 2.4) * size / 48
    soft = cv2.GaussianBlur(image, (0, 0), blur, sigmaY=blur * rng.uniform(0.6, 1.0))
    noise = rng.standard_normal(soft.shape, np.float32) * np.float32(rng.uniform(1, 8))
    return (soft + noise).clip(0, 255).astype(np.uint8)
