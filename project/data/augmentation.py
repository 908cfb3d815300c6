"""Random changes of one image, by albumentations, with randomness that belongs to the sample."""

import os
import random
import warnings
from collections.abc import Mapping

import numpy as np

from project.data.fit import Pixels
from project.errors import ConfigError

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else every import asks a server for news

import albumentations as A


class Augmentation:
    """A chain of albumentations transforms, applied in the order given.

    Left alone, albumentations draws the same numbers in every worker and repeats them every epoch.
    Here each call brings its own generator.

    Args:
        transforms: Transforms by a name of one's choice, so that a single one can be overridden or
            removed from the command line (``augmentation.transforms.flip.p=0``).

    Raises:
        ConfigError: If a value is not an albumentations transform for images.
    """

    def __init__(self, transforms: Mapping[str, A.BasicTransform] | None = None) -> None:
        self.names = tuple(transforms or {})
        for name, transform in (transforms or {}).items():
            if not isinstance(transform, (A.BasicTransform, A.BaseCompose)):
                raise ConfigError(
                    f"augmentation transform {name!r}: expected an albumentations transform, got "
                    f"{type(transform).__name__}. Write _target_: albumentations.<Class>."
                )
        self._chain = A.Compose(list((transforms or {}).values())) if transforms else None

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        """Applies the chain.

        Args:
            image: uint8 RGB (H, W, 3).
            rng: Decides everything random about this call.

        Returns:
            uint8 RGB, of the same size unless a transform changes it.
        """
        if self._chain is None:
            return image
        self._chain.set_random_state(rng, random.Random(int(rng.integers(2**63))))
        changed: Pixels = self._chain(image=image)["image"]
        return changed

    def __bool__(self) -> bool:
        """Whether there is anything to apply."""
        return self._chain is not None


def rand_augment(num_ops: int = 2, magnitude: int = 9, p: float = 1.0) -> A.BaseCompose:
    """Applies a few operations, drawn anew for each image, all at one magnitude.

    Args:
        num_ops: Operations an image.
        magnitude: Strength from 0 (nothing) to 10 (the ends of the ranges).
        p: Probability that an image is changed at all.

    Returns:
        One albumentations transform.

    Raises:
        ConfigError: If the magnitude or the number of operations is out of range.

    Source: Cubuk et al. 2020, "RandAugment", with the ranges of its table of operations.
    """
    if not 0 <= magnitude <= 10:
        raise ConfigError(f"rand_augment.magnitude: expected 0 to 10, got {magnitude}.")
    m = magnitude / 10
    operations = _rand_augment_operations(m)
    if not 1 <= num_ops <= len(operations):
        raise ConfigError(
            f"rand_augment.num_ops: expected 1 to {len(operations)} operations, got {num_ops}."
        )
    return A.SomeOf(operations, n=num_ops, replace=False, p=p)


def _rand_augment_operations(m: float) -> list[A.BasicTransform]:
    """The operations at strength m in [0, 1]; signs are drawn by the transforms."""
    enhance = (1 - 0.9 * m, 1 + 0.9 * m)
    identity = (1.0, 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # albumentations only warns of arguments it does not know
        return [
            A.NoOp(p=1),
            A.AutoContrast(p=1),
            A.Equalize(p=1),
            A.Rotate(limit=(-30 * m, 30 * m), p=1),
            A.Solarize(threshold_range=(1 - m, 1 - m), p=1),
            A.Posterize(num_bits=8 - round(4 * m), p=1) if m > 0.125 else A.NoOp(p=1),
            A.ColorJitter(identity, identity, enhance, (0, 0), p=1),
            A.ColorJitter(identity, enhance, identity, (0, 0), p=1),
            A.ColorJitter(enhance, identity, identity, (0, 0), p=1),
            A.Sharpen(alpha=(0, 0.9 * m), p=1),
            A.Affine(shear={"x": (-17 * m, 17 * m), "y": (0, 0)}, p=1),
            A.Affine(shear={"x": (0, 0), "y": (-17 * m, 17 * m)}, p=1),
            A.Affine(translate_percent={"x": (-0.45 * m, 0.45 * m), "y": (0, 0)}, p=1),
            A.Affine(translate_percent={"x": (0, 0), "y": (-0.45 * m, 0.45 * m)}, p=1),
        ]
