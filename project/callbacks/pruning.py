"""Tells a search how far its trial is, and ends the trial when the search says so."""

from typing import Protocol

import pytorch_lightning as pl

from project.errors import ConfigError, Pruned, suggestion


class Trial(Protocol):
    """What a search asks of a trial while it runs (`project.launch.search.trial`)."""

    @property
    def metric(self) -> str:
        """What is reported."""
        ...

    @property
    def pruner(self) -> str:
        """What decides, in a word."""
        ...

    def falls_behind(self, epoch: int, value: float) -> bool:
        """Hears what an epoch reached; answers whether to end the trial.

        Raises nothing: the other processes of the run wait for the answer.
        """
        ...


class Pruning(pl.Callback):
    """Reports a metric after every validation, and ends the run if it falls behind.

    Args:
        trial: What is reported to, by the first process; all others do as it says.
    """

    def __init__(self, trial: Trial) -> None:
        self._trial = trial

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Reports, and asks.

        Raises:
            Pruned: In all processes, if the trial falls behind.
            ConfigError: If validation does not measure the metric.
        """
        del pl_module
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        value = self._value(trainer)
        behind = trainer.is_global_zero and self._trial.falls_behind(trainer.current_epoch, value)
        if trainer.strategy.broadcast(behind):
            raise Pruned(
                f"Pruned after epoch {trainer.current_epoch + 1}: with {self._trial.metric} of "
                f"{value:.4f}, other trials did better by then ({self._trial.pruner})."
            )

    def _value(self, trainer: pl.Trainer) -> float:
        name, measured = self._trial.metric, trainer.callback_metrics
        if name not in measured:
            known = [metric for metric in measured if metric.startswith("val/")]
            raise ConfigError(
                f"hydra.sweeper.objective: expected what validation measures, got {name!r}."
                f"{suggestion(name, known) or ' There are ' + ', '.join(known) + '.'}"
            )
        return float(measured[name])
