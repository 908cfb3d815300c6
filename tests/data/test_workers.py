import gc
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from project.data import workers as workers_module
from project.data.plan import SampleKey
from project.data.workers import chosen_workers, start_worker, workers_with_room

# A process with a worker, which tells its own id and then loads for a while.
PARENT = """
import os, signal, sys, time
from torch.utils.data import DataLoader
from project.data.workers import start_worker

class Slow:
    def __len__(self):
        return 30
    def __getitem__(self, index):
        open(sys.argv[1], "w").write(str(os.getpid()))
        time.sleep(0.1)
        return index

signal.signal(signal.SIGINT, signal.SIG_IGN)
loader = DataLoader(Slow(), num_workers=1, worker_init_fn=start_worker,
                    persistent_workers=True)
print(sum(1 for _ in loader))
"""


@pytest.mark.skipif(not hasattr(signal, "sigwaitinfo"), reason="workers cannot tell who sent it")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_worker_survives_signals_that_are_for_the_run(
    tmp_path: Path, number: signal.Signals
) -> None:
    note = tmp_path / "worker"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(note)], stdout=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 60
    while not note.exists() or not note.read_text():
        assert time.monotonic() < until
        time.sleep(0.02)
    worker = int(note.read_text())
    os.kill(worker, number)
    said, _ = parent.communicate(timeout=60)
    assert (parent.returncode, said) == (0, "30\n")
    with pytest.raises(ProcessLookupError):  # though it was still there for another epoch
        os.kill(worker, 0)


class Timed:
    """Takes a time for each batch and for each image, on a clock of its own."""

    def __init__(self, batch: float, image: float, first: float = 0.0) -> None:
        self.now = 0.0
        self.asked: list[int] = []
        self._batch, self._image, self._first = batch, image, first

    def __getitems__(self, keys: Sequence[SampleKey]) -> None:
        self.now += self._batch + self._image * len(keys) + (0 if self.asked else self._first)
        self.asked.append(len(keys))


def chosen(monkeypatch: pytest.MonkeyPatch, dataset: Timed, batches: int = 100) -> int:
    monkeypatch.setattr(time, "perf_counter", lambda: dataset.now)
    keys = [[SampleKey(0, row, 0) for row in range(64)]] * batches
    return chosen_workers(dataset, iter(keys), cores=6)


@pytest.mark.parametrize(
    ("batch", "image", "expected"),
    [
        pytest.param(0.0005, 0.00006, 0, id="cached"),
        pytest.param(0.0005, 0.0002, 1, id="cached, and changed on the CPU"),
        pytest.param(0, 0.001, 6, id="small photos decoded"),
        pytest.param(0, 0.1, 6, id="12 megapixels decoded"),
    ],
)
def test_workers_are_as_many_as_loading_needs(
    monkeypatch: pytest.MonkeyPatch, batch: float, image: float, expected: int
) -> None:
    assert chosen(monkeypatch, Timed(batch, image)) == expected


def test_imports_of_the_first_batch_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(monkeypatch, Timed(0.0005, 0.00006, first=2.0)) == 0


def test_large_photos_are_timed_on_a_few_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = Timed(0, 0.1)
    chosen(monkeypatch, dataset)
    assert sum(dataset.asked) < 10


@pytest.mark.parametrize("batches", [0, 1])
def test_little_to_load_needs_no_workers(monkeypatch: pytest.MonkeyPatch, batches: int) -> None:
    assert chosen(monkeypatch, Timed(0, 0.00001), batches) == 0


def test_choice_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "project.data.workers")
    chosen(monkeypatch, Timed(0, 0.0001))
    assert caplog.messages == ["A batch of 64 takes 6.4 ms to load: 1 worker."]


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.mark.parametrize(
    ("free", "expected"),
    [(2 * 9 * 10, 4), (2 * 9 * 10 - 1, 3), (2 * 3 * 10, 1), (2 * 3 * 10 - 1, 0), (0, 0)],
)
def test_workers_are_no_more_than_shared_memory_has_room_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, free: int, expected: int
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1000, 1000 - free, free))
    assert workers_with_room(4, 10, 1) == expected
    assert workers_with_room(0, 10, 1) == 0
    assert len(caplog.messages) == (expected < 4)


def test_processes_of_a_run_share_its_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1000, 0, 360))
    assert [workers_with_room(8, 10, processes) for processes in (1, 2, 4)] == [8, 4, 1]


def test_too_little_room_is_said_with_its_numbers_and_the_way_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1, 0, 67_000_000))
    assert workers_with_room(8, 12_600_000, 1) == 0
    (said,) = caplog.messages
    assert said == (
        "Workers of each loader: 0 instead of 8, which need 428 MB of /dev/shm together, and 67 MB "
        "are free there. Give it more, as `docker run --shm-size=1g` does, or set "
        "data.num_workers=0."
    )


def test_shared_memory_without_a_limit_has_room_for_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 0))
    assert workers_with_room(8, 10, 1) == 8
    monkeypatch.undo()
    monkeypatch.setattr(workers_module, "_SHARED_MEMORY", tmp_path / "not on this system")
    assert workers_with_room(8, 10**15, 1) == 8


class Settings(Dataset[tuple[int, int, int]]):
    """What the process has set that makes the items."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> tuple[int, int, int]:
        return torch.get_num_threads(), cv2.getNumThreads(), gc.get_freeze_count()


@pytest.fixture
def many_threads() -> Iterator[None]:
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(2)
    cv2.setNumThreads(2)
    yield
    torch.set_num_threads(before[0])
    cv2.setNumThreads(before[1])


@pytest.mark.usefixtures("many_threads")
def test_worker_keeps_to_one_core_and_to_its_own_memory() -> None:
    loader = DataLoader(Settings(), num_workers=1, batch_size=None, worker_init_fn=start_worker)
    for torch_threads, cv2_threads, frozen in loader:
        assert torch_threads == 1
        assert cv2_threads <= 1
        assert frozen > 10_000
    assert torch.get_num_threads() == 2  # this process trains
