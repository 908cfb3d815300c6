import csv
from pathlib import Path
from typing import Any

import pytest
from pytorch_lightning.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from project.callbacks.loggers import (
    csv_logger,
    log_config,
    log_results,
    metrics_text,
    tensorboard_logger,
    wandb_logger,
)
from project.callbacks.tracking.logger import WandbRunLogger
from project.errors import ConfigError
from project.runs.directory import RunDirectory
from project.runs.record import RunRecord
from project.train import run
from tests.conftest import Compose


def test_wandb_aims_at_the_configured_mode(tmp_path: Path) -> None:
    logger = wandb_logger(tmp_path, mode="offline")
    assert isinstance(logger, WandbRunLogger)
    assert logger.mode == "offline"
    assert not list(tmp_path.iterdir())  # nothing is opened before it is needed


def test_wandb_run_is_named_after_the_directory_unless_told(tmp_path: Path) -> None:
    for told, name in ((None, "seed=1"), ("mine", "mine")):
        logger = wandb_logger(tmp_path / "seed=1", name=told, mode="offline")
        assert isinstance(logger, WandbRunLogger)
        assert logger.identity.name == name


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"project": "a/b"}, r"logger\.wandb\.project: expected none of .* got / in 'a/b'"),
        ({"tags": ["fine", "x" * 65]}, "tags: expected 1 to 64 characters for W&B, got 65 in"),
        ({"mistakes": -1}, r"logger\.wandb\.mistakes: expected 0 or more, got -1"),
        ({"upload_timeout_seconds": 0.0}, "expected more than 0 seconds, got 0"),
        ({"upload_timeout_seconds": float("nan")}, "expected more than 0 seconds, got nan"),
    ],
    ids=["project", "tag", "mistakes", "no time", "no number"],
)
def test_what_wandb_would_refuse_is_named_before_training(
    tmp_path: Path, arguments: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        wandb_logger(tmp_path, **arguments, mode="offline")


def test_variable_that_wandb_would_refuse_is_named_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_RUN_ID", "a/b")
    with pytest.raises(ConfigError, match=r"W&B refuses one of its variables .*Run ID cannot"):
        wandb_logger(tmp_path, mode="disabled")


def test_loggers_without_results_of_their_own_are_left_alone(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    loggers = [csv_logger(directory)]
    log_config(loggers, {"seed": 1}, directory, RunRecord())
    log_results(loggers, directory, RunRecord())
    assert not (tmp_path / "hparams.yaml").exists()


def test_csv_logger_writes_the_metrics_file_of_the_run(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    (tmp_path / "run.json").touch()  # the directory is not empty, and that is no reason to warn
    logger = csv_logger(directory)
    logger.log_metrics({"val/loss": 0.5}, step=3)
    logger.save()
    with directory.metrics_file.open() as file:
        assert list(csv.DictReader(file)) == [{"step": "3", "val/loss": "0.5"}]


def test_tensorboard_writes_events_to_the_run(tiny: Compose) -> None:
    cfg = tiny("logger=[tensorboard]")
    run(cfg)
    events = EventAccumulator(str(Path(cfg.paths.run) / "tensorboard"))
    events.Reload()
    assert "val/macro_recall" in events.Tags()["scalars"]


def test_tensorboard_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def missing(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("No module named 'tensorboard'")

    monkeypatch.setattr(TensorBoardLogger, "__init__", missing)
    with pytest.raises(ConfigError, match=r"pip install 'evenhand\[tensorboard\]'"):
        tensorboard_logger(tmp_path)


def test_rows_go_on_after_those_of_a_checkpoint_as_if_nothing_had_happened(tmp_path: Path) -> None:
    rows = [
        {"lr": 0.1, "step": 0},
        {"val/loss": 1.5, "epoch": 0, "step": 3},
        {"train/loss": 1.25, "epoch": 0, "step": 3},
        {"val/loss": 1.0, 'odd, "name"': 2.0, "epoch": 1, "step": 7},
    ]

    def log(logger: Any, *numbers: dict[str, float]) -> None:
        for row in numbers:
            logger.log_metrics({k: v for k, v in row.items() if k != "step"}, int(row["step"]))

    whole = RunDirectory(tmp_path / "whole")
    logger = csv_logger(whole)
    log(logger, *rows)
    logger.save()
    for done in range(4):
        parts = RunDirectory(tmp_path / f"parts{done}")
        first = csv_logger(parts)
        log(first, *rows[:done])
        text = metrics_text([first])
        log(first, *rows[done:][:1])  # what came after the checkpoint and before the end
        first.save()
        second = csv_logger(parts, text)
        log(second, *rows[done:])
        second.save()
        assert parts.metrics_file.read_bytes() == whole.metrics_file.read_bytes()


def test_run_without_rows_has_no_text(tmp_path: Path) -> None:
    assert metrics_text([]) == ""
    assert metrics_text([csv_logger(RunDirectory(tmp_path))]) == ""
