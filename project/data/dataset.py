"""Sample keys to batches of uint8 images."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from project.data.augmentation import Augmentation
from project.data.catalog.catalog import Catalog
from project.data.decode import read_image
from project.data.fit import Fit, Pixels
from project.data.mixing import Mixing
from project.data.oversampling import Oversampling
from project.data.plan import PADDING, SampleKey
from project.data.randomness import Stream, generator
from project.errors import DataError


class Batch(NamedTuple):
    """What leaves the loader.

    Attributes:
        image: uint8 (B, 3, H, W); float32 in [0, 1] once mixed.
        label: int64 (B,); shares of the classes, float32 (B, C), once mixed.
        row: Catalog rows, int64 (B,); -1 marks a row that only fills up the batch.
        copy: Copy numbers, int64 (B,).
        mixing: Draws of `Mixing`, float32 (B, 5), as long as they are still to be applied.
    """

    image: Tensor
    label: Tensor
    row: Tensor
    copy: Tensor
    mixing: Tensor | None = None


class PhotoDataset(Dataset[Batch]):
    """Reads, fits and changes the images that a batch of keys names.

    Holds no state that changes, so a persistent worker needs no message about the epoch.

    Args:
        catalog: What the keys' indices refer to.
        fit: Brings images to one size.
        max_pixels: Limit on the decoded size; see `project.data.decode`.
    """

    def __init__(self, catalog: Catalog, fit: Fit, max_pixels: int) -> None:
        self._catalog = catalog
        self._fit = fit
        self._max_pixels = max_pixels

    def __getitems__(self, keys: Sequence[SampleKey]) -> Batch:
        """Makes one batch; the loader calls this once for all of its keys."""
        pixels = np.stack([self.image(key) for key in keys])
        rows = [key.row for key in keys]
        return Batch(
            image=torch.from_numpy(pixels).permute(0, 3, 1, 2),
            label=torch.from_numpy(self._catalog.labels[rows]),
            row=torch.tensor([-1 if k.copy == PADDING else k.row for k in keys]),
            copy=torch.tensor([key.copy for key in keys]),
        )

    def __getitem__(self, key: SampleKey) -> Batch:
        """Makes a batch of one."""
        return self.__getitems__([key])

    def image(self, key: SampleKey) -> Pixels:
        """One image as evaluation sees it, uint8 RGB (H, W, 3)."""
        return self._fit(self._read(key.row), self._catalog.box(key.row))

    def _read(self, row: int) -> Pixels:
        return read_image(self._catalog.path(row), self._max_pixels)


class TrainingDataset(PhotoDataset):
    """Reads images as training sees them: cropped at random, oversampled, augmented.

    Args:
        catalog: What the keys' indices refer to.
        fit: Brings images to one size.
        max_pixels: Limit on the decoded size.
        oversampling: Makes the variants of an image.
        augmentation: Changes every image.
        mixing: Mixes the images of a batch.
        seed: Seed of the run.
    """

    def __init__(
        self,
        catalog: Catalog,
        fit: Fit,
        max_pixels: int,
        *,
        oversampling: Oversampling,
        augmentation: Augmentation,
        mixing: Mixing,
        seed: int,
    ) -> None:
        super().__init__(catalog, fit, max_pixels)
        self._oversampling = oversampling
        self._factors = oversampling.class_factors(catalog.classes)
        self._augmentation = augmentation
        self._mixing = mixing
        self._seed = seed

    def __getitems__(self, keys: Sequence[SampleKey]) -> Batch:
        """Makes one batch, with the draws for mixing where that is on."""
        batch = super().__getitems__(keys)
        return batch._replace(mixing=self._mixing.draw(keys, self._seed)) if self._mixing else batch

    def image(self, key: SampleKey) -> Pixels:
        """One image as training sees it, uint8 RGB (H, W, 3)."""
        crop = generator(Stream.CROP, self._seed, *key)
        image = self._fit(self._read(key.row), self._catalog.box(key.row), crop)
        factor = int(self._factors[self._catalog.labels[key.row]])
        image = self._oversampling(image, factor=factor, seed=self._seed, **key._asdict())
        image = self._augmentation(image, generator(Stream.AUGMENTATION, self._seed, *key))
        if image.shape[:2] != self._fit.size or image.dtype != np.uint8:
            raise DataError(
                f"Expected augmentation to keep images uint8 and {list(self._fit.size)} pixels, "
                f"got {image.dtype} and {list(image.shape[:2])}. Cropping and resizing belong to "
                "data.crop and data.size, normalisation to the model."
            )
        return image
