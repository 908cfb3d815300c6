"""One training run as one run of Weights & Biases."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning_fabric.loggers.logger import _DummyExperiment, rank_zero_experiment
from lightning_fabric.utilities.rank_zero import rank_zero_only
from pytorch_lightning.loggers import WandbLogger

from project.callbacks.tracking.mode import Mode, possible_mode, reachable
from project.runs.directory import RunDirectory
from project.runs.record import RunRecord

if TYPE_CHECKING:
    import wandb

    from project.callbacks.tracking.identity import Identity


class WandbRunLogger(WandbLogger):
    """Sends numbers while a run trains and results when it has; never ends or holds the run.

    Args:
        folder: The run's directory.
        identity: What the W&B run is called and where it belongs.
        mode: What to aim at; it becomes offline where the server does not answer.
        mistakes: How many of the most confident mistakes to show.
        log_checkpoint: Whether to send the best checkpoint.
        upload_timeout_seconds: Longest wait for uploads when the run ends.
    """

    def __init__(
        self,
        folder: Path,
        identity: "Identity",
        mode: Mode,
        *,
        mistakes: int,
        log_checkpoint: bool,
        upload_timeout_seconds: float,
    ) -> None:
        super().__init__(name=identity.name, save_dir=folder, project=identity.project)
        self.folder = folder
        self.identity = identity
        self.mode = mode
        self._mistakes = mistakes
        self._log_checkpoint = log_checkpoint
        self._upload_timeout_seconds = upload_timeout_seconds
        self._lost = False  # W&B cannot be used at all

    @property
    @rank_zero_experiment
    def experiment(self) -> "wandb.Run | _DummyExperiment":
        """The W&B run, opened when it is first asked for; what takes its place does nothing."""
        return self._run() or _DummyExperiment()

    @rank_zero_only
    def log_hyperparams(self, params: Any) -> None:
        """Sends the configuration; a key that a sweep's agent holds gets the ending ``_config``."""
        from project.callbacks.tracking.session import harmless  # noqa: PLC0415 - imports wandb

        with harmless("the configuration"):
            opened = self._run()
            if opened is None:
                return
            config: Any = opened.config  # has no types
            swept = config.keys() if "WANDB_SWEEP_ID" in os.environ else ()
            free = {f"{key}_config" if key in swept else key: v for key, v in params.items()}
            super().log_hyperparams(free)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Sends the numbers of an epoch."""
        from project.callbacks.tracking.session import harmless  # noqa: PLC0415 - imports wandb

        with harmless("the numbers of an epoch"):
            super().log_metrics(metrics, step)

    @rank_zero_only
    def log_data(self, run: RunDirectory, record: RunRecord) -> None:
        """Sends fingerprints and split; see `project.callbacks.tracking.results.log_data`."""
        from project.callbacks.tracking.results import log_data  # noqa: PLC0415 - imports wandb
        from project.callbacks.tracking.session import harmless  # noqa: PLC0415 - imports wandb

        with harmless("what is trained on"):
            opened = self._run()
            if opened is not None:
                log_data(opened, run, record)

    @rank_zero_only
    def log_results(self, run: RunDirectory, record: RunRecord) -> None:
        """Sends what came out; see `project.callbacks.tracking.results.log_results`."""
        from project.callbacks.tracking.session import harmless  # noqa: PLC0415 - imports wandb

        with harmless("what came out"):
            self._log_results(run, record)

    def _log_results(self, run: RunDirectory, record: RunRecord) -> None:
        from project.callbacks.tracking.results import log_results  # noqa: PLC0415 - imports wandb

        opened = self._run()
        if opened and not (opened.offline or opened.disabled or reachable()):
            self._go_on_offline()
            self.log_data(run, record)  # the first attempt to send it may have failed
            opened = self._run()
        if opened is None:
            return
        log_results(
            opened,
            run,
            record,
            mistakes=self._mistakes,
            log_checkpoint=self._log_checkpoint,
        )

    def _run(self) -> "wandb.Run | None":
        """The W&B run, or None where there can be none."""
        if self._experiment is None and not self._lost:
            self._open(possible_mode(self.mode))
        return self._experiment  # type: ignore[return-value]  # the disabled one is a run, too

    def _open(self, mode: Mode) -> None:
        from project.callbacks.tracking.session import (  # noqa: PLC0415 - imports wandb
            harmless,
            open_run,
        )

        opened = open_run(self.folder, self.identity, mode, self._upload_timeout_seconds)
        self._experiment, self._lost = opened, opened is None
        if opened is not None:
            with harmless("the axis of the curves"):
                opened.define_metric("*", step_metric="epoch", step_sync=True)

    def _go_on_offline(self) -> None:
        """Tables ask the server, and would be lost if it has died; offline they are kept."""
        from project.callbacks.tracking.session import close_run  # noqa: PLC0415 - imports wandb

        close_run(exit_code=0)
        self._open("offline")
