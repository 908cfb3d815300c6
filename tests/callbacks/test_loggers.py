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
