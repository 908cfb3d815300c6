"""More of a class than there are photos of it."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from project.data.augmentation.chain import Augmentation, Samples
from project.errors import ConfigError, suggestion


class Oversampling:
    """Lets each image of a class stand for several: copies, or random variants of itself.

    The variants of an image are numbered 0 to factor - 1. They are made by ``transforms`` (none:
    exact copies), either once and for all or anew in every epoch. The augmentation that all
    training images go through comes on top.

    Args:
        factor: Variants of each image, for classes that ``factors`` does not name.
        factors: Variants of each image by class name.
        variants: ``fixed``: the same pixels in every epoch, as if written to disk beforehand.
            ``fresh``: drawn anew whenever they come up.
        keep_original: Whether variant 0 is the untouched image.
        transforms: What makes a variant; see `Augmentation`.

    Raises:
        ConfigError: If a factor is below 1, or copies are asked to differ.

    Example:
        >>> Oversampling(factors={"outer": 4}).class_factors(["outer", "top"]).tolist()
        [4, 1]
    """

    def __init__(
        self,
        factor: int = 1,
        factors: Mapping[str, int] | None = None,
        variants: Literal["fixed", "fresh"] = "fixed",
        keep_original: bool = True,
        transforms: Augmentation | None = None,
    ) -> None:
        self.factor = factor
        self.factors = dict(factors or {})
        self.variants = variants
        self.keep_original = keep_original
        self.transforms = transforms or Augmentation()
        if not self.transforms and (variants != "fixed" or not keep_original):
            raise ConfigError(
                f"oversampling: variants={variants} and keep_original={keep_original} mean nothing "
                "for exact copies. Choose oversampling=geometric or color, or give it transforms."
            )
        for name, value in {"factor": factor, **self.factors}.items():
            if value < 1:
                raise ConfigError(
                    f"oversampling: expected factors of 1 (as they are) or more, got {name}={value}"
                    ". To leave a class out, map it to null in data.class_map."
                )

    def class_factors(self, classes: Sequence[str]) -> NDArray[np.int64]:
        """The factor of each class.

        Args:
            classes: Class names in label order.

        Returns:
            int64 (C,).

        Raises:
            ConfigError: If ``factors`` names a class that the data do not have.
        """
        for name in self.factors:
            if name not in classes:
                raise ConfigError(
                    f"oversampling.factors: no class is called {name!r}; the classes are "
                    f"{', '.join(classes)}.{suggestion(name, classes)}"
                )
        return np.array([self.factors.get(name, self.factor) for name in classes], np.int64)

    def samples(self, keys: NDArray[np.int64], factors: NDArray[np.int64]) -> Samples:
        """What the variants of a batch are drawn by.

        Args:
            keys: Epoch, row and copy number of the samples, int64 (B, 3).
            factors: Variants of each image's class, int64 (B,); ``copy % factor`` is the variant.

        Returns:
            The keys of the draws, and which images are not untouched originals.
        """
        epoch, row, copy = keys.T
        variant = copy % factors
        fixed = np.stack([np.zeros_like(row), row, variant], axis=1)
        fresh = np.stack([1 + epoch, row, copy], axis=1)
        touched = variant > 0 if self.keep_original else np.ones(len(keys), bool)
        return Samples(fixed if self.variants == "fixed" else fresh, touched)
