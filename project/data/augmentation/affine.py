"""Rotation, shear, zoom and shift, in one resampling."""

from dataclasses import dataclass
from typing import ClassVar

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


@dataclass(frozen=True)
class Affine(BatchTransform):
    """Shears, rotates and zooms an image about its centre, then shifts it.

    Bilinear; what comes in from outside repeats the edge pixels.

    Args:
        rotate: Smallest and largest angle in degrees.
        shear: Smallest and largest angle in degrees, drawn for each of the two axes.
        scale: Smallest and largest zoom, the same for both axes.
        translate_percent: Smallest and largest shift as part of the side, drawn for each axis.
        p: Probability that an image is changed.

    Raises:
        ConfigError: If a range is empty or impossible.
    """

    rotate: Range = (0.0, 0.0)
    shear: Range = (0.0, 0.0)
    scale: Range = (1.0, 1.0)
    translate_percent: Range = (0.0, 0.0)
    p: float = 1.0

    uniforms: ClassVar[int] = 6
    parameters: ClassVar[int] = 6  # backward 2 x 2 matrix by rows, in pixels; shift in sides
    makes_floats: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Checks what types cannot express."""
        check_range("Affine.rotate", self.rotate, -360, 360)
        check_range("Affine.shear", self.shear, -44, 44)  # at 45 an image can collapse to a line
        check_range("Affine.scale", self.scale, 0.01, 100)
        check_range("Affine.translate_percent", self.translate_percent, -1, 1)
        check_probability("Affine", self.p)

    def parameters_of(self, uniforms: Numbers) -> Numbers:
        """See `BatchTransform.parameters_of`."""
        angle = np.radians(between(self.rotate, uniforms[:, 0]))
        shear = np.tan(np.radians(between(self.shear, uniforms[:, 1:3])))
        scale = between(self.scale, uniforms[:, 3])
        shift = between(self.translate_percent, uniforms[:, 4:6])
        backward = np.linalg.inv(_forward(angle, shear, scale))
        return np.concatenate([backward.reshape(-1, 4), shift], axis=1)

    def change(self, images: Tensor, parameters: Tensor) -> Tensor:
        """See `BatchTransform.change`."""
        height, width = images.shape[-2:]
        moved = torch.nn.functional.grid_sample(
            images,
            _grid(parameters[:, 1:], height, width),
            padding_mode="border",
            align_corners=False,
        )
        return torch.where(parameters[:, :1, None, None] > 0, moved, images)


def _forward(angle: Numbers, shear: Numbers, scale: Numbers) -> Numbers:
    """Where a picture's points go, as matrices (B, 2, 2) for columns of x and y downwards."""
    cosine, sine, one = np.cos(angle), np.sin(angle), np.ones_like(angle)
    turned = np.stack([cosine, -sine, sine, cosine], axis=1).reshape(-1, 2, 2)
    sheared = np.stack([one, shear[:, 0], shear[:, 1], one], axis=1).reshape(-1, 2, 2)
    matrices: Numbers = scale[:, None, None] * (turned @ sheared)
    return matrices


def _grid(own: Tensor, height: int, width: int) -> Tensor:
    """Where each pixel comes from, (B, H, W, 2), as `grid_sample` counts: from -1 to 1."""
    # Quicker than torch's affine_grid, which multiplies matrices for the same.
    xx, xy, yx, yy, right, down = own[:, :, None, None].unbind(1)
    x = torch.arange(width, device=own.device)[None, None] - (width - 1) / 2 - right * width
    y = torch.arange(height, device=own.device)[None, :, None] - (height - 1) / 2 - down * height
    grid = torch.empty((len(own), height, width, 2), device=own.device)
    torch.add(x * (xx * (2 / width)), y * (xy * (2 / width)), out=grid[..., 0])
    torch.add(x * (yx * (2 / height)), y * (yy * (2 / height)), out=grid[..., 1])
    return grid
