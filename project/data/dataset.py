"""Sample keys to batches of uint8 images."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from project.data.catalog.catalog import Catalog
from project.data.changes import Batch, Changes
from project.data.fit import Fit
from project.data.plan import PADDING, SampleKey
from project.data.randomness import Stream, uniforms
from project.data.store.policy import ImageStore


class PhotoDataset(Dataset[Batch]):
    """Fits the images that a batch of keys names, as evaluation sees them.

    Holds no state that changes, so a persistent worker needs no message about the epoch.

    Args:
        catalog: What the keys' indices refer to.
        store: Holds the images.
        fit: Brings images to one size.
    """

    def __init__(self, catalog: Catalog, store: ImageStore, fit: Fit) -> None:
        self._catalog = catalog
        self._store = store
        self._fit = fit

    def __getitems__(self, keys: Sequence[SampleKey]) -> Batch:
        """Makes one batch; the loader calls this once for all of its keys."""
        return self._batch(np.array(keys, np.int64), None)

    def __getitem__(self, key: SampleKey) -> Batch:
        """Makes a batch of one."""
        return self.__getitems__([key])

    def _batch(self, keys: NDArray[np.int64], draws: NDArray[np.float64] | None) -> Batch:
        """The batch of keys (B, 3), cropped by draws."""
        _, rows, copies = keys.T
        pixels = self._fit.batch([self._store[row] for row in rows.tolist()], draws)
        return Batch(
            image=torch.from_numpy(pixels).permute(0, 3, 1, 2),
            label=torch.from_numpy(self._catalog.labels[rows]),
            row=torch.from_numpy(np.where(copies == PADDING, -1, rows)),
            copy=torch.from_numpy(copies.copy()),
        )


class TrainingDataset(PhotoDataset):
    """Makes batches as training sees them: cropped at random, and to be changed.

    Args:
        catalog: What the keys' indices refer to.
        store: Holds the images.
        fit: Brings images to one size.
        changes: What else is random about a batch.
        seed: Seed of the run.
        in_workers: Whether to apply all changes here, instead of leaving most to the device.
    """

    def __init__(
        self,
        catalog: Catalog,
        store: ImageStore,
        fit: Fit,
        *,
        changes: Changes,
        seed: int,
        in_workers: bool,
    ) -> None:
        super().__init__(catalog, store, fit)
        self._changes = changes
        self._seed = seed
        self._in_workers = in_workers

    def __getitems__(self, keys: Sequence[SampleKey]) -> Batch:
        """Makes one batch, with the draws of what is still to be changed.

        Raises:
            DataError: If a transform changes the size of an image.
        """
        numbers = np.array(keys, np.int64)
        draws = self._fit.draws
        crops = uniforms(Stream.CROP, self._seed, numbers, draws) if draws else None
        batch = self._batch(numbers, crops)
        labels = batch.label.numpy()
        batch = batch._replace(
            image=self._changes.samplewise(batch.image, numbers, labels),
            draws=self._changes.draw(numbers, labels),
        )
        return self._changes(batch) if self._in_workers and batch.draws is not None else batch
