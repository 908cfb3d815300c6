"""Tells whoever watches from outside how far training is."""

import logging
import math
import time
from typing import Any, Literal

import pytorch_lightning as pl
from pytorch_lightning.callbacks import TQDMProgressBar

from project.errors import ConfigError
from project.runs.directory import RunDirectory
from project.runs.progress import Progress, write_progress

log = logging.getLogger(__name__)

_INTERVAL_SECONDS = 2.0


class FirstBatch(pl.Callback):
    """Remembers whether this process has trained a batch: from then on the model is another."""

    def __init__(self) -> None:
        self._done = False

    def is_done(self) -> bool:
        """Whether it has."""
        return self._done

    def on_train_batch_end(self, *_: Any) -> None:
        """It has."""
        self._done = True


class ProgressBar(TQDMProgressBar):
    """Shows epochs, batches and the loss of the last one, so often that it costs next to nothing.

    Args:
        refresh_seconds: Least time between two changes of what is shown; a change has the
            processor wait for the device, to know the loss.

    Raises:
        ConfigError: If the time is negative.
    """

    def __init__(self, refresh_seconds: float = 0.5) -> None:
        if not refresh_seconds >= 0:
            raise ConfigError(
                "callbacks.progress.refresh_seconds: expected 0 or more, got "
                f"{refresh_seconds}. To show nothing take trainer.enable_progress_bar=false."
            )
        super().__init__()
        self._refresh_seconds = refresh_seconds
        self._refreshed = -math.inf

    def get_metrics(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """What stands behind the bar."""
        loss = getattr(pl_module, "step_loss", None)
        shown = {"loss": float(loss)} if loss is not None else {}
        return super().get_metrics(trainer, pl_module) | shown

    def _should_update(self, current: int, total: int) -> bool:
        now = time.monotonic()
        if not self.is_enabled or (
            current != total and now - self._refreshed < self._refresh_seconds
        ):
            return False
        self._refreshed = now
        return True


class ProgressReport(pl.Callback):
    """Writes `project.runs.progress` every two seconds, after validations and at the end.

    Args:
        run: The run's directory.
        monitor: Name of the metric that decides which epoch is best.
        monitor_mode: Whether the smallest or the largest value is best.
    """

    def __init__(
        self, run: RunDirectory, monitor: str, monitor_mode: Literal["min", "max"]
    ) -> None:
        self._run = run
        self._monitor = monitor
        self._better = {"min": min, "max": max}[monitor_mode]
        self._best: float | None = None
        self._began = self._said = -math.inf
        self._done_before = 0.0
        self._silent = False

    def state_dict(self) -> dict[str, Any]:
        """The best value so far."""
        return {"best": self._best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remembers the best value of earlier attempts."""
        self._best = state_dict["best"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Starts the clock of this attempt."""
        del pl_module
        self._began = time.monotonic()
        self._done_before = _done(trainer) or 0.0
        self._say(trainer)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        """Says something if nothing was said for a while."""
        del pl_module
        if time.monotonic() - self._said >= _INTERVAL_SECONDS:
            self._say(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Says how good the model is by now."""
        del pl_module
        value = trainer.callback_metrics.get(self._monitor)
        if trainer.state.fn != "fit" or trainer.sanity_checking or value is None:
            return
        known = [] if self._best is None else [self._best]
        self._best = self._better([*known, float(value)])
        self._say(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Says that training is over."""
        del pl_module
        self._say(trainer)

    def _say(self, trainer: pl.Trainer) -> None:
        if self._silent or not trainer.is_global_zero:
            return
        self._said = time.monotonic()
        try:
            write_progress(self._run, self._progress(trainer))
        except OSError as error:  # nothing depends on it
            self._silent = True
            log.warning("How far the run is cannot be told from outside (%s).", error)

    def _progress(self, trainer: pl.Trainer) -> Progress:
        seconds, done = time.monotonic() - self._began, _done(trainer)
        here = 0.0 if done is None else done - self._done_before
        epochs = trainer.max_epochs
        return Progress(
            epoch=trainer.current_epoch,
            epochs=epochs if epochs is not None and epochs > 0 else None,
            done=done,
            monitor=self._monitor,
            best=self._best,
            seconds=round(seconds, 1),
            seconds_left=round(seconds * (1 - done) / here, 1) if done and here > 0 else None,
        )


def _done(trainer: pl.Trainer) -> float | None:
    """Share of the steps of the whole training; None where it has no end."""
    steps = trainer.estimated_stepping_batches
    return min(trainer.global_step / steps, 1.0) if 0 < steps < math.inf else None
