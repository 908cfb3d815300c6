"""The jobs of a search: each is a trial, chosen by how those before it ended."""

import logging
import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from optuna.trial import FrozenTrial, TrialState

from project.errors import EvenhandError
from project.launch.jobs.job import Job
from project.launch.search.settings import Search
from project.launch.search.study import SearchStudy
from project.launch.search.trial import RunningTrial
from project.runs.directory import RunDirectory
from project.runs.lock import Lock, is_locked
from project.runs.record import TIMED_OUT, RunRecord
from project.runs.sweeps import JobStatus, SweepDirectory

log = logging.getLogger(__name__)

LAUNCHER = "launcher"  # facts that are kept with a trial
DIRECTORY = "directory"
ERROR = "error"

# So many that cannot be composed before any can: a mistake that all trials share.
_ENOUGH = 10
_NOT_COMPOSED = (HydraException, OmegaConfBaseException, EvenhandError)


class Compose(Protocol):
    """Makes a job of overrides (`project.launch.jobs.composing.Composer`)."""

    def __call__(
        self, overrides: Sequence[str], number: int, environment: Mapping[str, str]
    ) -> Job:
        """Composes the job with that number, which has these variables of its own."""
        ...


class OptunaSource:
    """The jobs of a search.

    A trial that a launcher left behind when it was killed is taken up by the next, or by one that
    runs at the same time: with the same number and parameters, in the same directory. So there are
    never more trials than were asked for.

    Args:
        search: The search.
        sweep: Directory of the sweep.
        compose: Makes the job of a trial.

    Raises:
        ConfigError: If the storage cannot be opened.
        RunError: If there is a study of that name for another search, or in another directory.
    """

    def __init__(self, search: Search, sweep: SweepDirectory, compose: Compose) -> None:
        self._search = search
        self._compose = compose
        self._launchers = sweep.own / "searching"
        self._token = uuid.uuid4().hex
        self.study = SearchStudy(search, sweep)
        self._alive = Lock.take(self._launchers / self._token)  # as long as this process lives
        self._jobs: dict[int, Job] = {}
        self._numbers: dict[str, int] = {}
        self._taken: set[int] = set()
        self._known: set[int] = set()
        self.not_composed: list[int] = []  # trials of this launch whose choices exclude each other

    def known(self) -> list[Job]:
        """The trials that have results, and, as ours now, those that a launcher left behind."""
        ended = (TrialState.COMPLETE, TrialState.PRUNED)
        with self.study.alone():
            trials = self.study.trials
            left = [self.study.completed(trial) for trial in trials if self._is_left(trial)]
            for trial in left:
                self._claim(trial)
            self._known |= {trial.number for trial in left}
            trials = self.study.trials
        trials = [t for t in trials if t.state in ended or t.number in self._known]
        return [job for job in map(self._placed_job, trials) if job is not None]

    def take(self) -> Job | None:
        """A trial that was left behind, or else a new one, as long as some are to be made.

        What the choices of a trial say together may not make sense, such as a parameter of an
        optimizer that was not chosen: such a trial has failed, and the next is taken.

        Raises:
            EvenhandError: Or HydraException or OmegaConfBaseException, if many have failed so and
                none has not.
        """
        while (trial := self._taken_trial()) is not None:
            job = self._placed_job(trial)
            if job is not None:
                return job
        return None

    def ended(self, status: JobStatus) -> None:
        """Tells the study what a trial reached.

        One that was interrupted, or whose time was over, goes on in the next launch.
        """
        number = self._numbers[status.name]
        if status.state == "finished" and status.record is not None:
            self._tell_finished(number, status.record)
        elif status.state == "pruned":
            self.study.tell(number, TrialState.PRUNED)
        elif status.state == "failed" and not _timed_out(status):
            self._tell_failed(number, _reason(status))

    @property
    def exhausted(self) -> bool:
        """Whether all trials are there, and each has ended or was taken by this launcher.

        Those of another launcher may yet be left behind.
        """
        trials = self.study.trials
        others = (t for t in trials if not t.state.is_finished() and t.number not in self._taken)
        return len(trials) >= self._search.n_trials and not any(others)

    def close(self) -> None:
        """Leaves trials that have not ended to other launchers."""
        if self._alive is not None:
            self._alive.release()
            (self._launchers / self._token).unlink(missing_ok=True)

    def _taken_trial(self) -> FrozenTrial | None:
        with self.study.alone():
            trials = self.study.trials
            trial = next(filter(self._is_left, trials), None)
            if trial is not None:
                trial = self.study.completed(trial)
            elif len(trials) < self._search.n_trials or _any_waiting(trials):
                trial = self.study.ask()
            else:
                return None
            self._claim(trial)
        return trial

    def _claim(self, trial: FrozenTrial) -> None:
        self.study.note(trial, {LAUNCHER: self._token})
        self._taken.add(trial.number)

    def _is_left(self, trial: FrozenTrial) -> bool:
        """Whether a trial was begun by a launcher that is gone."""
        if trial.state is not TrialState.RUNNING or trial.number in self._taken:
            return False
        token = trial.user_attrs.get(LAUNCHER)
        return token is None or not is_locked(self._launchers / token)

    def _placed_job(self, trial: FrozenTrial) -> Job | None:
        """The job; None if it cannot be composed, and then the trial has failed."""
        try:
            job = self._job(trial)
        except _NOT_COMPOSED as error:
            if trial.number in self.not_composed:
                return None
            self.not_composed.append(trial.number)
            self._tell_failed(trial.number, f"it cannot be composed: {_cause(error)}")
            if not self._jobs and len(self.not_composed) >= _ENOUGH:
                raise
            return None
        if not trial.state.is_finished() and DIRECTORY not in trial.user_attrs:
            self.study.note(trial, {DIRECTORY: job.name})
        return job

    def _job(self, trial: FrozenTrial) -> Job:
        if trial.number not in self._jobs:
            job = self._placed(trial, self._composed(trial))
            self._jobs[trial.number], self._numbers[job.name] = job, trial.number
        return self._jobs[trial.number]

    def _composed(self, trial: FrozenTrial) -> Job:
        search = self._search
        running = RunningTrial(
            storage=search.storage,
            study=search.study,
            identity=trial._trial_id,  # noqa: SLF001 - numbers need a study, this does not
            metric=search.objectives[0].name,
            pruner=search.pruner,
            pruner_options=dict(search.pruner_options),
        )
        watched = len(search.objectives) == 1 and search.objectives[0].is_validated
        environment = running.environment() if watched else {}
        return self._compose(search.space.overrides(trial.params), trial.number, environment)

    def _placed(self, trial: FrozenTrial, job: Job) -> Job:
        """The job in a directory that begins with the trial's number, and stays where it was."""
        name = trial.user_attrs.get(DIRECTORY) or f"trial={trial.number:04},{job.name}"
        return replace(job, name=name, run=RunDirectory(job.run.path.with_name(name)))

    def _tell_finished(self, number: int, record: RunRecord) -> None:
        objectives = self._search.objectives
        values = [objective.value(record) for objective in objectives]
        missing = [o.name for o, v in zip(objectives, values, strict=True) if math.isnan(v)]
        if missing:
            self._tell_failed(number, f"no {' and no '.join(missing)} was measured")
        else:
            self.study.tell(number, TrialState.COMPLETE, values)

    def _tell_failed(self, number: int, reason: str) -> None:
        log.warning("Trial %d has failed: %s", number, reason)
        trial = self.study.trials[number]
        if not trial.state.is_finished():
            self.study.note(trial, {ERROR: reason})
            self.study.tell(number, TrialState.FAIL)


def _reason(status: JobStatus) -> str:
    error = status.record.error if status.record else None
    return f"{error.type}: {error.message}" if error else status.note


def _timed_out(status: JobStatus) -> bool:
    error = status.record.error if status.record else None
    return error is not None and error.type == TIMED_OUT


def _cause(error: Exception) -> str:
    """What went wrong, in one line."""
    causes = (error, *filter(None, [error.__cause__]))
    return " ".join(" ".join(map(str, causes)).split())


def _any_waiting(trials: Sequence[FrozenTrial]) -> bool:
    """Whether somebody has put trials into the queue of the study."""
    return any(trial.state is TrialState.WAITING for trial in trials)
