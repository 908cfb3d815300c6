"""Which weights a run keeps, and what it needs to go on."""

import contextlib
import io
import logging
import os
import pickle
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint, ModelCheckpoint, WeightAveraging
from pytorch_lightning.plugins.io import TorchCheckpointIO

from project.atomic import explained
from project.callbacks.background import background_of
from project.callbacks.interruption import Urgency, signals
from project.callbacks.loggers import metrics_text
from project.errors import ConfigError
from project.runs.directory import RunDirectory

log = logging.getLogger(__name__)

REST = "evenhand_rest"
"""Key of what only a checkpoint holds that training can go on from."""

Boundary = Literal["batch", "validation", "epoch"]
"""Where training rests: between two batches, in a validation (that is begun again), or between two
epochs."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place and moves it there when it is safe on disk.

    Lightning writes to the folder for temporary files, which may be another, smaller disk.

    Args:
        run: The run whose latest checkpoint but one is kept, too.
    """

    def __init__(self, run: RunDirectory) -> None:
        super().__init__()
        self._last, self._previous = run.checkpoint("last"), run.checkpoint("previous")
        self._known_to_load: set[Path] = set()

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Saves a checkpoint; an earlier one stays until this one is complete.

        Raises:
            RunError: If the disk is full, or the place cannot be written.
            ConfigError: If what is saved could not be loaded, as the first one of its name shows.
        """
        assert storage_options is None, "meant for other strategies' own formats"
        place = Path(path)
        unfinished = place.with_name(f"{place.name}.unfinished")
        with explained(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                _write(checkpoint, unfinished)
                if place not in self._known_to_load:
                    _check_loads(checkpoint, unfinished)
                    self._known_to_load.add(place)
                if place == self._last and place.exists():
                    _keep_as(self._previous, place)
                unfinished.replace(place)
            finally:
                unfinished.unlink(missing_ok=True)


def _write(checkpoint: dict[str, Any], file: Path) -> None:
    with file.open("wb") as stream:
        try:
            torch.save(checkpoint, stream)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):  # torch complains of its own offsets instead
                raise error.__context__ from None
            raise
        stream.flush()
        os.fsync(stream.fileno())


def _check_loads(checkpoint: dict[str, Any], file: Path) -> None:
    """Finds out before hours of training, not after them, that they could not be gone on from."""
    if _loads(file):
        return
    keys, value = _culprit(checkpoint)
    raise ConfigError(
        f"callbacks, model: expected states of tensors and plain values, which alone are loaded "
        f"from checkpoints; got {type(value).__name__} at {' / '.join(keys)}. Have the state_dict "
        "or hook that saves it give plain values, or leave the callback out."
    )


def _culprit(value: Any) -> tuple[list[str], Any]:
    """The keys that lead to the innermost value that cannot be loaded, and this value."""
    inner = value.items() if isinstance(value, Mapping) else ()
    for key, part in inner:
        buffer = io.BytesIO()
        torch.save(part, buffer)
        buffer.seek(0)
        if not _loads(buffer):
            keys, culprit = _culprit(part)
            return [str(key), *keys], culprit
    return [], value


def _loads(file: Path | io.BytesIO) -> bool:
    try:
        torch.load(file, map_location="cpu", weights_only=True, mmap=isinstance(file, Path))
    except pickle.UnpicklingError:
        return False
    return True


def _keep_as(other: Path, place: Path) -> None:
    """Gives a file another name without taking its own away, so that one is always there."""
    link = other.with_name(f"{other.name}.unfinished")
    link.unlink(missing_ok=True)
    try:
        os.link(place, link)
    except OSError:  # a file system without links
        place.replace(other)
    else:
        link.replace(other)


class BestCheckpoint(ModelCheckpoint):
    """Keeps the best epoch by one metric, always in the same file.

    Args:
        run_dir: The run's directory.
        monitor: Name of a logged metric.
        mode: Whether the smallest or the largest value is best.
    """

    def __init__(self, run_dir: str | Path, monitor: str, mode: Literal["min", "max"]) -> None:
        file = RunDirectory(Path(run_dir)).checkpoint("best")
        super().__init__(
            dirpath=file.parent,
            filename=file.stem,
            monitor=monitor,
            mode=mode,
            save_top_k=1,
            auto_insert_metric_name=False,
            enable_version_counter=False,
        )

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Gets ready; a run that goes on finds its own checkpoints, which is how it should be."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Checkpoint directory .* is not empty")
            super().setup(trainer, pl_module, stage)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on with what was best, also where the run's directory has been moved."""
        here = self.format_checkpoint_name({})
        moved: dict[str, Any] = {"dirpath": self.dirpath}
        for score in state_dict["best_k_models"].values():  # at most one
            moved |= dict.fromkeys(("best_model_path", "kth_best_model_path"), here)
            moved["best_k_models"] = {here: score}
        super().load_state_dict(state_dict | moved)


