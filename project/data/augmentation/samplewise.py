"""Transforms of albumentations, image by image, with randomness that belongs to the sample."""

import random
from typing import TYPE_CHECKING

import numpy as np

from project.data.resampling import Pixels
from project.errors import DataError

if TYPE_CHECKING:
    import albumentations as A


class Samplewise:
    """Any transform of albumentations.

    Left alone, albumentations draws the same numbers in every worker and repeats them every epoch.
    Here each call brings its own generator.

    Args:
        name: What the configuration calls it.
        transform: Applied to uint8 images.
    """

    def __init__(self, name: str, transform: "A.BasicTransform | A.BaseCompose") -> None:
        import albumentations as A  # noqa: PLC0415 - slow, and few augmentations need it

        self._name = name
        self._chain = A.Compose([transform])

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        """Changes one image.

        Args:
            image: uint8 RGB (H, W, 3).
            rng: Decides everything random about this call.

        Returns:
            The same shape and type.

        Raises:
            DataError: If the transform gives another size or type.
        """
        self._chain.set_random_state(rng, random.Random(int(rng.integers(2**63))))
        changed: Pixels = self._chain(image=image)["image"]
        if changed.shape != image.shape or changed.dtype != np.uint8:
            raise DataError(
                f"augmentation transform {self._name!r}: expected images to stay uint8 and "
                f"{list(image.shape[:2])} pixels, got {changed.dtype} and "
                f"{list(changed.shape[:2])}. Cropping and resizing belong to data.crop and "
                "data.size, normalisation to the model."
            )
        return changed
