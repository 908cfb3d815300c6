"""Images of any size to the one size that a batch needs.

Works on uint8 RGB arrays (H, W, 3), as an image store gives them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from project.data.resampling import Interpolation, Pixels, resample
from project.errors import ConfigError

Box = tuple[int, int, int, int]
Crop = Literal["center", "random", "random_resized", "letterbox", "stretch", "box"]

_PADDING_GREY = 128  # letterbox borders: neither the darkest nor the brightest thing in the picture

# Long, narrow photos rarely contain a large square part.
_TRIES = 10

# Most random parts are then shrunk, if little, and none is seen much larger than it was. The same
# for every range of areas, so that changing the range changes nothing else.
_ROOM = 1.25


@dataclass(frozen=True)
class Fit:
    """Crops and resizes images to one size.

    ``center``, ``random``: the shorter side is resized to cover the target, the rest is cut off, in
    the middle or anywhere. ``random_resized``: a random part of random area and aspect is resized.
    ``letterbox``: the whole image, padded with grey. ``stretch``: the whole image, aspect ratio not
    kept. ``box``: the image's own crop box, which the store has cut out, stretched.

    Where nothing is learned (validation, test), the random crops become the central one.

    Args:
        size: Height and width in pixels; one number for a square.
        crop: How the image is made to fit.
        interpolation: Resampling filter.
        area: Smallest and largest part of the area that ``random_resized`` keeps, in (0, 1].
        aspect: Smallest and largest width / height of the part that ``random_resized`` keeps.

    Raises:
        ConfigError: If a size or a range is impossible.

    Source: random_resized is the Inception crop of Szegedy et al. 2015, "Going deeper with
    convolutions".
    """

    size: tuple[int, int]
    crop: Crop = "center"
    interpolation: Interpolation = "bilinear"
    area: tuple[float, float] = (0.35, 1.0)
    aspect: tuple[float, float] = (0.75, 4 / 3)

    def __post_init__(self) -> None:
        """Checks what types cannot express."""
        if min(self.size) < 1:
            raise ConfigError(f"data.size: expected pixels above 0, got {list(self.size)}.")
        if not 0 < self.area[0] <= self.area[1] <= 1:
            raise ConfigError(
                f"data.crop_area: expected 0 < smallest <= largest <= 1, got {list(self.area)}."
            )
        if not 0 < self.aspect[0] <= self.aspect[1]:
            raise ConfigError(
                f"data.crop_aspect: expected 0 < smallest <= largest, got {list(self.aspect)}."
            )

    @property
    def draws(self) -> int:
        """Random numbers that the crop of one image takes; 0 where nothing is random."""
        return {"random": 2, "random_resized": 2 * _TRIES + 2}.get(self.crop, 0)

    @property
    def stored_side(self) -> int:
        """Shorter side, in pixels, of stored images to train on: with room for random parts."""
        return round(self.evaluated_side * (_ROOM if self.crop == "random_resized" else 1))

    @property
    def evaluated_side(self) -> int:
        """Shorter side, in pixels, of stored images to evaluate on: the same for every crop."""
        return max(self.size)

    def batch(self, images: Sequence[Pixels], draws: NDArray[np.float64] | None) -> Pixels:
        """Fits images.

        Args:
            images: Each uint8 RGB (h, w, 3), B of them.
            draws: Numbers in [0, 1) that choose random crops, (B, `draws`); None takes the central
                ones. What an image becomes depends on its own row alone.

        Returns:
            uint8 RGB (B, height, width, 3), in one piece.
        """
        shapes = np.array([image.shape[:2] for image in images], np.float64).reshape(-1, 2)
        fitted = np.empty((len(images), *self.size, 3), np.uint8)
        if self.crop == "letterbox":
            for target, image in zip(fitted, images, strict=True):
                self._letterbox(image, target)
            return fitted
        starts, parts = self._regions(shapes, draws if self.draws else None)
        plain = (parts == self.size).all(axis=1) & (starts == np.floor(starts)).all(axis=1)
        corners = starts.astype(np.int64)
        ends = np.minimum(starts + parts, shapes)  # the sum may be rounded beyond the image
        for i, image in enumerate(images):
            if plain[i]:
                top, left = corners[i].tolist()
                fitted[i] = image[top : top + self.size[0], left : left + self.size[1]]
            else:
                region = (*starts[i, ::-1].tolist(), *ends[i, ::-1].tolist())
                fitted[i] = resample(image, self.size, self.interpolation, region)
        return fitted

    def _regions(
        self, shapes: NDArray[np.float64], draws: NDArray[np.float64] | None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The parts that are resized to the target: (top, left) and (height, width), (B, 2)."""
        if self.crop in ("stretch", "box"):
            return np.zeros_like(shapes), shapes
        if self.crop == "random_resized" and draws is not None:
            return self._random_parts(shapes, draws)
        scales = (shapes / self.size).min(axis=1, keepdims=True)
        parts = scales * self.size
        room, position = shapes - parts, 0.5 if draws is None else draws
        # Where nothing is resized, whole pixels are cut off: each of the places is as likely.
        whole = np.minimum(np.floor(position * (room + 1)), room)
        return np.where(scales == 1, whole, position * room), parts

    def _random_parts(
        self, shapes: NDArray[np.float64], draws: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Takes the first of some random sizes that lies within the image, else the middle.

        In whole pixels, which are resized sooner.
        """
        (least, most), aspect = self.area, np.log(self.aspect)
        areas = shapes.prod(axis=1)[:, None] * (least + (most - least) * draws[:, :_TRIES])
        ratios = np.exp(aspect[0] + (aspect[1] - aspect[0]) * draws[:, _TRIES : 2 * _TRIES])
        tried = np.sqrt(np.stack([areas / ratios, areas * ratios], axis=-1))  # (B, tries, 2)
        inside = (tried <= shapes[:, None]).all(axis=2)
        chosen = tried[np.arange(len(tried)), inside.argmax(axis=1)]
        any_inside = inside.any(axis=1)[:, None]
        parts = np.where(any_inside, chosen, shapes.min(axis=1, keepdims=True))
        parts = np.maximum(np.rint(parts), 1)
        position = np.where(any_inside, draws[:, 2 * _TRIES :], 0.5)
        return np.rint((shapes - parts) * position), parts

    def _letterbox(self, image: Pixels, target: Pixels) -> None:
        height, width = image.shape[:2]
        scale = min(self.size[0] / height, self.size[1] / width)
        h, w = max(1, round(height * scale)), max(1, round(width * scale))
        top, left = (self.size[0] - h) // 2, (self.size[1] - w) // 2
        target[:] = _PADDING_GREY
        target[top : top + h, left : left + w] = resample(image, (h, w), self.interpolation)


def square(size: int | tuple[int, int] | list[int]) -> tuple[int, int]:
    """Reads a size: one number for a square, or [height, width].

    Raises:
        ConfigError: If there are not one or two numbers.

    Example:
        >>> square(256), square([128, 64])
        ((256, 256), (128, 64))
    """
    if isinstance(size, int):
        return (size, size)
    if len(size) != 2:
        raise ConfigError(f"data.size: expected one number or [height, width], got {list(size)}.")
    return (size[0], size[1])