class LastCheckpoint(Checkpoint):
    """Keeps the newest state, to go on from: after every epoch, by the clock and on request.

    Is told by `project.callbacks.loops` when training rests.

    Args:
        run_dir: The run's directory.
        checkpoint_minutes: Longest time between two checkpoints, as far as batches end.

    Raises:
        ConfigError: If there is no time between two checkpoints.
    """

    def __init__(self, run_dir: str | Path, checkpoint_minutes: float = 10.0) -> None:
        if not checkpoint_minutes > 0:
            raise ConfigError(
                "callbacks.last.checkpoint_minutes: expected more than 0 minutes, got "
                f"{checkpoint_minutes}. Every epoch is saved anyway."
            )
        self._file = RunDirectory(Path(run_dir)).checkpoint("last")
        self._interval_seconds = 60 * checkpoint_minutes
        self._saved = time.monotonic()
        self._saving: Boundary | None = None
        self._metrics: dict[str, torch.Tensor] = {}

    def is_due(self) -> bool:
        """Whether the last checkpoint is too old."""
        return time.monotonic() - self._saved >= self._interval_seconds

    def rest(self, trainer: pl.Trainer, boundary: Boundary, urgency: int) -> None:
        """Saves if it is time to; all processes must call this together.

        Args:
            trainer: Rests.
            boundary: Where.
            urgency: See `project.callbacks.interruption.Urgency`; equal on all processes.

        Raises:
            RunError: If a checkpoint could not be written, be it an earlier one.
        """
        background = background_of(trainer)
        if background is not None:
            background.check()
        if boundary != "epoch" and urgency == Urgency.NONE:
            return
        swapped = _own_weights(trainer) if boundary == "validation" else contextlib.nullcontext()
        self._saving = boundary
        try:
            with swapped:
                trainer.save_checkpoint(self._file, weights_only=False)
        finally:
            self._saving = None
        if background is not None and urgency > Urgency.NONE:
            background.wait()  # whoever asked may end this process next
        self._saved = time.monotonic()
        signals.done_saving()
        if urgency > Urgency.NONE and trainer.is_global_zero:
            log.info("Saved %s.", self._file)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Starts the clock; restores what Lightning forgets."""
        del pl_module
        self._saved = time.monotonic()
        device = trainer.strategy.root_device
        trainer.callback_metrics.update({k: v.to(device) for k, v in self._metrics.items()})

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Waits until the last checkpoints are safe on disk."""
        del pl_module
        background = background_of(trainer)
        if background is not None:
            background.wait()

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Adds what Lightning would forget: numbers that schedules read, logged rows, the end."""
        del pl_module
        if self._saving == "epoch":
            checkpoint["epoch"] -= 1  # that of the weights; the loops know which one is next
        if self._saving:
            numbers = trainer.callback_metrics.items()
            data: pl.LightningDataModule | None = trainer.datamodule  # type: ignore[attr-defined]
            checkpoint[REST] = {
                "callback_metrics": {key: value.detach().cpu() for key, value in numbers},
                "metrics_csv": metrics_text(trainer.loggers) if trainer.is_global_zero else "",
                "should_stop": trainer.should_stop,
                "data": data.state_dict() if data is not None else {},
            }

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Takes up what is not Lightning's; the rows are for whoever builds the logger."""
        del pl_module
        if rest := checkpoint.get(REST):
            self._metrics = rest["callback_metrics"]
            trainer.should_stop = rest["should_stop"]


@contextlib.contextmanager
def _own_weights(trainer: pl.Trainer) -> Iterator[None]:
    """Gives the model its own weights back in the midst of a validation of averaged ones."""
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    averaging = [c for c in callbacks if isinstance(c, WeightAveraging)]
    module = trainer.lightning_module
    for callback in averaging:
        callback.on_validation_epoch_end(trainer, module)
    try:
        yield
    finally:
        for callback in averaging:
            callback.on_validation_epoch_start(trainer, module)
