"""Lightning's loops over epochs and batches, able to go on exactly where a checkpoint was saved.

Lightning saves in the midst of its bookkeeping and guesses afterwards what was done and what was
not. Here a checkpoint is only saved where training rests, with nothing half done, so that the saved
counters are simply true.
"""

import contextlib
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loops.fetchers import _DataFetcher
from pytorch_lightning.loops.fit_loop import RestartStage, _FitLoop
from pytorch_lightning.loops.loop import _Loop
from pytorch_lightning.loops.training_epoch_loop import _TrainingEpochLoop
from pytorch_lightning.profilers import PassThroughProfiler
from pytorch_lightning.trainer.states import TrainerFn

from project.callbacks.checkpoints import Boundary, LastCheckpoint
from project.callbacks.interruption import Stopped, Urgency, agreed, signals

AT_REST = "at_rest"
"""Key, in the state of the loop over epochs, of the boundary at which it was saved."""


def use_resumable_loops(trainer: pl.Trainer) -> None:
    """Has a trainer rest between batches: save there, stop there when asked to, and go on there.

    Signals are left to `project.callbacks.interruption`.

    Args:
        trainer: Has not begun.
    """
    trainer.fit_loop = ResumableFitLoop(trainer)
    # Lightning's handlers would take over until training begins: they broadcast to processes that
    # may not be there yet, swallow SIGTERM, and under SLURM requeue the job by themselves.
    trainer._signal_connector.register_signal_handlers = _leave_signals_alone  # type: ignore[method-assign]  # noqa: SLF001
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    callbacks.insert(0, _Watch())


def _leave_signals_alone() -> None:
    """Registers nothing, so that Lightning has nothing to put back afterwards either."""


class Unobserved(PassThroughProfiler):
    """Measures nothing; Lightning's own of this kind takes a microsecond for each of 100 a step."""

    def profile(self, action_name: str) -> Any:
        """Gives a context in which nothing happens."""
        del action_name
        return _NOTHING


_NOTHING = contextlib.nullcontext()


