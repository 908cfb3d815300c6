"""What a transform of whole batches is, and how a chain of them is applied.

A transform turns uniform numbers into parameters, one row an image, on the host and in double
precision; and it applies parameters to images, wherever these are. The first parameter tells
whether an image is changed at all: where it is 0, the image comes out bit by bit as it was.

On an accelerator a batch is changed at once, and not rounded until the network has it. On the CPU
images are changed one by one and stay bytes: an image, other than a batch, fits into the cache.
"""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from project.data.resampling import Pixels
from project.errors import ConfigError

Numbers = NDArray[np.float64]

Range = tuple[float, float]


class BatchTransform(ABC):
    """A random change that is applied to a batch.

    Attributes:
        p: Probability that an image is changed.
        uniforms: Numbers in [0, 1) that the parameters of an image are made of, after the one that
            decides whether it is changed.
        parameters: Parameters of an image, after the first.
        makes_floats: Whether `change` needs float32 images in [0, 1]; else it takes uint8 as well.
    """

    p: float
    uniforms: ClassVar[int]
    parameters: ClassVar[int]
    makes_floats: ClassVar[bool]

    def draw(self, uniforms: Numbers) -> Numbers:
        """Makes parameters.

        Args:
            uniforms: float64 (B, 1 + uniforms) in [0, 1).

        Returns:
            float64 (B, 1 + parameters); zeros where the image is left alone.
        """
        changed = uniforms[:, :1] < self.p
        own = self.parameters_of(uniforms[:, 1:])
        return np.where(changed, np.concatenate([np.ones_like(changed), own], axis=1), 0.0)

    @abstractmethod
    def parameters_of(self, uniforms: Numbers) -> Numbers:
        """The parameters of images that are changed, float64 (B, parameters)."""

    @abstractmethod
    def change(self, images: Tensor, parameters: Tensor) -> Tensor:
        """Changes a batch without waiting for the device.

        Args:
            images: (B, 3, H, W), channels last; float32 in [0, 1], or uint8.
            parameters: float32 (B, 1 + parameters), on the same device.

        Returns:
            The same shape and type; images whose first parameter is 0 are as they were.
        """

    def change_pixels(self, pixels: Pixels, parameters: Sequence[float]) -> Pixels:
        """Changes one image on the CPU, for which there may be a faster way than `change`.

        Args:
            pixels: uint8 (H, W, 3); stays as it is.
            parameters: 1 + parameters, of which the first is 1.

        Returns:
            The same shape and type.
        """
        image = torch.from_numpy(pixels).permute(2, 0, 1)[None]
        image = as_floats(image) if self.makes_floats else image
        changed = as_bytes(self.change(image, torch.tensor([parameters])))
        return changed[0].permute(1, 2, 0).numpy()


def apply(transforms: Sequence[BatchTransform], images: Tensor, parameters: Tensor) -> Tensor:
    """Applies one transform after the other.

    Args:
        transforms: In their order.
        images: uint8 (B, 3, H, W), channels last.
        parameters: float32 (B, D), on the same device: the columns of all transforms side by side.

    Returns:
        (B, 3, H, W), channels last; uint8 on the CPU, where the result for an image does not depend
        on its batch; elsewhere float32 in [0, 1] if any transform makes floats.
    """
    one_by_one = images.device.type == "cpu"
    return (_one_by_one if one_by_one else _together)(transforms, images, parameters)


def columns(transforms: Sequence[BatchTransform]) -> int:
    """Columns of the parameters of a chain."""
    return sum(1 + transform.parameters for transform in transforms)


def as_floats(images: Tensor) -> Tensor:
    """Images in float32, scaled to [0, 1]."""
    return images / 255 if images.dtype == torch.uint8 else images


def as_bytes(images: Tensor) -> Tensor:
    """Images in uint8, rounded."""
    return images if images.dtype == torch.uint8 else (images * 255).round_().to(torch.uint8)


def stretch(covered: Tensor) -> slice:
    """Where the true values of (N,) are, which lie side by side."""
    first = int(covered.int().argmax())
    return slice(first, first + int(covered.sum()))


def check_probability(name: str, p: float) -> None:
    """Checks ``p``.

    Raises:
        ConfigError: If it is no probability.
    """
    if not 0 <= p <= 1:
        raise ConfigError(f"{name}.p: expected a probability from 0 to 1, got {p}.")


def check_range(name: str, given: Range, lowest: float, highest: float) -> None:
    """Checks a range that is drawn from.

    Raises:
        ConfigError: If it is empty or leaves what is possible.
    """
    if not lowest <= given[0] <= given[1] <= highest:
        raise ConfigError(
            f"{name}: expected {lowest:g} <= smallest <= largest <= {highest:g}, got {list(given)}."
        )


def between(given: Range, uniform: Numbers) -> Numbers:
    """Uniform numbers in [0, 1) to a range."""
    return given[0] + (given[1] - given[0]) * uniform


def _together(transforms: Sequence[BatchTransform], images: Tensor, parameters: Tensor) -> Tensor:
    for transform, own in zip(transforms, _spans(transforms), strict=True):
        images = as_floats(images) if transform.makes_floats else images
        images = transform.change(images, parameters[:, own])
    return images.contiguous(memory_format=torch.channels_last)


def _one_by_one(transforms: Sequence[BatchTransform], images: Tensor, parameters: Tensor) -> Tensor:
    batch = images.permute(0, 2, 3, 1).numpy().copy()
    spans = _spans(transforms)
    for row, own in enumerate(parameters.tolist()):
        pixels = batch[row]
        for transform, span in zip(transforms, spans, strict=True):
            if own[span.start]:
                pixels = transform.change_pixels(pixels, own[span])
        batch[row] = pixels
    return torch.from_numpy(batch).permute(0, 3, 1, 2)


def _spans(transforms: Sequence[BatchTransform]) -> list[slice]:
    """Which columns of the parameters belong to each transform."""
    stops = np.cumsum([1 + transform.parameters for transform in transforms]).tolist()
    return [slice(start, stop) for start, stop in itertools.pairwise([0, *stops])]
