"""From the bytes that leave the loader to the floats that a backbone was made for."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from project.memory import reused

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_CACHED_VALUES = 1 << 19  # two megabytes of floats


class Normalize(nn.Module):
    """Scales images to [0, 1], subtracts the mean and divides by the standard deviation.

    Runs on the device, so the loader sends bytes: a quarter of the traffic of floats. Mean and
    deviation are buffers and therefore part of every checkpoint.

    Args:
        mean: One value a channel, on the scale [0, 1].
        std: One value a channel, on the same scale, above 0.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        assert len(mean) == len(std), "mean and std describe the same channels"
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(-1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Normalises a batch.

        Args:
            images: ``(B, C, H, W)``, uint8 in [0, 255] or floating point in [0, 1].

        Returns:
            ``(B, C, H, W)`` in the dtype of the buffers.
        """
        # One product and one sum instead of two quotients and a difference.
        scale = 1 / (255 * self.std) if images.dtype == torch.uint8 else 1 / self.std
        shift = -self.mean / self.std
        pixels = images.permute(0, 2, 3, 1)
        plain = images.requires_grad or not pixels.is_contiguous() or torch.compiler.is_compiling()
        if plain or images.device.type != "cpu":
            return torch.addcmul(shift, images.to(scale.dtype), scale)
        # Whole rows of pixels at once: a CPU is slow where only three numbers repeat. And as many
        # images at once as stay in its cache.
        shift, scale = (value.flatten().repeat(images.shape[3]) for value in (shift, scale))
        batch = reused(pixels.shape, scale.dtype)
        at_once = max(1, _CACHED_VALUES // max(1, pixels[:1].numel()))
        for start in range(0, len(pixels), at_once):
            rows, some = (all_[start : start + at_once].flatten(2) for all_ in (batch, pixels))
            torch.addcmul(shift, rows.copy_(some), scale, out=rows)
        return batch.permute(0, 3, 1, 2)


def normalization_of(backbone: nn.Module) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Finds the statistics that a backbone expects its images to be normalised with.

    Args:
        backbone: Any network. Those from timm carry their statistics in ``pretrained_cfg``.

    Returns:
        Mean and standard deviation, one value a channel on the scale [0, 1]: the backbone's own, or
        those of ImageNet.
    """
    own = getattr(backbone, "pretrained_cfg", None)
    if not isinstance(own, dict):
        return IMAGENET_MEAN, IMAGENET_STD
    return tuple(own.get("mean", IMAGENET_MEAN)), tuple(own.get("std", IMAGENET_STD))