class ResumableFitLoop(_FitLoop):
    """The loop over epochs.

    Args:
        trainer: Has Lightning's own loop still, whose limits are taken over.
    """

    epoch_loop: "ResumableEpochLoop"

    def __init__(self, trainer: pl.Trainer) -> None:
        plain = trainer.fit_loop
        super().__init__(trainer, plain.min_epochs, plain.max_epochs)
        self.epoch_loop = ResumableEpochLoop(trainer, plain.min_steps, plain.max_steps)
        self._resting: Boundary | None = None
        self._resumed: Boundary | None = None

    @property
    def urgency(self) -> int:
        """What is asked of this process, by a signal or by the clock."""
        due = any(callback.is_due() for callback in self._keepers)
        return max(signals.urgency, Urgency.SAVE if due else Urgency.NONE)

    def rest(self, boundary: Boundary) -> None:
        """Saves and stops, if it is time to; all processes must call this together.

        Raises:
            Stopped: If training was asked to stop.
        """
        urgency = self._agreed_urgency(boundary)
        self._resting = boundary
        try:
            for callback in self._keepers:
                callback.rest(self.trainer, boundary, urgency)
        finally:
            self._resting = None
        if urgency == Urgency.STOP:
            raise Stopped

    def on_save_checkpoint(self) -> dict[str, Any]:
        """Adds where training rests; nothing for a checkpoint that it cannot go on from."""
        return super().on_save_checkpoint() | ({AT_REST: self._resting} if self._resting else {})

    def on_load_checkpoint(self, state_dict: dict[str, Any]) -> None:
        """Finds out where training rested."""
        self._resumed = state_dict.get(AT_REST)
        super().on_load_checkpoint(state_dict)

    def reset(self) -> None:
        """Goes on from true counters, where Lightning would repair them."""
        if self._resumed is None:
            super().reset()
            return
        torch.set_grad_enabled(True)
        _Loop.restarting.fset(self, False)  # type: ignore[attr-defined]  # the loop's own asks more
        if self._resumed != "epoch":  # the epoch has been begun and announced
            self._restart_stage = RestartStage.RESTARTED_MID_EPOCH
            self.epoch_loop.resumed = self._resumed
        self._resumed = None

    def on_run_start(self) -> None:
        """Lets a module share its wish with other processes once a step; see `_agreed_urgency`."""
        module: Any = self.trainer.lightning_module
        if hasattr(module, "urgency"):
            module.urgency = lambda: self.urgency
        super().on_run_start()

    def _warn_if_modules_in_eval_mode(self) -> None:
        """Warns of layers that are not in training, unless they are frozen."""
        if not getattr(self.trainer.lightning_module, "freezes", False):
            super()._warn_if_modules_in_eval_mode()

    def on_advance_start(self) -> None:
        """Begins an epoch, or goes on in one; then the progress bar still has to hear of it."""
        super().on_advance_start()
        if self.restarted_mid_epoch and self.trainer.progress_bar_callback is not None:
            module = self.trainer.lightning_module
            self.trainer.progress_bar_callback.on_train_epoch_start(self.trainer, module)

    def on_advance_end(self) -> None:
        """Ends an epoch with everything that belongs to it, then rests."""
        super().on_advance_end()
        self.rest("epoch")

    @property
    def _keepers(self) -> list[LastCheckpoint]:
        callbacks: list[pl.Callback] = self.trainer.callbacks  # type: ignore[attr-defined]
        return [callback for callback in callbacks if isinstance(callback, LastCheckpoint)]

    def _agreed_urgency(self, boundary: Boundary) -> int:
        told: int | None = getattr(self.trainer.lightning_module, "agreed_urgency", None)
        if boundary == "batch" and told is not None and self.trainer.world_size > 1:
            return told  # saves a reduction a step
        return agreed(self.trainer, self.urgency)


class ResumableEpochLoop(_TrainingEpochLoop):
    """The loop over the batches of an epoch."""

    def __init__(self, trainer: pl.Trainer, min_steps: int | None, max_steps: int) -> None:
        super().__init__(trainer, min_steps, max_steps)
        self.resumed: Boundary | None = None

    @property
    def done(self) -> bool:
        """Whether the epoch is over; it is not while its validation is to come."""
        return self.resumed != "validation" and super().done

    def reset(self) -> None:
        """Leaves the counters as they are, where the epoch goes on."""
        if self.resumed is None:
            super().reset()
        elif self.resumed == "validation":  # what it had done is done again
            progress = self.val_loop.batch_progress
            for name, count in vars(progress.current).items():
                setattr(progress.total, name, getattr(progress.total, name) - count)

    def advance(self, data_fetcher: _DataFetcher) -> None:
        """Trains a batch, unless it was trained before and only its validation is missing."""
        if self.resumed != "validation":
            super().advance(data_fetcher)

    def on_advance_end(self, data_fetcher: _DataFetcher) -> None:
        """Validates if it is time to, then rests unless gradients are half gathered."""
        self.resumed = None
        super().on_advance_end(data_fetcher)
        if not self.done and not self._should_accumulate():
            loop = self.trainer.fit_loop
            assert isinstance(loop, ResumableFitLoop)
            loop.rest("batch")


class _Watch(pl.Callback):
    """Has signals wait while a model is trained, and rests in a validation that is interrupted."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        del trainer, pl_module
        signals.wait()

    def on_validation_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        del pl_module
        loop = trainer.fit_loop
        if trainer.state.fn != TrainerFn.FITTING or trainer.sanity_checking:
            return
        assert isinstance(loop, ResumableFitLoop)
        if not loop.epoch_loop._should_accumulate() and agreed(trainer, signals.urgency):  # noqa: SLF001
            loop.rest("validation")
