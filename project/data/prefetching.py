"""Brings batches to a CUDA device while it computes on those before."""

from collections import deque
from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice
from typing import Any, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from project.data.changes import Batch

T = TypeVar("T")

Arrival = Callable[[], T]
"""Hands over what is on its way."""


class PrefetchingLoader(DataLoader[Batch]):
    """Loads batches, and has each of them on its way to the device one batch ahead.

    What is on its way belongs to the iteration alone: the next one begins where it would without.

    Args:
        dataset: Makes the batches.
        device: Where batches are wanted; None if nobody knows. To any but CUDA the caller brings
            them.
        options: Of ``torch.utils.data.DataLoader``.
    """

    def __init__(
        self, dataset: Dataset[Batch], *, device: torch.device | None, **options: Any
    ) -> None:
        super().__init__(dataset, **options)
        self.device = device

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override] # torch promises its own class
        """Begins an epoch; workers begin now, too, as they do without a device."""
        batches = super().__iter__()
        if self.device is None or self.device.type != "cuda":
            return batches
        return prefetched(batches, ToDevice(self.device))


def prefetched(items: Iterator[T], send: Callable[[T], Arrival[T]]) -> Iterator[T]:
    """Sends each item before the one ahead of it is handed over.

    Args:
        items: Nothing is taken before the first is asked for.
        send: Starts the way of an item without waiting for it to arrive.

    Yields:
        What arrives, in order.
    """
    sent = map(send, items)
    waiting = deque(islice(sent, 1))
    while waiting:
        waiting.extend(islice(sent, 1))
        yield waiting.popleft()()


class ToDevice:
    """Copies batches on a stream of their own, beside what is computed.

    Args:
        device: Of type CUDA. Copies from pinned memory do not keep the caller waiting.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = _copying_stream(device)

    def __call__(self, batch: Batch) -> Arrival[Batch]:
        """Begins to copy a batch.

        Returns:
            What has the current stream wait for the copy, and hands it over.
        """
        with torch.cuda.stream(self._stream):
            copy = Batch._make(
                None if part is None else part.to(self._device, non_blocking=True) for part in batch
            )
            copied = self._stream.record_event()  # the stream goes on with the batch behind

        def arrive() -> Batch:
            computing = torch.cuda.current_stream(self._device)
            computing.wait_event(copied)
            for part in copy:
                if part is not None:
                    part.record_stream(computing)  # else its memory would be reused too early
            return copy

        return arrive


@cache
def _copying_stream(device: torch.device) -> torch.cuda.Stream:
    """One for all epochs and loaders: freed memory is reused by its own stream only."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
