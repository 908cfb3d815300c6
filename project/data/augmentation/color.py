"""Brightness, contrast, saturation and hue of an image, as one matrix."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import cv2
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
)
from project.data.resampling import Pixels

# What red, green and blue add to how bright a pixel looks (ITU-R BT.601).
LUMA = (0.299, 0.587, 0.114)

# The colour space of NTSC: the first row is grey, the other two span the plane of the hues.
_YIQ = np.array([LUMA, (0.596, -0.274, -0.322), (0.211, -0.523, 0.312)])
_STRONGEST = 100.0  # beyond it, every pixel is black or white


@dataclass(frozen=True)
class ColorJitter(BatchTransform):
    """Changes brightness, contrast, saturation and hue, by one 3 x 4 matrix an image.

    Brightness scales; contrast scales the distance to the image's mean grey; saturation the
    distance to a pixel's own grey; hue turns colours about the grey axis, which keeps their grey.
    In this order, and what leaves [0, 1] is cut off once, at the end.

    Args:
        brightness: Smallest and largest factor.
        contrast: Smallest and largest factor.
        saturation: Smallest and largest factor.
        hue: Smallest and largest shift, in turns of the colour circle.
        p: Probability that an image is changed.

    Raises:
        ConfigError: If a range is empty or impossible.

    Source: Haeberli 1993, "Matrix operations for image processing".
    """

    brightness: Range = (0.8, 1.2)
    contrast: Range = (0.8, 1.2)
    saturation: Range = (0.8, 1.2)
    hue: Range = (-0.1, 0.1)
    p: float = 1.0

    uniforms: ClassVar[int] = 4
    parameters: ClassVar[int] = 10  # the 3 x 3 matrix by rows, and the mean grey's share
    makes_floats: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Checks what types cannot express."""
        for name in ("brightness", "contrast", "saturation"):
            check_range(f"ColorJitter.{name}", getattr(self, name), 0, _STRONGEST)
        check_range("ColorJitter.hue", self.hue, -0.5, 0.5)
        check_probability("ColorJitter", self.p)

    def parameters_of(self, uniforms: Numbers) -> Numbers:
        """See `BatchTransform.parameters_of`."""
        ranges = (self.brightness, self.contrast, self.saturation, self.hue)
        brightness, contrast, saturation, hue = (
            between(given, uniforms[:, i]) for i, given in enumerate(ranges)
        )
        scale = (brightness * contrast)[:, None, None]
        matrix = scale * (hue_matrix(hue) @ _saturation_matrix(saturation))
        grey = brightness * (1 - contrast)  # neither saturation nor hue moves a grey
        return np.concatenate([matrix.reshape(-1, 9), grey[:, None]], axis=1)

    def change(self, images: Tensor, parameters: Tensor) -> Tensor:
        """See `BatchTransform.change`."""
        changed, own = parameters[:, :1, None, None] > 0, parameters[:, 1:]
        pixels = images.permute(0, 2, 3, 1)
        red, green, blue = images.mean((2, 3)).unbind(1)
        grey = LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue
        offset = (own[:, 9] * grey)[:, None]
        # Not a matrix product: that may be rounded to fewer bits on an accelerator.
        out = offset[:, :, None, None].expand_as(pixels)
        for channel, weights in enumerate(own[:, :9].reshape(-1, 3, 3).unbind(2)):
            out = torch.addcmul(out, pixels[..., channel, None], weights[:, None, None])
        return torch.where(changed, out.clamp_(0, 1).permute(0, 3, 1, 2), images)

    def change_pixels(self, pixels: Pixels, parameters: Sequence[float]) -> Pixels:
        """See `BatchTransform.change_pixels`."""
        matrix = np.empty((3, 4), np.float32)
        matrix[:, :3] = np.reshape(parameters[1:10], (3, 3))
        # Contrast that is left alone needs no mean.
        share = parameters[10]
        matrix[:, 3] = share * np.dot(LUMA, cv2.mean(pixels)[:3]) if share else 0.0
        changed: Any = cv2.transform(pixels, matrix)
        return cast("Pixels", changed)


def hue_matrix(turns: Numbers) -> Numbers:
    """Matrices that turn RGB colours about the grey axis, in the plane of YIQ.

    Args:
        turns: Of the colour circle, float64 (B,); a third takes red towards green.

    Returns:
        float64 (B, 3, 3), to be applied to columns of red, green and blue.
    """
    cosine, sine = np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)
    turned = np.zeros((len(turns), 3, 3))
    turned[:, 0, 0] = 1
    turned[:, 1, 1] = turned[:, 2, 2] = cosine
    turned[:, 1, 2], turned[:, 2, 1] = sine, -sine
    matrices: Numbers = np.linalg.inv(_YIQ) @ turned @ _YIQ
    return matrices


def _saturation_matrix(factors: Numbers) -> Numbers:
    """Matrices that scale the distance to a pixel's grey, float64 (B, 3, 3)."""
    factors = factors[:, None, None]
    matrices: Numbers = factors * np.eye(3) + (1 - factors) * np.array(LUMA)
    return matrices
