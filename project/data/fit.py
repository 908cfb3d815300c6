"""One image of any size to the one size that a batch needs.

Works on uint8 RGB arrays (H, W, 3) and returns the same, (height, width, 3).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from project.errors import ConfigError

Pixels = NDArray[np.uint8]
Box = tuple[int, int, int, int]
Crop = Literal["center", "random", "random_resized", "letterbox", "stretch", "box"]
Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos", "area"]

# Pillow's filters widen with the reduction, so a photo shrunk ten times does not alias.
_FILTERS: dict[Interpolation, Image.Resampling] = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "area": Image.Resampling.BOX,
}

_PADDING_GREY = 128  # letterbox borders: neither the darkest nor the brightest thing in the picture


@dataclass(frozen=True)
class Fit:
    """Crops and resizes images to one size.

    ``center``, ``random``: the shorter side is resized to cover the target, the rest is cut off, in
    the middle or anywhere. ``random_resized``: a random part of random area and aspect is resized.
    ``letterbox``: the whole image, padded with grey. ``stretch``: the whole image, aspect ratio not
    kept. ``box``: the image's own crop box from the label table, then stretched.

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

    def __call__(
        self, image: Pixels, box: Box | None = None, rng: np.random.Generator | None = None
    ) -> Pixels:
        """Fits one image.

        Args:
            image: uint8 RGB (H, W, 3).
            box: The image's crop box (x, y, w, h) in pixels; needed for ``crop=box`` alone.
            rng: Chooses random crops; None takes the central one.

        Returns:
            uint8 RGB (height, width, 3).
        """
        height, width = image.shape[:2]
        region = self._region(height, width, box, rng)
        picture = Image.fromarray(image)
        if self.crop == "letterbox":
            return self._letterbox(picture)
        return np.asarray(self._resize(picture, self.size, region))

    def _region(
        self, height: int, width: int, box: Box | None, rng: np.random.Generator | None
    ) -> tuple[float, float, float, float]:
        """The part (left, top, right, bottom) that is resized to the target, in pixels."""
        if self.crop == "box":
            assert box is not None, "the data module checks that every image has a box"
            x, y, box_width, box_height = box
            return (x, y, x + box_width, y + box_height)
        if self.crop in ("stretch", "letterbox"):
            return (0, 0, width, height)
        if self.crop == "random_resized" and rng is not None:
            return self._random_part(height, width, rng)
        scale = min(height / self.size[0], width / self.size[1])
        h, w = self.size[0] * scale, self.size[1] * scale
        across, down = rng.random(2) if self.crop == "random" and rng is not None else (0.5, 0.5)
        left, top = (width - w) * across, (height - h) * down
        return (left, top, left + w, top + h)

    def _random_part(
        self, height: int, width: int, rng: np.random.Generator
    ) -> tuple[float, float, float, float]:
        for _ in range(10):  # long, narrow photos rarely contain a large square part
            area = height * width * rng.uniform(*self.area)
            ratio = np.exp(rng.uniform(np.log(self.aspect[0]), np.log(self.aspect[1])))
            w, h = float(np.sqrt(area * ratio)), float(np.sqrt(area / ratio))
            if w <= width and h <= height:
                left, top = (width - w) * rng.random(), (height - h) * rng.random()
                return (left, top, left + w, top + h)
        side = min(height, width)
        left, top = (width - side) / 2, (height - side) / 2
        return (left, top, left + side, top + side)

    def _letterbox(self, picture: Image.Image) -> Pixels:
        target_h, target_w = self.size
        scale = min(target_h / picture.height, target_w / picture.width)
        h, w = max(1, round(picture.height * scale)), max(1, round(picture.width * scale))
        canvas = np.full((target_h, target_w, 3), _PADDING_GREY, np.uint8)
        top, left = (target_h - h) // 2, (target_w - w) // 2
        canvas[top : top + h, left : left + w] = np.asarray(self._resize(picture, (h, w), None))
        return canvas

    def _resize(
        self,
        picture: Image.Image,
        size: tuple[int, int],
        region: tuple[float, float, float, float] | None,
    ) -> Image.Image:
        return picture.resize((size[1], size[0]), _FILTERS[self.interpolation], box=region)


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
