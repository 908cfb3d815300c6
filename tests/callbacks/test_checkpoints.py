import errno
import io
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from project.callbacks.checkpoints import AtomicCheckpointIO, BestCheckpoint, LastCheckpoint
from project.callbacks.interruption import Urgency
from project.callbacks.loops import use_resumable_loops
from project.errors import ConfigError, RunError
from project.runs.directory import RunDirectory


class Scripted(pl.LightningModule):
    """Reaches the scores that it is told, one an epoch."""

    def __init__(self, scores: list[float]) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)
        self.scores = scores

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:  # noqa: ARG002
        return self.layer(batch).sum()  # type: ignore[no-any-return]

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:  # noqa: ARG002
        self.log("val/score", self.scores[self.current_epoch])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def train(path: Path, scores: list[float], mode: str = "max") -> BestCheckpoint:
    best = BestCheckpoint(path, "val/score", mode)  # type: ignore[arg-type]
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=len(scores),
        callbacks=[best, LastCheckpoint(path)],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        plugins=[AtomicCheckpointIO(RunDirectory(path))],
    )
    use_resumable_loops(trainer)
    data: DataLoader[Tensor] = DataLoader(torch.ones(2, 1))  # type: ignore[arg-type]
    trainer.fit(Scripted(scores), data, data)
    return best


def epoch_in(file: Path) -> int:
    epoch: int = torch.load(file, weights_only=True)["epoch"]
    return epoch


def test_best_epoch_and_the_last_two_are_kept_and_nothing_else(tmp_path: Path) -> None:
    best = train(tmp_path, [0.2, 0.9, 0.4, 0.5])
    names = sorted(f.name for f in tmp_path.rglob("*") if f.is_file())
    assert names == ["best.ckpt", "last.ckpt", "previous.ckpt"]
    assert epoch_in(tmp_path / "checkpoints" / "best.ckpt") == 1
    assert epoch_in(tmp_path / "checkpoints" / "previous.ckpt") == 2
    assert epoch_in(tmp_path / "checkpoints" / "last.ckpt") == 3  # though it was not the best
    assert best.best_model_score == 0.9


def test_smallest_can_be_best(tmp_path: Path) -> None:
    train(tmp_path, [0.2, 0.1, 0.4], mode="min")
    assert epoch_in(tmp_path / "checkpoints" / "best.ckpt") == 1


def test_first_of_equals_is_best(tmp_path: Path) -> None:
    train(tmp_path, [0.3, 0.3, 0.1])
    assert epoch_in(tmp_path / "checkpoints" / "best.ckpt") == 0


def test_best_is_known_again_wherever_the_run_lies_now(tmp_path: Path) -> None:
    left = BestCheckpoint(tmp_path / "there", "val/score", "max").state_dict()
    nothing = BestCheckpoint(tmp_path / "here", "val/score", "max")
    nothing.load_state_dict(left)
    assert nothing.best_model_score is None
    best = train(tmp_path / "there", [0.2, 0.9])
    moved = BestCheckpoint(tmp_path / "here", "val/score", "max")
    moved.load_state_dict(best.state_dict())
    assert moved.best_model_score == 0.9
    assert moved.best_model_path == str(tmp_path / "here" / "checkpoints" / "best.ckpt")
    assert list(moved.best_k_models) == [moved.best_model_path]


def saved(writer: AtomicCheckpointIO, file: Path, number: int) -> None:
    writer.save_checkpoint({"number": number}, file)


def number_in(file: Path) -> int:
    number: int = torch.load(file, weights_only=True)["number"]
    return number


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_checkpoint_before_the_last_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError("not supported")

    if not links:
        monkeypatch.setattr("os.link", refuse)
    run = RunDirectory(tmp_path)
    writer = AtomicCheckpointIO(run)
    for number in (1, 2, 3):
        saved(writer, run.checkpoint("last"), number)
    assert number_in(run.checkpoint("last")) == 3
    assert number_in(run.checkpoint("previous")) == 2
    saved(writer, run.checkpoint("best"), 9)
    assert number_in(run.checkpoint("previous")) == 2
    assert len(list(run.checkpoints.iterdir())) == 3


