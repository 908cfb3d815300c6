import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from project.callbacks.progress import ProgressBar, ProgressReport
from project.errors import ConfigError
from project.runs.directory import RunDirectory
from project.runs.progress import read_progress
from project.train import run
from tests.conftest import Compose


def trainer(step: int, steps: float = 10, epochs: int | None = 5, **more: Any) -> Any:
    known: dict[str, Any] = {
        "is_global_zero": True,
        "current_epoch": 1,
        "max_epochs": epochs,
        "global_step": step,
        "estimated_stepping_batches": steps,
        "callback_metrics": {},
        "sanity_checking": False,
        "state": SimpleNamespace(fn="fit"),
    }
    return SimpleNamespace(**known | more)


NO_MODULE: Any = None


def test_share_and_rest_are_told_every_two_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [50.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    place = RunDirectory(tmp_path)
    report = ProgressReport(place, "val/loss", "min")
    report.on_train_start(trainer(step=2), NO_MODULE)
    now[0] += 1.9
    report.on_train_batch_end(trainer(step=3), NO_MODULE)
    said = read_progress(place)
    assert said is not None
    assert (said.done, said.seconds_left) == (0.2, None)
    now[0] += 0.1
    report.on_train_batch_end(trainer(step=6), NO_MODULE)
    said = read_progress(place)
    assert said is not None
    assert (said.epoch, said.epochs, said.done, said.seconds) == (1, 5, 0.6, 2.0)
    assert said.seconds_left == 2.0  # as much again as this attempt has done, in as much time


def test_training_without_an_end_has_no_share(tmp_path: Path) -> None:
    report = ProgressReport(RunDirectory(tmp_path), "val/loss", "min")
    report.on_train_start(trainer(step=2, steps=math.inf, epochs=-1), NO_MODULE)
    said = read_progress(RunDirectory(tmp_path))
    assert said is not None
    assert (said.epochs, said.done, said.seconds_left) == (None, None, None)


@pytest.mark.parametrize(("mode", "best"), [("min", 0.3), ("max", 0.5)])
def test_best_value_of_all_attempts_is_told(tmp_path: Path, mode: Any, best: float) -> None:
    report = ProgressReport(RunDirectory(tmp_path), "val/loss", mode)
    report.load_state_dict({"best": 0.4})
    report.on_validation_end(trainer(step=0), NO_MODULE)  # another metric was validated
    for value in (0.5, 0.3):
        numbers = {"val/loss": torch.tensor(value)}
        report.on_validation_end(trainer(step=1, callback_metrics=numbers), NO_MODULE)
    said = read_progress(RunDirectory(tmp_path))
    assert said is not None
    assert said.best == pytest.approx(best)
    assert report.state_dict() == {"best": said.best}


def test_full_disk_ends_no_training_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".job").write_text("a file where a folder should be")
    report = ProgressReport(RunDirectory(tmp_path), "val/loss", "min")
    for _ in range(2):
        report.on_train_end(trainer(step=1), NO_MODULE)
    assert caplog.text.count("cannot be told from outside") == 1


def test_other_processes_stay_silent(tmp_path: Path) -> None:
    report = ProgressReport(RunDirectory(tmp_path), "val/loss", "min")
    report.on_train_end(trainer(step=1, is_global_zero=False), NO_MODULE)
    assert read_progress(RunDirectory(tmp_path)) is None


def test_run_tells_in_the_end_that_all_is_done(tiny: Compose) -> None:
    cfg = tiny()
    record = run(cfg)
    said = read_progress(RunDirectory(Path(cfg.paths.run)))
    assert said is not None
    assert (said.done, said.epochs) == (1.0, 1)
    assert record.best is not None
    assert said.best == pytest.approx(record.best.value)
    assert record.milliseconds_per_image is not None
    assert 0 < record.milliseconds_per_image < 1000


def test_bar_changes_by_the_clock_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [10.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    bar = ProgressBar(refresh_seconds=0.5)
    shown = []
    for batch in range(1, 9):
        shown.append(bar._should_update(batch, 8))
        now[0] += 0.2
    assert shown == [True, False, False, True, False, False, True, True]
    bar.disable()
    now[0] += 9
    assert not bar._should_update(1, 8)


def test_bar_shows_the_loss_of_the_last_batch() -> None:
    module: Any = SimpleNamespace(step_loss=torch.tensor(0.25))
    trainer: Any = SimpleNamespace(progress_bar_metrics={}, loggers=[])
    assert ProgressBar().get_metrics(trainer, module)["loss"] == 0.25
    module.step_loss = None
    assert "loss" not in ProgressBar().get_metrics(trainer, module)


def test_time_before_the_last_change_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"refresh_seconds: expected 0 or more, got -1\."):
        ProgressBar(refresh_seconds=-1)
