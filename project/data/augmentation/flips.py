"""Mirror images."""

from dataclasses import dataclass
from typing import Any, ClassVar, cast

import cv2
import torch
from torch import Tensor

from project.data.augmentation.transform import (
    BatchTransform,
    Numbers,
    check_probability,
)
from project.data.resampling import Pixels


@dataclass(frozen=True)
class _Flip(BatchTransform):
    """Mirrors an image along one axis of a batch; has no parameters but whether to."""

    p: float = 0.5

    uniforms: ClassVar[int] = 0
    parameters: ClassVar[int] = 0
    makes_floats: ClassVar[bool] = False
    axis: ClassVar[int]

    def __post_init__(self) -> None:
        """Checks what types cannot express."""
        check_probability(type(self).__name__, self.p)

    def parameters_of(self, uniforms: Numbers) -> Numbers:
        """None."""
        return uniforms

    def change(self, images: Tensor, parameters: Tensor) -> Tensor:
        """See `BatchTransform.change`."""
        flipped = parameters[:, :1, None, None] > 0
        return torch.where(flipped, images.flip(self.axis), images)

    def change_pixels(self, pixels: Pixels, parameters: object) -> Pixels:  # noqa: ARG002
        """See `BatchTransform.change_pixels`."""
        flipped: Any = cv2.flip(pixels, self.axis - 2)  # its axes are those of (H, W)
        return cast("Pixels", flipped)


class HorizontalFlip(_Flip):
    """Swaps left and right.

    Args:
        p: Probability that an image is changed.

    Raises:
        ConfigError: If p is no probability.
    """

    axis = 3


class VerticalFlip(_Flip):
    """Swaps top and bottom.

    Args:
        p: Probability that an image is changed.

    Raises:
        ConfigError: If p is no probability.
    """

    axis = 2
