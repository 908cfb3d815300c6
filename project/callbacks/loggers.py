"""Where the numbers of a run go."""

import contextlib
import csv
import io
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from lightning_fabric.loggers.logger import rank_zero_experiment
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger
from pytorch_lightning.loggers.csv_logs import ExperimentWriter

from project.atomic import write_text
from project.callbacks.tracking.identity import Identity
from project.callbacks.tracking.logger import WandbRunLogger
from project.callbacks.tracking.mode import Mode, told_mode
from project.callbacks.tracking.staging import staged_in
from project.errors import ConfigError, Pruned
from project.runs.directory import RunDirectory
from project.runs.record import TERMINATED, RunRecord

log = logging.getLogger(__name__)


class _Rows(ExperimentWriter):
    """Writes rows to ``metrics.csv``, after those that are to be there already."""

    def __init__(self, log_dir: str, earlier: str) -> None:
        super().__init__(log_dir)
        Path(self.metrics_file_path).unlink(missing_ok=True)
        if earlier:
            write_text(Path(self.metrics_file_path), earlier)
            self.metrics_keys = next(csv.reader(io.StringIO(earlier, newline="")))

    def _check_log_dir_exists(self) -> None:
        """Lightning would warn of the configuration that is in the same folder."""


class _RowsLogger(CSVLogger):
    """Logs to a run's ``metrics.csv``."""

    def __init__(self, run: RunDirectory, earlier: str) -> None:
        super().__init__(save_dir=run.metrics_file.parent, name="", version="")
        self._earlier = earlier

    @property
    @rank_zero_experiment
    def experiment(self) -> ExperimentWriter:
        """What writes the rows."""
        if self._experiment is None:
            self._experiment = _Rows(self.log_dir, self._earlier)
        return self._experiment  # type: ignore[return-value]


def csv_logger(run: RunDirectory, earlier: str = "") -> Logger:
    """Writes every logged number to the run's ``metrics.csv``.

    Args:
        run: The run's directory.
        earlier: What the file is to hold already, as `metrics_text` gave it.
    """
    logger = _RowsLogger(run, earlier)
    _ = logger.experiment
    return logger


def metrics_text(loggers: Sequence[Logger]) -> str:
    """All that has been logged to ``metrics.csv``.

    Args:
        loggers: Of the trainer.
    """
    for logger in loggers:
        if isinstance(logger, CSVLogger):
            logger.save()
            file = Path(logger.log_dir, ExperimentWriter.NAME_METRICS_FILE)
            return file.read_bytes().decode() if file.exists() else ""
    return ""


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
    entity: str | None = None,
    name: str | None = None,
    group: str | None = None,
    job_type: str = "train",
    tags: Sequence[str] = (),
    mode: Mode | Literal["auto"] = "auto",
    id: str | None = None,  # noqa: A002 - W&B's word
    mistakes: int = 32,
    log_checkpoint: bool = False,
    upload_timeout_seconds: float = 60.0,
) -> Logger:
    """Sends the run to Weights & Biases, or keeps it for ``wandb sync``; never asks at a prompt.

    Args:
        run_dir: The run's directory; what W&B keeps goes to its folder ``wandb``.
        project: Name of the W&B project.
        entity: User or team; None takes the default of whoever is logged in.
        name: Name of the W&B run; None takes the directory's.
        group: What the run belongs to.
        job_type: What it does.
        tags: Free words.
        mode: ``auto`` is what W&B's own settings say, else online where a key is known; either
            becomes offline where the server does not answer.
        id: Of the W&B run; None makes one that every attempt in this directory shares.
        mistakes: How many of the most confident mistakes to show with their pictures.
        log_checkpoint: Whether to send the best checkpoint.
        upload_timeout_seconds: Longest wait for uploads when the run ends.

    Raises:
        ConfigError: If W&B is to be online and would have to ask for a key, or would refuse a name
            or one of its variables; or if a number makes no sense.
    """
    from project.callbacks.tracking.session import check_variables  # noqa: PLC0415 - imports wandb

    _check_numbers(mistakes, upload_timeout_seconds)
    folder = Path(run_dir)
    identity = Identity(project, entity, name or folder.resolve().name, group, job_type, tags, id)
    identity.check()
    told = told_mode(mode)
    check_variables()
    return WandbRunLogger(
        folder,
        identity,
        told,
        mistakes=mistakes,
        log_checkpoint=log_checkpoint,
        upload_timeout_seconds=upload_timeout_seconds,
    )


def log_config(
    loggers: Sequence[Logger], config: Mapping[str, Any], run: RunDirectory, record: RunRecord
) -> None:
    """Tells loggers what is about to be trained, and on what.

    Args:
        loggers: Of the trainer. The CSV logger is left out: the run directory has ``.hydra``.
        config: Plain values.
        run: Holds the split.
        record: Has the fingerprints.
    """
    for logger in loggers:
        if not isinstance(logger, CSVLogger):
            logger.log_hyperparams(dict(config))
        if isinstance(logger, WandbRunLogger):
            logger.log_data(run, record)


def log_results(loggers: Sequence[Logger], run: RunDirectory, record: RunRecord) -> None:
    """Tells those loggers what came out that can show more than numbers.

    Args:
        loggers: Of the trainer.
        run: Holds predictions and figures.
        record: Has the metrics.
    """
    for logger in loggers:
        if isinstance(logger, WandbRunLogger):
            logger.log_results(run, record)


@contextlib.contextmanager
def closing_wandb(run_dir: str | Path) -> Iterator[None]:
    """Ends the W&B run that began in the block, as failed if the block fails.

    Otherwise the next run of this process would write into it. A run that is pruned, or stopped to
    go on later, has not failed.

    Args:
        run_dir: The run's directory; W&B keeps there what waits for its upload.
    """
    with staged_in(Path(run_dir)):
        try:
            yield
        except BaseException as error:
            asked = isinstance(error, SystemExit) and error.code == TERMINATED
            _finish_wandb(exit_code=0 if asked or isinstance(error, Pruned) else 1)
            raise
        _finish_wandb(exit_code=0)


def _finish_wandb(exit_code: int) -> None:
    if "wandb" in sys.modules:
        from project.callbacks.tracking.session import close_run  # noqa: PLC0415 - imports wandb

        command = close_run(exit_code)
        if command:
            log.info("W&B: the run is kept here. Upload it with\n  %s", command)


def _check_numbers(mistakes: int, upload_timeout_seconds: float) -> None:
    if mistakes < 0:
        raise ConfigError(f"logger.wandb.mistakes: expected 0 or more, got {mistakes}.")
    if not upload_timeout_seconds > 0:
        raise ConfigError(
            "logger.wandb.upload_timeout_seconds: expected more than 0 seconds, got "
            f"{upload_timeout_seconds}. To keep the run here, take logger.wandb.mode=offline."
        )
