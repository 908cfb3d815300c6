from collections.abc import Callable, Iterator
from contextlib import nullcontext
from unittest.mock import Mock

import pytest
import torch
from torch.utils.data import Dataset

from project.data import prefetching
from project.data.changes import Batch
from project.data.plan import PlannedBatches, SampleKey, natural_order
from project.data.prefetching import PrefetchingLoader, ToDevice, prefetched
from project.data.workers import start_worker

CUDA = torch.device("cuda", 0)


def batch_of(number: int) -> Batch:
    image = torch.full((2, 3, 4, 5), number, dtype=torch.uint8)
    image = image.contiguous(memory_format=torch.channels_last)
    return Batch(image, torch.tensor([number, 1]), torch.tensor([number, 2]), torch.zeros(2))


class Numbered(Dataset[Batch]):
    """Batches that hold the row and the epoch of their first key."""

    def __getitems__(self, keys: list[SampleKey]) -> Batch:
        return batch_of(keys[0].row)._replace(copy=torch.tensor([key.epoch for key in keys]))

    def __getitem__(self, key: SampleKey) -> Batch:
        raise NotImplementedError


def as_it_is(batch: Batch) -> Batch:
    return batch


def loader(device: torch.device | None, workers: int, start: tuple[int, int]) -> PrefetchingLoader:
    order = natural_order(torch.arange(20).numpy())
    batches = PlannedBatches(lambda _: order, batch_size=2, training=True, start=start)
    return PrefetchingLoader(
        Numbered(),
        device=device,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=as_it_is,
        persistent_workers=workers > 0,
        worker_init_fn=start_worker,
        pin_memory=device == CUDA and torch.cuda.is_available(),
        generator=torch.Generator(),
    )


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What happens to batches, by the number of their first row, on a device that is none."""
    seen: list[tuple[str, int]] = []

    def to_device(device: torch.device) -> Callable[[Batch], Callable[[], Batch]]:
        assert device == CUDA

        def send(batch: Batch) -> Callable[[], Batch]:
            seen.append(("sent", int(batch.row[0])))

            def arrive() -> Batch:
                seen.append(("arrived", int(batch.row[0])))
                return batch

            return arrive

        return send

    monkeypatch.setattr(prefetching, "ToDevice", to_device)
    return seen


def seen_in_epochs(loader: PrefetchingLoader, epochs: tuple[int, ...]) -> list[tuple[int, int]]:
    """Row and epoch of each batch, the loader being told of each epoch as Lightning tells it."""
    seen = []
    for epoch in epochs:
        loader.batch_sampler.set_epoch(epoch)  # type: ignore[union-attr]
        seen += [(int(batch.row[0]), int(batch.copy[0])) for batch in loader]
    return seen


def test_each_item_is_sent_before_the_one_ahead_of_it_is_handed_over() -> None:
    events = []

    def send(item: str) -> Callable[[], str]:
        events.append(f"send {item}")
        return item.upper

    items = prefetched(iter("abc"), send)
    assert events == []  # nothing is taken before it is asked for
    for item in items:
        events.append(f"got {item}")  # noqa: PERF401 - extend would hide the turns
    assert events == ["send a", "send b", "got A", "send c", "got B", "got C"]


@pytest.mark.parametrize("count", [0, 1])
def test_few_items_arrive_too(count: int) -> None:
    items: Iterator[str] = iter("a" * count)
    assert list(prefetched(items, lambda item: lambda: item)) == ["a"] * count


def test_what_has_been_handed_over_is_not_kept() -> None:
    alive: list[int] = []

    class Item:
        def __init__(self, number: int) -> None:
            self.number = number
            alive.append(number)

        def __del__(self) -> None:
            alive.remove(self.number)

    items = prefetched(map(Item, range(4)), lambda item: lambda: item)
    next(items)
    assert alive == [1]  # the one ahead


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("start", [(0, 0), (1, 7)])
def test_epochs_are_the_same_with_and_without_a_device(
    events: list[tuple[str, int]], workers: int, start: tuple[int, int]
) -> None:
    epochs = (start[0], start[0] + 1)
    ahead, plain = loader(CUDA, workers, start), loader(None, workers, start)
    assert len(ahead) == len(plain) == 10
    expected = seen_in_epochs(plain, epochs)
    assert seen_in_epochs(ahead, epochs) == expected
    assert len(expected) == 20 - start[1]
    for kind in ("sent", "arrived"):
        assert [row for event, row in events if event == kind] == [row for row, _ in expected]


@pytest.mark.parametrize("workers", [0, 1])
def test_what_was_on_its_way_when_an_epoch_is_left_is_in_no_other(
    events: list[tuple[str, int]], workers: int
) -> None:
    ahead = loader(CUDA, workers, (0, 0))
    iterator = iter(ahead)
    assert [int(next(iterator).row[0]) for _ in range(3)] == [0, 2, 4]
    assert events[-2:] == [("sent", 6), ("arrived", 4)]
    assert [row for row, _ in seen_in_epochs(ahead, (1,))] == list(range(0, 20, 2))


@pytest.mark.parametrize("device", [None, torch.device("cpu"), torch.device("mps")])
def test_other_devices_are_left_to_the_caller(
    events: list[tuple[str, int]], device: torch.device | None
) -> None:
    assert [int(batch.row[0]) for batch in loader(device, 0, (0, 0))] == list(range(0, 20, 2))
    assert events == []


def test_the_computing_stream_waits_for_its_own_batch_and_keeps_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    copying, computing = Mock(), Mock()
    copying.record_event.side_effect = ["first is there", "second is there"]
    monkeypatch.setattr(prefetching, "_copying_stream", lambda _: copying)
    monkeypatch.setattr(torch.cuda, "stream", nullcontext)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: computing)
    first, second = (Batch(*(Mock() for _ in range(4))) for _ in range(2))
    send = ToDevice(CUDA)

    arrive = send(first)
    send(second)
    assert not computing.mock_calls  # nothing waits before it must
    arrived = arrive()

    computing.wait_event.assert_called_once_with("first is there")
    assert arrived.draws is None
    for part, copy in zip(first[:4], arrived[:4], strict=True):
        part.to.assert_called_once_with(CUDA, non_blocking=True)  # type: ignore[attr-defined]
        copy.record_stream.assert_called_once_with(computing)  # type: ignore[attr-defined]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("workers", [0, 1])
def test_batches_on_the_gpu_are_those_of_the_loader_bit_for_bit(workers: int) -> None:
    expected = list(loader(None, workers, (0, 0)))
    for _ in range(2):
        arrived = loader(CUDA, workers, (0, 0))
        for batch, other in zip(arrived, expected, strict=True):
            assert batch.image.is_contiguous(memory_format=torch.channels_last)
            assert batch.draws is None
            for part, same in zip(batch[:4], other[:4], strict=True):
                assert part.device == CUDA
                assert torch.equal(part.cpu(), same)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_memory_of_batches_is_not_reused_while_the_gpu_computes_on_them() -> None:
    side = 256

    def batches() -> Iterator[Batch]:
        for number in range(40):
            image = torch.full((16, 3, side, side), number, dtype=torch.uint8).pin_memory()
            few = torch.full((16,), number).pin_memory()
            yield Batch(image, few, few, few)

    sums = []
    for batch in prefetched(batches(), ToDevice(CUDA)):
        torch.cuda._sleep(20_000_000)  # type: ignore[no-untyped-call] # the host runs ahead
        sums.append(batch.image.sum(dtype=torch.int64) + batch.label.sum())
        del batch
    expected = [number * (16 * 3 * side * side + 16) for number in range(40)]
    assert [int(total) for total in sums] == expected
