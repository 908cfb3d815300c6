"""The trial of a search that this process runs, as seen from inside."""

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import optuna

TRIAL = "EVENHAND_TRIAL"  # tells the process of a trial which one it runs

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunningTrial:
    """A trial that this process runs.

    Attributes:
        storage: Address of the study's storage.
        study: Name of the study.
        identity: Of the trial in the storage.
        metric: What is reported after each epoch.
        pruner: What decides whether to go on (`project.launch.search.samplers.PRUNERS`).
        pruner_options: Its arguments.
    """

    storage: str
    study: str
    identity: int
    metric: str
    pruner: str = "none"
    pruner_options: Mapping[str, Any] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """The variable that tells a process of its trial."""
        return {TRIAL: json.dumps(asdict(self))}

    @classmethod
    def of_this_process(cls) -> Self | None:
        """The trial that this process was started for, if it was."""
        told = os.environ.get(TRIAL)
        return cls(**json.loads(told)) if told else None

    def falls_behind(self, epoch: int, value: float) -> bool:
        """Reports what an epoch reached, once, and asks whether to end the trial.

        Training does not depend on the answer, so a storage that cannot be reached, or a trial that
        someone else has ended or deleted there, is a warning.

        Args:
            epoch: From 0.
            value: Of the metric.

        Returns:
            Whether other trials did better by far at the same time.
        """
        try:
            return self._reported(epoch, value)
        except Exception as error:  # noqa: BLE001 - each kind of database has errors of its own
            what = f"{type(error).__name__}: {error}"
            log.warning("The search did not hear of epoch %d, training goes on (%s).", epoch, what)
            return False

    def _reported(self, epoch: int, value: float) -> bool:
        storage = self._opened._storage  # noqa: SLF001 - what Optuna's own Trial.report goes to
        trial = storage.get_trial(self.identity)
        if epoch not in trial.intermediate_values:  # as it is when the epoch was run before
            storage.set_trial_intermediate_value(self.identity, epoch, value)
            trial = storage.get_trial(self.identity)
        return self._opened.pruner.prune(self._opened, trial)

    @cached_property
    def _opened(self) -> "optuna.Study":
        import optuna  # noqa: PLC0415

        from project.launch.search.samplers import be_quiet, make_pruner  # noqa: PLC0415
        from project.launch.search.storage import open_storage  # noqa: PLC0415

        be_quiet()
        pruner = make_pruner(self.pruner, self.pruner_options)
        storage = open_storage(self.storage)
        return optuna.load_study(study_name=self.study, storage=storage, pruner=pruner)
