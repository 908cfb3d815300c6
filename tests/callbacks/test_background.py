import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning_fabric.plugins import CheckpointIO

from project.callbacks.background import BackgroundCheckpointIO
from project.callbacks.checkpoints import AtomicCheckpointIO, LastCheckpoint
from project.callbacks.interruption import Urgency
from project.errors import RunError
from project.runs.directory import RunDirectory


class Slow(CheckpointIO):
    """Writes when it is let to, and notes what."""

    def __init__(self) -> None:
        self.let = threading.Event()
        self.written: list[Any] = []

    def save_checkpoint(self, checkpoint: Any, path: Any, *_: Any) -> None:
        assert self.let.wait(10)
        if checkpoint.get("fails"):
            raise RunError(f"cannot write {path}: the disk is full.")
        self.written.append(checkpoint)

    def load_checkpoint(self, *_: Any, **__: Any) -> dict[str, Any]:
        return dict(self.written[-1])

    def remove_checkpoint(self, path: Any) -> None:
        self.written.append(f"removed {path}")


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def background(slow: Slow) -> Iterator[BackgroundCheckpointIO]:
    io = BackgroundCheckpointIO(slow)
    yield io
    slow.let.set()
    io.teardown()


def test_what_changes_after_saving_is_not_what_is_saved(
    slow: Slow, background: BackgroundCheckpointIO
) -> None:
    weight = torch.ones(2, requires_grad=True)
    history = weight * 2  # torch itself would refuse to copy it
    state = {"weight": weight, "list": [1], "tied": {"a": weight}, "history": history}
    background.save_checkpoint(state, "last.ckpt")
    assert not slow.written
    with torch.no_grad():
        weight.fill_(7)
    state["list"].append(2)  # type: ignore[attr-defined]
    slow.let.set()
    background.wait()
    (saved,) = slow.written
    assert saved["weight"].tolist() == [1, 1]
    assert saved["list"] == [1]
    assert saved["tied"]["a"] is saved["weight"]
    assert saved["history"].tolist() == [2, 2]


def test_checkpoints_of_one_step_share_what_has_not_changed(
    slow: Slow, background: BackgroundCheckpointIO
) -> None:
    weight, average = torch.ones(2, requires_grad=True), torch.ones(2)
    state = {"global_step": 5, "weight": weight.detach(), "average": average}
    background.save_checkpoint(state, "best.ckpt")
    average.fill_(3)
    background.save_checkpoint(state | {"weight": weight.detach()}, "last.ckpt")
    with torch.no_grad():
        weight.fill_(7)
    slow.let.set()
    background.wait()
    best, last = slow.written
    assert last["weight"] is best["weight"]
    assert best["weight"].tolist() == [1, 1]
    assert (best["average"].tolist(), last["average"].tolist()) == ([1, 1], [3, 3])


@pytest.mark.parametrize("steps", [(5, 6), (None, None)])
def test_checkpoints_of_other_steps_share_nothing(
    slow: Slow, background: BackgroundCheckpointIO, steps: tuple[int | None, int | None]
) -> None:
    weight = torch.ones(2)
    for step in steps:
        background.save_checkpoint({"global_step": step, "weight": weight}, "last.ckpt")
        weight.data.fill_(7)  # as a CUDA graph does: no version counts it
    slow.let.set()
    background.wait()
    assert [one["weight"].tolist() for one in slow.written] == [[1, 1], [7, 7]]


