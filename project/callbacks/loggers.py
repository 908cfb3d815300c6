"""Where the numbers of a run go."""

import contextlib
import netrc
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger

from project.errors import ConfigError
from project.runs.directory import RunDirectory

Mode = Literal["online", "offline", "disabled"]


def csv_logger(run: RunDirectory) -> Logger:
    """Writes every logged number to the run's ``metrics.csv``.

    Args:
        run: The run's directory.
    """
    logger = CSVLogger(save_dir=run.metrics_file.parent, name="", version="")
    with warnings.catch_warnings():
        # The directory holds the configuration already: that is how it should be.
        warnings.filterwarnings("ignore", message=".*exists and is not empty")
        _ = logger.experiment
    return logger


def tensorboard_logger(run_dir: str | Path) -> Logger:
    """Writes TensorBoard events to the run's directory.

    Args:
        run_dir: The run's directory.

    Raises:
        ConfigError: If TensorBoard is not installed.
    """
    try:
        return TensorBoardLogger(save_dir=run_dir, name="", version="tensorboard")
    except ModuleNotFoundError as error:
        raise ConfigError(
            "logger=tensorboard: TensorBoard is not installed. pip install 'evenhand[tensorboard]'"
        ) from error


def wandb_logger(
    run_dir: str | Path,
    project: str = "evenhand",
    name: str | None = None,
    group: str | None = None,
    job_type: str = "train",
    tags: Sequence[str] = (),
    mode: Mode | Literal["auto"] = "auto",
) -> Logger:
    """Sends the run to Weights & Biases, or keeps it for ``wandb sync``; never asks at a prompt.

    Args:
        run_dir: The run's directory; offline runs are kept in it.
        project: Name of the W&B project.
        name: Name of the W&B run; None takes the directory's.
        group: What the run belongs to.
        job_type: What it does.
        tags: Free words.
        mode: ``auto`` is online where a key is known and offline elsewhere.

    Raises:
        ConfigError: If W&B is to be online and would have to ask for a key.
    """
    mode = _wandb_mode() if mode == "auto" else mode
    if mode == "online" and not _wandb_key_known():
        raise ConfigError(
            "logger.wandb.mode=online: nobody has logged in to W&B here. Run `wandb login`, set "
            "WANDB_API_KEY, or take logger.wandb.mode=offline."
        )
    return WandbLogger(
        name=name or Path(run_dir).name,
        save_dir=run_dir,
        project=project,
        group=group,
        job_type=job_type,
        tags=list(tags),
        mode=mode,
    )


@contextlib.contextmanager
def closing_wandb() -> Iterator[None]:
    """Ends the W&B run that began in the block, as failed if the block raises.

    Otherwise the next run of this process would write into it.
    """
    try:
        yield
    except BaseException:
        _finish_wandb(exit_code=1)
        raise
    _finish_wandb(exit_code=0)


def _finish_wandb(exit_code: int) -> None:
    wandb = sys.modules.get("wandb")
    if wandb is not None and wandb.run is not None:
        wandb.finish(exit_code=exit_code)


def _wandb_mode() -> Mode:
    """What W&B's own variable says, else online where there is a key."""
    told = os.environ.get("WANDB_MODE")
    modes: tuple[Mode, ...] = ("online", "offline", "disabled")
    found = next((mode for mode in modes if mode == told), None)
    return found or ("online" if _wandb_key_known() else "offline")


def _wandb_key_known() -> bool:
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):  # wandb will say what is wrong with the file
        return False
