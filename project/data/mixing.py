"""Mixing the images of a batch with one another, on the device."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from project.data.plan import SampleKey
from project.data.randomness import Stream, generator
from project.errors import ConfigError


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

    def draw(self, keys: Sequence[SampleKey], seed: int) -> Tensor:
        """Draws how each image of a batch is mixed.

        Args:
            keys: The batch's samples.
            seed: Seed of the run.

        Returns:
            float32 (B, 5): the weight that the image itself keeps under mixup, then the part that
            its partner covers under CutMix as left, top, right, bottom in fractions of the side.
        """
        return torch.tensor([self._draw_one(key, seed) for key in keys], dtype=torch.float32)

    def _draw_one(self, key: SampleKey, seed: int) -> tuple[float, float, float, float, float]:
        rng = generator(Stream.MIXING, seed, *key)
        mixed, switch = rng.random(2)
        if mixed >= self.probability:
            return (1.0, 0.0, 0.0, 0.0, 0.0)
        both = self.mixup_alpha > 0 and self.cutmix_alpha > 0
        if self.cutmix_alpha > 0 and (not both or switch < self.switch_probability):
            return (1.0, *_cut(rng, self.cutmix_alpha))
        return (float(rng.beta(self.mixup_alpha, self.mixup_alpha)), 0.0, 0.0, 0.0, 0.0)


def mix(image: Tensor, label: Tensor, draws: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Applies the draws of `Mixing.draw`.

    Args:
        image: uint8 (B, 3, H, W).
        label: int64 (B,).
        draws: float32 (B, 5).
        num_classes: C.

    Returns:
        The images, float32 (B, 3, H, W) in [0, 1], and the labels as shares, float32 (B, C), which
        add up to 1.
    """
    height, width = image.shape[-2:]
    pixels = image.float() / 255
    partner = pixels.roll(1, 0)
    keep, left, top, right, bottom = draws.T
    columns, rows = (torch.arange(n, device=image.device) for n in (width, height))
    across = (columns >= (left * width).round()[:, None]) & (
        columns < (right * width).round()[:, None]
    )
    down = (rows >= (top * height).round()[:, None]) & (rows < (bottom * height).round()[:, None])
    covered = down[:, :, None] & across[:, None, :]
    weight = torch.where(covered, 0.0, keep[:, None, None])
    pixels = weight[:, None] * pixels + (1 - weight[:, None]) * partner
    own = weight.mean((1, 2))[:, None]
    shares = torch.nn.functional.one_hot(label, num_classes).float()
    return pixels, own * shares + (1 - own) * shares.roll(1, 0)


def _cut(rng: np.random.Generator, alpha: float) -> tuple[float, float, float, float]:
    """A part of the picture with the area that is drawn, cut off at the borders."""
    side = np.sqrt(1 - rng.beta(alpha, alpha))
    x, y = rng.random(2)
    left, right = max(0.0, x - side / 2), min(1.0, x + side / 2)
    top, bottom = max(0.0, y - side / 2), min(1.0, y + side / 2)
    return (float(left), float(top), float(right), float(bottom))
