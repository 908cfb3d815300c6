"""Mixing the images of a batch with one another, on the device."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import betaincinv
from torch import Tensor

from project.data.augmentation.transform import as_floats, stretch
from project.data.randomness import Stream, uniforms
from project.errors import ConfigError
from project.memory import reused

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Mixing:
    """Mixup and CutMix: an image and its label become a blend of two.

    Each image's partner is its neighbour in the batch. How much of the partner comes in, and where,
    is drawn per image by its key; only which image the neighbour is depends on the batch.

    Args:
        mixup_alpha: Parameter of the Beta distribution of the mixup weight; 0 switches mixup off.
        cutmix_alpha: The same for CutMix, where the weight is a part of the area.
        probability: Share of the images that are mixed.
        switch_probability: Share of CutMix among the mixed, when both are on.

    Raises:
        ConfigError: If a parameter is out of range.

    Source: Zhang et al. 2018, "mixup"; Yun et al. 2019, "CutMix".
    """

    mixup_alpha: float = 0.0
    cutmix_alpha: float = 0.0
    probability: float = 1.0
    switch_probability: float = 0.5

    def __post_init__(self) -> None:
        """Checks what types cannot express."""
        if min(self.mixup_alpha, self.cutmix_alpha) < 0:
            raise ConfigError(
                "mixing: expected alphas of 0 (off) or more, got "
                f"mixup_alpha={self.mixup_alpha} and cutmix_alpha={self.cutmix_alpha}."
            )
        if not (0 <= self.probability <= 1 and 0 <= self.switch_probability <= 1):
            raise ConfigError(
                "mixing: expected probabilities from 0 to 1, got "
                f"probability={self.probability} and switch_probability={self.switch_probability}."
            )

    def __bool__(self) -> bool:
        """Whether anything is mixed at all."""
        return max(self.mixup_alpha, self.cutmix_alpha) > 0 and self.probability > 0

    def draw(self, keys: NDArray[np.int64], seed: int) -> Tensor:
        """Draws how each image of a batch is mixed.

        Args:
            keys: Epoch, row and copy number of the batch's samples, int64 (B, 3).
            seed: Seed of the run.

        Returns:
            float32 (B, 5): the weight that the image itself keeps under mixup, then the part that
            its partner covers under CutMix as left, top, right, bottom in fractions of the side.
        """
        mixed, switch, weight, x, y = uniforms(Stream.MIXING, seed, keys, 5).T
        drawn = np.zeros((len(keys), 5))
        drawn[:, 0] = 1.0
        both = self.mixup_alpha > 0 and self.cutmix_alpha > 0
        cut = switch < (self.switch_probability if both else float(self.cutmix_alpha > 0))
        chosen = mixed < self.probability
        if self.mixup_alpha > 0:
            blended = chosen & ~cut
            drawn[blended, 0] = _beta(weight[blended], self.mixup_alpha)
        if self.cutmix_alpha > 0:
            covered = chosen & cut
            area = 1 - _beta(weight[covered], self.cutmix_alpha)
            drawn[covered, 1:] = _cut(area, x[covered], y[covered])
        return torch.from_numpy(drawn.astype(np.float32))


def mix(image: Tensor, label: Tensor, draws: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Applies the draws of `Mixing.draw`.

    Args:
        image: (B, 3, H, W); uint8, or float32 in [0, 1].
        label: int64 (B,).
        draws: float32 (B, 5).
        num_classes: C.

    Returns:
        The images, float32 (B, 3, H, W) in [0, 1], and the labels as shares, float32 (B, C), which
        add up to 1.
    """
    across, down = _covered(draws, *image.shape[-2:])
    one_by_one = image.device.type == "cpu"  # then the work stays in the cache
    mixed = (_one_by_one if one_by_one else _together)(image, draws[:, 0], across, down)
    area = across.sum(1) * down.sum(1) / (across.shape[1] * down.shape[1])
    own = (draws[:, 0] * (1 - area))[:, None]
    # one_hot would look at the largest label, for which some devices must be waited for.
    shares = (label[:, None] == torch.arange(num_classes, device=label.device)).float()
    return mixed, own * shares + (1 - own) * shares.roll(1, 0)


def _together(image: Tensor, keep: Tensor, across: Tensor, down: Tensor) -> Tensor:
    pixels = as_floats(image)
    covered = down[:, None, :, None] & across[:, None, None]
    weight = torch.where(covered, 0.0, keep[:, None, None, None])
    return weight * pixels + (1 - weight) * pixels.roll(1, 0)


def _one_by_one(image: Tensor, keep: Tensor, across: Tensor, down: Tensor) -> Tensor:
    count, channels, height, width = image.shape
    mixed = reused((count, height, width, channels), torch.float32).permute(0, 3, 1, 2)
    for row, weight in enumerate(keep):
        pixels, partner = as_floats(image[row]), as_floats(image[row - 1])
        mixed[row] = pixels if weight == 1 else weight * pixels + (1 - weight) * partner
        rows, columns = stretch(down[row]), stretch(across[row])
        mixed[row, :, rows, columns] = partner[:, rows, columns]
    return mixed


def _covered(draws: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Which columns and rows of pixels the partner covers, bool (B, W) and (B, H)."""
    _, left, top, right, bottom = draws[:, :, None].unbind(1)
    columns, rows = (torch.arange(n, device=draws.device) for n in (width, height))
    across = (columns >= (left * width).round()) & (columns < (right * width).round())
    down = (rows >= (top * height).round()) & (rows < (bottom * height).round())
    return across, down


def _beta(uniform: Numbers, alpha: float) -> Numbers:
    """Numbers of the Beta(alpha, alpha) distribution, from one uniform number each."""
    numbers: Numbers = betaincinv(alpha, alpha, uniform)
    return numbers


def _cut(area: Numbers, x: Numbers, y: Numbers) -> Numbers:
    """Parts (N, 4) of the picture with the areas and centres given, cut off at the borders."""
    half = np.sqrt(area) / 2
    return np.clip(np.stack([x - half, y - half, x + half, y + half], axis=1), 0, 1)
