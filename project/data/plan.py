"""Which image, and which copy of it, comes when.

The plan of an epoch is a pure function of labels, sampler, oversampling, seed and epoch. Ranks read
disjoint slices of one global order, so the global batches do not depend on how many ranks there
are, and training can start at any batch.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler as TorchSampler

from project.data.randomness import Stream, generator
from project.data.sampling import Sampler
from project.errors import ConfigError

Order = NDArray[np.int64]

PADDING = -1  # copy number of a row that only fills up the last batch of a rank


class SampleKey(NamedTuple):
    """Names one sample; everything random about it follows from this and the seed."""

    epoch: int
    row: int
    copy: int


@dataclass(frozen=True)
class EpochPlan:
    """The order of the training images in every epoch.

    Each class is an endless stream of shuffled passes over its pool of (image, variant) pairs; an
    epoch takes the next stretch of each stream and shuffles them together. So the shares are exact
    and, over the epochs, no image of a class is drawn more than once more often than another.

    Args:
        indices: Catalog rows of the training images, int64 (N,).
        labels: Their labels, int64 (N,).
        factors: Variants of each image by class, int64 (C,); see `Oversampling.class_factors`.
        sampler: Shares of the classes.
        seed: Seed of the run.
    """

    indices: NDArray[np.int64]
    labels: NDArray[np.int64]
    factors: NDArray[np.int64]
    sampler: Sampler
    seed: int

    @cached_property
    def images(self) -> NDArray[np.int64]:
        """Training images per class, int64 (C,)."""
        return np.bincount(self.labels, minlength=len(self.factors))

    @cached_property
    def draws(self) -> NDArray[np.int64]:
        """Draws per epoch and class, int64 (C,); the same in every epoch."""
        pools = self.images * self.factors
        total = self.sampler.draws_per_epoch or int(pools.sum())
        return _whole_numbers(self.sampler.shares(pools) * total, total)

    def order(self, epoch: int) -> Order:
        """The epoch's global order.

        Args:
            epoch: From 0.

        Returns:
            int64 (draws, 2): catalog row and copy number. No pair comes twice in an epoch.
        """
        parts = [self._stretch(c, epoch) for c in range(len(self.factors))]
        together = np.concatenate(parts)
        generator(Stream.ORDER, self.seed, 0, epoch).shuffle(together)
        return together

    def _stretch(self, label: int, epoch: int) -> Order:
        """The part of a class's endless stream that an epoch takes."""
        members = self.indices[self.labels == label]
        factor, quota = int(self.factors[label]), int(self.draws[label])
        pool = len(members) * factor
        first = epoch * quota // pool
        last = math.ceil((epoch + 1) * quota / pool)
        passes = [
            generator(Stream.ORDER, self.seed, 1, label, p).permutation(pool)
            for p in range(first, last)
        ]
        start = epoch * quota - first * pool
        items = np.concatenate([np.empty(0, np.int64), *passes])[start : start + quota]
        repeat = np.arange(start, start + quota) // pool
        return np.stack([members[items // factor], items % factor + repeat * factor], axis=1)


def natural_order(indices: NDArray[np.int64]) -> Order:
    """The order for evaluation: every image once, as it stands in the catalog.

    Args:
        indices: Catalog rows, int64 (N,).

    Returns:
        int64 (N, 2): catalog row and copy number 0.
    """
    return np.stack([indices, np.zeros_like(indices)], axis=1)


class PlannedBatches(TorchSampler[list[SampleKey]]):
    """One rank's batches of a planned order, for ``DataLoader(batch_sampler=...)``.

    Global batch k is rows ``[k * batch_size, (k + 1) * batch_size)`` of the order; rank r takes the
    r-th of ``world_size`` equal slices of it. The last batch may be smaller. In training it is cut
    to a multiple of the ranks, and left out when it holds one image, because batch normalisation
    cannot work on that. In evaluation it is filled up with rows marked as
    padding, which nothing counts.

    Args:
        order: Epoch to global order.
        batch_size: Images in a global batch.
        world_size: Number of ranks.
        rank: This rank, from 0.
        training: Whether to cut (True) or to fill up (False) the last batch.
        start: The first epoch, and how many of its batches are done already.

    Raises:
        ConfigError: If the batch does not divide by the ranks, or no batch would be left.
    """

    def __init__(
        self,
        order: Callable[[int], Order],
        *,
        batch_size: int,
        world_size: int = 1,
        rank: int = 0,
        training: bool,
        start: tuple[int, int] = (0, 0),
    ) -> None:
        if batch_size < 1 or batch_size % world_size:
            raise ConfigError(
                f"data.batch_size: expected a multiple of the {world_size} process(es), because it "
                f"counts the images of all of them together, got {batch_size}."
            )
        self._order = order
        self._batch_size = batch_size
        self._world_size = world_size
        self._rank = rank
        self._training = training
        self._start = start
        # Loaders with workers ask for the first batches before Lightning announces the epoch.
        self._epoch = start[0]
        self._length = len(order(0))
        if training and len(self) == 0:
            raise ConfigError(
                f"Expected at least two images a process to train on, got {self._length} draws an "
                f"epoch for {world_size} process(es)."
            )

    @property
    def sampler(self) -> "PlannedBatches":
        """Itself: Lightning announces the epoch to ``batch_sampler.sampler``."""
        return self

    @property
    def left_out(self) -> int:
        """Draws of an epoch that no rank sees, because the last batch was cut."""
        return self._length - self._kept if self._training else 0

    def set_epoch(self, epoch: int) -> None:
        """Chooses what the next iteration yields.

        Args:
            epoch: From 0.
        """
        self._epoch = epoch

    def __len__(self) -> int:
        """Batches of a whole epoch, the same on every rank."""
        return math.ceil(self._kept / self._batch_size)

    def __iter__(self) -> Iterator[list[SampleKey]]:
        """Yields the keys of one batch after the other."""
        order = self._even(self._order(self._epoch))
        epoch, done = self._start
        for batch in range(done if self._epoch == epoch else 0, len(self)):
            part = order[batch * self._batch_size : (batch + 1) * self._batch_size]
            share = len(part) // self._world_size
            mine = part[self._rank * share : (self._rank + 1) * share].tolist()
            yield [SampleKey(self._epoch, row, copy) for row, copy in mine]

    @property
    def _kept(self) -> int:
        """Rows of the order after cutting or filling up."""
        rest = self._length % self._batch_size
        if not self._training:
            return self._length + -rest % self._world_size
        cut = rest - rest % self._world_size
        return self._length - rest + (cut if cut >= 2 else 0)

    def _even(self, order: Order) -> Order:
        missing = self._kept - len(order)
        if missing <= 0:
            return order[: self._kept]
        filling = np.repeat(order[-1:], missing, axis=0)
        filling[:, 1] = PADDING
        return np.concatenate([order, filling])


def _whole_numbers(values: NDArray[np.float64], total: int) -> NDArray[np.int64]:
    """Rounds to integers that add up to the total, by the largest remainders."""
    floor = np.floor(values).astype(np.int64)
    order = np.argsort(floor - values, kind="stable")
    floor[order[: total - int(floor.sum())]] += 1
    return floor
