"""A part of an image that is painted over."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from project.data.augmentation.transform import (
    BatchTransform,
    Numbers,
    Range,
    between,
    check_probability,
    check_range,
    stretch,
)
from project.data.resampling import Pixels
from project.errors import ConfigError


@dataclass(frozen=True)
class Erasing(BatchTransform):
    """Paints over one rectangle of an image.

    Args:
        scale: Smallest and largest part of the area.
        ratio: Smallest and largest height / width in pixels, equally likely on a log scale; a side
            that would not fit is the image's own.
        fill: ``black``, or ``random`` for a colour of the image's own draw.
        p: Probability that an image is changed.

    Raises:
        ConfigError: If a range is empty or impossible.

    Source: Zhong et al. 2020, "Random erasing data augmentation".
    """

    scale: Range = (0.02, 0.33)
    ratio: Range = (0.3, 3.3)
    fill: Literal["black", "random"] = "black"
    p: float = 0.5

    uniforms: ClassVar[int] = 7
    parameters: ClassVar[int] = 7  # height and width for an area of 1, place down and across, RGB
    makes_floats: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Checks what types cannot express."""
        check_range("Erasing.scale", self.scale, 0, 1)
        check_range("Erasing.ratio", self.ratio, 0.01, 100)
        if self.fill not in ("black", "random"):
            raise ConfigError(f"Erasing.fill: expected black or random, got {self.fill!r}.")
        check_probability("Erasing", self.p)

    def parameters_of(self, uniforms: Numbers) -> Numbers:
        """See `BatchTransform.parameters_of`."""
        area = between(self.scale, uniforms[:, 0])
        smallest, largest = np.log(self.ratio)
        ratio = np.exp(between((smallest, largest), uniforms[:, 1]))
        sides = np.stack([np.sqrt(area * ratio), np.sqrt(area / ratio)], axis=1)
        color = np.floor(uniforms[:, 4:7] * 256) * (self.fill == "random")
        return np.concatenate([sides, uniforms[:, 2:4], color], axis=1)

    def change(self, images: Tensor, parameters: Tensor) -> Tensor:
        """See `BatchTransform.change`."""
        height, width = images.shape[-2:]
        down, across = _covered(height, width, parameters)
        covered = down[:, :, None] & across[:, None] & (parameters[:, :1, None] > 0)
        color = _color(images, parameters)[:, :, None, None]
        return torch.where(covered[:, None], color, images)

    def change_pixels(self, pixels: Pixels, parameters: Sequence[float]) -> Pixels:
        """See `BatchTransform.change_pixels`."""
        height, width = pixels.shape[:2]
        covered = _covered(height, width, torch.tensor([parameters]))
        rows, columns = (stretch(side[0]) for side in covered)
        changed = pixels.copy()
        changed[rows, columns] = parameters[5:]
        return changed


def _covered(height: int, width: int, parameters: Tensor) -> tuple[Tensor, Tensor]:
    """Which rows and which columns of the pixels are covered, bool (B, H) and (B, W)."""
    high, wide, below, right = parameters[:, 1:5, None].unbind(1)
    mean_side = math.sqrt(height * width)
    return _stretch(height, high * mean_side, below), _stretch(width, wide * mean_side, right)


def _stretch(length: int, covered: Tensor, place: Tensor) -> Tensor:
    """Which of the pixels of a side are covered, bool (B, length).

    Args:
        length: Of the side, in pixels.
        covered: Pixels that are to be covered, (B, 1).
        place: Uniform in [0, 1) over all places that they can be at, (B, 1).
    """
    covered = covered.round().clamp(max=length)
    room = length - covered
    first = torch.minimum((place * (room + 1)).floor(), room)
    pixels = torch.arange(length, device=place.device)
    return (pixels >= first) & (pixels < first + covered)


def _color(images: Tensor, parameters: Tensor) -> Tensor:
    """The colours that are painted, (B, 3), in the type of the images."""
    color = parameters[:, 5:]
    return color.to(torch.uint8) if images.dtype == torch.uint8 else color / 255
