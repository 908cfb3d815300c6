"""A few operations of many, all at one strength."""

import warnings
from typing import TYPE_CHECKING

from project.errors import ConfigError

if TYPE_CHECKING:
    import albumentations as A


def rand_augment(num_ops: int = 2, magnitude: int = 9, p: float = 1.0) -> "A.BaseCompose":
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
    import albumentations as A  # noqa: PLC0415 - slow, and few augmentations need it

    if not 0 <= magnitude <= 10:
        raise ConfigError(f"rand_augment.magnitude: expected 0 to 10, got {magnitude}.")
    m = magnitude / 10
    operations = _rand_augment_operations(m)
    if not 1 <= num_ops <= len(operations):
        raise ConfigError(
            f"rand_augment.num_ops: expected 1 to {len(operations)} operations, got {num_ops}."
        )
    return A.SomeOf(operations, n=num_ops, replace=False, p=p)


def _rand_augment_operations(m: float) -> "list[A.BasicTransform]":
    """The operations at strength m in [0, 1]; signs are drawn by the transforms."""
    import albumentations as A  # noqa: PLC0415 - see above

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
