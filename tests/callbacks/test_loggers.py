import csv
import netrc
import sys
from pathlib import Path

import pytest
import wandb
from pytorch_lightning.loggers import TensorBoardLogger, WandbLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from project.callbacks.loggers import (
    closing_wandb,
    csv_logger,
    tensorboard_logger,
    wandb_logger,
)
from project.errors import ConfigError
from project.runs.directory import RunDirectory
from project.train import run
from tests.conftest import Compose


@pytest.fixture
def no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A machine on which nobody has logged in to W&B."""
    for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE", "WANDB_MODE", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    return monkeypatch


def mode_of(logger: object) -> str:
    assert isinstance(logger, WandbLogger)
    mode: str = logger._wandb_init["mode"]
    return mode


def test_wandb_is_offline_without_a_key(no_key: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert mode_of(wandb_logger(tmp_path)) == "offline"


def test_wandb_is_online_with_a_key_from_the_environment_or_a_login(
    no_key: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password secret\n")
    assert netrc.netrc(tmp_path / "netrc").authenticators("api.wandb.ai")
    assert mode_of(wandb_logger(tmp_path)) == "online"
    no_key.setenv("WANDB_BASE_URL", "http://127.0.0.1:1")
    assert mode_of(wandb_logger(tmp_path)) == "offline"  # no login there
    no_key.setenv("WANDB_API_KEY", "0" * 40)
    assert mode_of(wandb_logger(tmp_path)) == "online"


def test_wandb_mode_that_is_told_wins(no_key: pytest.MonkeyPatch, tmp_path: Path) -> None:
    no_key.setenv("WANDB_API_KEY", "0" * 40)
    assert mode_of(wandb_logger(tmp_path, mode="offline")) == "offline"
    no_key.setenv("WANDB_MODE", "disabled")
    assert mode_of(wandb_logger(tmp_path)) == "disabled"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # wandb's own, which change with every release
def test_run_is_kept_offline_and_closed(
    no_key: pytest.MonkeyPatch, tiny: Compose, tmp_path: Path
) -> None:
    cfg = tiny("logger=wandb")
    record = run(cfg)
    assert record.state == "finished"
    assert wandb.run is None
    runs = list(Path(cfg.paths.run).glob("wandb/offline-run-*"))
    assert len(runs) == 1
    assert list(runs[0].glob("*.wandb"))


def test_wandb_run_is_marked_failed_when_the_block_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []

    class Wandb:
        run = object()

        @staticmethod
        def finish(exit_code: int) -> None:
            codes.append(exit_code)

    monkeypatch.setitem(sys.modules, "wandb", Wandb)
    with closing_wandb():
        pass
    with pytest.raises(KeyboardInterrupt), closing_wandb():
        raise KeyboardInterrupt
    assert codes == [0, 1]


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