def test_writer_waits_for_what_a_gpu_copies_and_training_does_not(
    monkeypatch: pytest.MonkeyPatch, slow: Slow, background: BackgroundCheckpointIO
) -> None:
    coming: list[tuple[torch.Tensor, torch.Tensor]] = []
    waiting: list[str] = []

    def later(tensor: torch.Tensor) -> torch.Tensor:
        coming.append((torch.zeros_like(tensor), tensor.clone()))
        return coming[-1][0]

    def arrive() -> None:
        waiting.append(threading.current_thread().name)
        for copy, value in coming:
            copy.copy_(value)

    stream = SimpleNamespace(record_event=lambda: SimpleNamespace(synchronize=arrive))
    for module in ("memory", "callbacks.background"):
        monkeypatch.setattr(f"project.{module}.is_on_gpu", lambda _: True)
    monkeypatch.setattr("project.memory._copied_to_host", later)
    monkeypatch.setattr("torch.cuda.current_stream", lambda _: stream)
    state = {"global_step": 5, "weight": torch.ones(2), "again": {"average": torch.full((2,), 3.0)}}
    background.save_checkpoint(state, "best.ckpt")
    background.save_checkpoint(state, "last.ckpt")
    slow.let.set()
    background.wait()
    for saved in slow.written:
        assert saved["weight"].tolist() == [1, 1]
        assert saved["again"]["average"].tolist() == [3, 3]
    assert len(coming) == 2  # shared by both
    assert waiting
    assert all(name.startswith("checkpoints") for name in waiting)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_saving_takes_no_memory_of_the_gpu(slow: Slow, background: BackgroundCheckpointIO) -> None:
    weight = torch.arange(1 << 20, device="cuda").view(16, 16, 64, 64).float()
    weight = weight.to(memory_format=torch.channels_last)
    state = {"global_step": 5, "weight": weight, "step": torch.tensor(7.0, device="cuda")}
    expected = weight.cpu()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    background.save_checkpoint(state, "best.ckpt")
    background.save_checkpoint(state, "last.ckpt")
    weight.zero_()
    assert torch.cuda.max_memory_allocated() == before
    slow.let.set()
    background.wait()
    best, last = slow.written
    assert best["weight"].device.type == "cpu"
    assert best["weight"].is_pinned()
    assert best["weight"].stride() == weight.stride()
    assert torch.equal(best["weight"], expected)
    assert best["step"].item() == 7
    assert last["weight"] is best["weight"]


def test_another_tensor_in_the_same_memory_is_copied(
    slow: Slow, background: BackgroundCheckpointIO
) -> None:
    for number in (1.0, 2.0):
        scratch = torch.full((1 << 16,), number)
        background.save_checkpoint({"global_step": 5, "scratch": scratch}, "last.ckpt")
        del scratch
    slow.let.set()
    background.wait()
    assert [one["scratch"][0].item() for one in slow.written] == [1, 2]


def test_reading_and_removing_wait_for_the_file(
    slow: Slow, background: BackgroundCheckpointIO
) -> None:
    background.save_checkpoint({"number": 1}, "a")
    slow.let.set()
    assert background.load_checkpoint("a") == {"number": 1}
    background.save_checkpoint({"number": 2}, "a")
    background.remove_checkpoint("a")
    assert slow.written == [{"number": 1}, {"number": 2}, "removed a"]


def test_two_checkpoints_at_most_are_kept_in_memory(
    slow: Slow, background: BackgroundCheckpointIO
) -> None:
    for number in (1, 2):
        background.save_checkpoint({"number": number}, "a")
    third = threading.Thread(target=background.save_checkpoint, args=({"number": 3}, "a"))
    third.start()
    third.join(0.2)
    assert third.is_alive()
    slow.let.set()
    third.join(10)
    background.wait()
    assert [one["number"] for one in slow.written] == [1, 2, 3]


@pytest.mark.parametrize("ask", ["check", "wait", "teardown", "save_checkpoint"])
def test_error_is_raised_by_whatever_is_called_next(
    slow: Slow, background: BackgroundCheckpointIO, ask: str
) -> None:
    slow.let.set()
    background.save_checkpoint({"fails": True}, "here")
    background._writing[0].exception(10)
    arguments = ({"number": 1}, "here") if ask == "save_checkpoint" else ()
    with pytest.raises(RunError, match="cannot write here: the disk is full"):
        getattr(background, ask)(*arguments)


def test_error_that_ends_training_is_not_replaced(
    slow: Slow, background: BackgroundCheckpointIO, caplog: pytest.LogCaptureFixture
) -> None:
    slow.let.set()
    background.save_checkpoint({"fails": True}, "here")

    def train() -> None:
        with contextlib.closing(SimpleNamespace(close=background.teardown)):
            raise KeyError("the first")

    with pytest.raises(KeyError, match="the first"):
        train()
    assert "A checkpoint could not be saved either: cannot write here" in caplog.text


def test_urgent_checkpoint_is_on_disk_when_training_goes_on(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    background = BackgroundCheckpointIO(AtomicCheckpointIO(run))
    file = run.checkpoint("last")
    trainer: Any = SimpleNamespace(
        save_checkpoint=lambda *_, **__: background.save_checkpoint({"number": 1}, file),
        is_global_zero=True,
        strategy=SimpleNamespace(checkpoint_io=background),
    )
    last = LastCheckpoint(tmp_path)
    last.rest(trainer, "batch", Urgency.SAVE)
    assert torch.load(file, weights_only=True) == {"number": 1}
    assert not background._writing
    last.rest(trainer, "epoch", Urgency.NONE)
    last.on_train_end(trainer, None)  # type: ignore[arg-type]
    assert run.checkpoint("previous").exists()
    background.teardown()
