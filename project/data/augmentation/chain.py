"""The transforms of a configuration, by name and in order."""

import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from project.data.augmentation.samplewise import Samplewise
from project.data.augmentation.transform import BatchTransform, apply
from project.data.randomness import Stream, generator, name_number, named_uniforms
from project.errors import ConfigError

Transform = BatchTransform | Samplewise


class Augmentation:
    """A chain of transforms, applied in the order given.

    Those of `project.data.augmentation` change whole batches, on the device; any transform of
    albumentations changes one image after the other, in the loader's workers. All that stands
    before one of the latter is applied in the workers too.

    What a transform draws depends on its name, and not on which others there are.

    Args:
        transforms: Transforms by a name of one's choice, so that a single one can be overridden or
            removed from the command line (``augmentation.transforms.flip.p=0``).

    Raises:
        ConfigError: If a value is no transform for images.
    """

    def __init__(self, transforms: Mapping[str, object] | None = None) -> None:
        self.transforms = {
            name: _transform(name, given) for name, given in (transforms or {}).items()
        }

    @property
    def names(self) -> tuple[str, ...]:
        """What the transforms are called, in their order."""
        return tuple(self.transforms)

    def __bool__(self) -> bool:
        """Whether there is anything to apply."""
        return bool(self.transforms)


class Samples(NamedTuple):
    """Which images a chain is applied to.

    Attributes:
        keys: What the draws belong to, int64 (B, 3).
        touched: Which images may be changed at all, bool (B,).
    """

    keys: NDArray[np.int64]
    touched: NDArray[np.bool_]


class Chain:
    """A part of an augmentation, with the stream that it draws from.

    Args:
        transforms: By name, in their order.
        stream: What its numbers are for.
        seed: Seed of the run.
    """

    def __init__(self, transforms: Mapping[str, Transform], stream: Stream, seed: int) -> None:
        self._transforms = transforms
        self._named = {n: t for n, t in transforms.items() if isinstance(t, BatchTransform)}
        self._stream = stream
        self._seed = seed

    @property
    def batchwise(self) -> list[BatchTransform]:
        """The transforms of batches, in their order."""
        return list(self._named.values())

    @property
    def runs_by_sample(self) -> bool:
        """Whether a transform needs one image after the other."""
        return len(self._named) < len(self._transforms)

    def split(self, *, followed: bool = False) -> tuple["Chain", "Chain"]:
        """Cuts after the last transform that runs image by image.

        Args:
            followed: Whether such a transform comes after this chain, so that all is before it.
        """
        names = list(self._transforms)
        by_sample = [i for i, name in enumerate(names) if name not in self._named]
        cut = len(names) if followed else max(by_sample, default=-1) + 1
        return self._part(names[:cut]), self._part(names[cut:])

    def draw(self, samples: Samples) -> Tensor:
        """Draws the parameters of the transforms of batches.

        Returns:
            float32 (B, D), those of one transform after the other; zeros for images that are
            not touched.
        """
        counts = {name: 1 + t.uniforms for name, t in self._named.items()}
        numbers = named_uniforms(self._stream, self._seed, samples.keys, counts)
        parts = [t.draw(numbers[name]) for name, t in self._named.items()]
        drawn = np.concatenate([np.empty((len(samples.keys), 0)), *parts], axis=1)
        drawn[~samples.touched] = 0
        return torch.from_numpy(drawn.astype(np.float32))

    def __call__(self, images: Tensor, samples: Samples) -> Tensor:
        """Draws and applies all of it, on the CPU.

        Args:
            images: uint8 (B, 3, H, W), channels last.
            samples: Which they are.

        Returns:
            uint8 (B, 3, H, W), channels last.

        Raises:
            DataError: If a transform changes the size of an image.
        """
        waiting: list[str] = []  # neighbours that are applied to the batch in one go
        for name, transform in self._transforms.items():
            if isinstance(transform, BatchTransform):
                waiting.append(name)
            else:
                images = self._together(waiting, images, samples)
                images = self._by_sample(name, transform, images, samples)
                waiting = []
        return self._together(waiting, images, samples)

    def _part(self, names: Sequence[str]) -> "Chain":
        return Chain({name: self._transforms[name] for name in names}, self._stream, self._seed)

    def _together(self, names: Sequence[str], images: Tensor, samples: Samples) -> Tensor:
        if not names:
            return images
        part = self._part(names)
        return apply(part.batchwise, images, part.draw(samples))

    def _by_sample(
        self, name: str, transform: Samplewise, images: Tensor, samples: Samples
    ) -> Tensor:
        pixels = images.permute(0, 2, 3, 1).numpy().copy()
        for row in np.flatnonzero(samples.touched):
            key = (name_number(name), *samples.keys[row].tolist())
            pixels[row] = transform(pixels[row], generator(self._stream, self._seed, *key))
        return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def _transform(name: str, given: object) -> Transform:
    if isinstance(given, BatchTransform):
        return given
    albumentations = sys.modules.get("albumentations")  # slow to import; loaded if any is given
    if albumentations and isinstance(
        given, (albumentations.BasicTransform, albumentations.BaseCompose)
    ):
        return Samplewise(name, given)
    raise ConfigError(
        f"augmentation transform {name!r}: expected one of project.data.augmentation or of "
        f"albumentations, got {type(given).__name__}. Write _target_: albumentations.<Class>."
    )