def test_checkpoint_that_cannot_be_written_leaves_both_earlier_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunDirectory(tmp_path)
    writer = AtomicCheckpointIO(run)
    for number in (1, 2):
        saved(writer, run.checkpoint("last"), number)

    def full(_: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RunError, match=r"cannot write .*last\.ckpt: No space left"):
        saved(writer, run.checkpoint("last"), 3)
    assert number_in(run.checkpoint("last")) == 2
    assert number_in(run.checkpoint("previous")) == 1
    assert len(list(run.checkpoints.iterdir())) == 2


def test_disk_that_is_full_in_the_midst_of_a_checkpoint_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.BytesIO):
        def write(self, content: Any) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), len(content))

    monkeypatch.setattr(Path, "open", lambda *_: Full())
    run = RunDirectory(tmp_path)
    with pytest.raises(RunError, match=r"No space left on device\. Free some space"):
        saved(AtomicCheckpointIO(run), run.checkpoint("last"), 1)


def test_state_that_could_not_be_loaded_is_refused_when_it_is_first_saved(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    writer = AtomicCheckpointIO(run)
    content = {"epoch": 1, "callbacks": {"Mine": {"seen": 3, "place": Path("here")}}}
    message = r"plain values, .* got PosixPath at callbacks / Mine / place\. Have the state_dict"
    with pytest.raises(ConfigError, match=message):
        writer.save_checkpoint(content, run.checkpoint("last"))
    assert not list(run.checkpoints.iterdir())


def test_only_the_first_checkpoint_of_its_name_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    load = torch.load

    def watched(file: Path, **how: Any) -> Any:
        tried.append(file.name)
        return load(file, **how)

    monkeypatch.setattr("torch.load", watched)
    run = RunDirectory(tmp_path)
    writer = AtomicCheckpointIO(run)
    for which in ("best", "last", "best", "last"):
        saved(writer, run.checkpoint(which), 1)
    assert tried == ["best.ckpt.unfinished", "last.ckpt.unfinished"]


def test_clock_makes_a_checkpoint_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    last = LastCheckpoint(tmp_path, checkpoint_minutes=2)
    now[0] += 119
    assert not last.is_due()
    now[0] += 1
    assert last.is_due()
    trainer: Any = SimpleNamespace(
        save_checkpoint=lambda *_, **__: None,
        is_global_zero=True,
        strategy=SimpleNamespace(checkpoint_io=None),
    )
    last.rest(trainer, "batch", Urgency.NONE)
    assert last.is_due()  # nobody asked: all processes have to agree first
    last.rest(trainer, "batch", Urgency.SAVE)
    assert not last.is_due()


@pytest.mark.parametrize("minutes", [0, -1, float("nan")])
def test_no_time_between_checkpoints_is_refused(tmp_path: Path, minutes: float) -> None:
    with pytest.raises(ConfigError, match="checkpoint_minutes: expected more than 0 minutes, got"):
        LastCheckpoint(tmp_path, checkpoint_minutes=minutes)


def test_numbers_and_the_end_come_back_with_the_last_checkpoint(tmp_path: Path) -> None:
    last = LastCheckpoint(tmp_path)
    trainer: Any = SimpleNamespace(
        callback_metrics={},
        should_stop=False,
        strategy=SimpleNamespace(root_device=torch.device("cpu")),
    )
    module = Scripted([])
    last.on_load_checkpoint(trainer, module, {"state_dict": {}})  # of the best epoch
    assert not trainer.should_stop
    rest = {"callback_metrics": {"val/score": torch.tensor(0.5)}, "should_stop": True}
    last.on_load_checkpoint(trainer, module, {"evenhand_rest": rest})
    last.on_train_start(trainer, module)
    assert trainer.should_stop
    assert trainer.callback_metrics == {"val/score": torch.tensor(0.5)}
