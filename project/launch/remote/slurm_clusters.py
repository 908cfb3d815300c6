"""Where submitit puts jobs: SLURM, or what plays it on one machine to try things out."""

import os
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import submitit
from submitit.core.utils import pickle_load

from project.errors import ConfigError, RunError
from project.launch.jobs.attempt import Attempt, Exit
from project.launch.local.slots import available_cores
from project.launch.remote.order import Outcome, tell_in_output
from project.launch.remote.slurm_queue import Queued, SlurmQueue
from project.runs.sweeps import SweepDirectory

Handle = submitit.Job[Outcome]

_MOST_IN_QUEUE = 1000
_MISSES = 2  # answers of the queue without a job, until it is believed to be gone
_LEAVE_SECONDS = 5.0  # after jobs were killed, whatever the queue says: the locks keep others out
_TIMED_OUT = "timed-out too many times"  # in submitit's words


class Cluster(Protocol):
    """Knows how jobs are that submitit has been given.

    Attributes:
        name: As submitit calls it.
        room: Jobs that it takes at the same time.
        look_seconds: Between looks at how they are.
    """

    name: str
    room: int
    look_seconds: float

    def submitted(self, attempts: Sequence[Attempt], handles: Sequence[Handle]) -> None:
        """Hears what has been submitted, and names the places."""
        ...

    def found(self, attempt: Attempt) -> Handle | None:
        """What an earlier launch submitted for a job, if that is not over."""
        ...

    def exit(self, attempt: Attempt, handle: Handle) -> Exit | None:
        """How a job ended; None if it has not."""
        ...

    def stop(self, handles: Sequence[Handle], *, at_once: bool) -> set[str]:
        """Has jobs end; returns the ids of those that had not begun and never will."""
        ...


def cluster_named(name: str, sweep: Path, cores: int) -> Cluster:
    """Finds out where jobs are to go.

    Args:
        name: ``slurm``, ``local`` or ``debug``.
        sweep: Directory of the sweep.
        cores: Of a job.

    Raises:
        ConfigError: If there is no such cluster, or this machine cannot submit jobs.
    """
    if name == "local":
        return LocalCluster(max(1, available_cores() // cores))
    if name == "debug":
        return DebugCluster()
    if name != "slurm":
        raise ConfigError(f"hydra.launcher.cluster: expected slurm, local or debug, got {name!r}.")
    missing = [command for command in ("sbatch", "srun", "squeue") if shutil.which(command) is None]
    if missing:
        raise ConfigError(
            f"hydra/launcher=slurm: expected the commands of SLURM, got no {missing[0]} here. "
            "Start the sweep on a login node, or try it on this machine with "
            "hydra.launcher.cluster=local."
        )
    return SlurmCluster(SweepDirectory(sweep))


def submitit_folder(sweep: SweepDirectory) -> Path:
    """Where submitit keeps what it sends and gets, and what jobs say before they begin."""
    return sweep.own / "submitit"


class SlurmCluster:
    """SLURM itself.

    Args:
        sweep: The sweep, which remembers what is in the queue.
    """

    name = "slurm"
    room = _MOST_IN_QUEUE
    look_seconds = 2.0  # results are on what may be a network's disk

    def __init__(self, sweep: SweepDirectory) -> None:
        self._queue = SlurmQueue(sweep)
        self._folder = submitit_folder(sweep)
        self._seen: dict[str, int] = {}  # the last answer of the queue that had the job
        self._left: dict[str, float] = {}  # when those that were killed are no longer waited for

    def submitted(self, attempts: Sequence[Attempt], handles: Sequence[Handle]) -> None:
        """Notes the ids for later launches."""
        jobs: dict[str, Queued] = {}
        for attempt, handle in zip(attempts, handles, strict=True):
            jobs[attempt.job.name] = Queued(handle.job_id, attempt.job.fingerprint)
            self._is_at(attempt, handle.job_id)
        self._queue.remember(jobs)

    def found(self, attempt: Attempt) -> Handle | None:
        """The job of an earlier launch, if it is still in the queue.

        Raises:
            RunError: If that has another configuration.
        """
        queued = self._queue.known().get(attempt.job.name)
        if queued is None or queued.id not in self._queue.states():
            return None
        if queued.fingerprint != attempt.job.fingerprint:
            raise RunError(
                f"{attempt.job.run.path} is what SLURM's job {queued.id} is for, which has another "
                f"configuration. Cancel that (scancel {queued.id}), or choose another folder with "
                "hydra.sweep.dir=<folder>."
            )
        self._is_at(attempt, queued.id)
        return submitit.SlurmJob(folder=self._folder, job_id=queued.id)

    def exit(self, attempt: Attempt, handle: Handle) -> Exit | None:
        """By the result that it left, else by its absence from the queue."""
        if handle.paths.result_pickle.exists():
            return exit_of(attempt, handle)
        leave = self._left.get(handle.job_id)
        if leave is not None and time.monotonic() > leave:
            return Exit(None)
        misses = _MISSES if leave is None else 1
        if handle.job_id in self._queue.states():
            self._seen[handle.job_id] = self._queue.answers
        return Exit(None) if self._queue.answers - self._seen[handle.job_id] >= misses else None

    def stop(self, handles: Sequence[Handle], *, at_once: bool) -> set[str]:
        """Takes waiting jobs out of the queue, and tells or kills running ones."""
        ids = [handle.job_id for handle in handles]
        never = self._queue.stop(ids, at_once=at_once)
        if at_once:
            self._left |= dict.fromkeys(ids, time.monotonic() + _LEAVE_SECONDS)
        return never

    def _is_at(self, attempt: Attempt, id_: str) -> None:
        attempt.place = f"SLURM {id_}"
        self._seen[id_] = self._queue.answers


class LocalCluster:
    """Processes of this machine, as many at a time as there are cores for.

    Args:
        room: How many.
    """

    name = "local"
    look_seconds = 0.0

    def __init__(self, room: int) -> None:
        self.room = room

    def submitted(self, attempts: Sequence[Attempt], handles: Sequence[Handle]) -> None:
        """Names the places."""
        for attempt, handle in zip(attempts, handles, strict=True):
            attempt.place = f"process {handle.job_id}"

    def found(self, attempt: Attempt) -> Handle | None:
        """Nothing: what still runs holds the lock of its directory."""
        del attempt
        return None

    def exit(self, attempt: Attempt, handle: Handle) -> Exit | None:
        """Once its process is gone."""
        return exit_of(attempt, handle) if handle.done() else None

    def stop(self, handles: Sequence[Handle], *, at_once: bool) -> set[str]:
        """Asks each process; the second time means at once."""
        for number in range(2 if at_once else 1):
            time.sleep(0.5 * number)
            for handle in handles:
                if not handle.done():
                    os.kill(int(handle.job_id), signal.SIGTERM)
        return set()


class DebugCluster:
    """One job after the other, waited for where it is asked about."""

    name = "debug"
    room = 1
    look_seconds = 0.0

    def submitted(self, attempts: Sequence[Attempt], handles: Sequence[Handle]) -> None:
        """Names the places."""
        del handles
        for attempt in attempts:
            attempt.place = "here"

    def found(self, attempt: Attempt) -> Handle | None:
        """Nothing outlives a launcher."""
        del attempt
        return None

    def exit(self, attempt: Attempt, handle: Handle) -> Exit | None:
        """Runs it."""
        return _exit_by(attempt, handle.result())

    def stop(self, handles: Sequence[Handle], *, at_once: bool) -> set[str]:
        """All that has begun is over."""
        del at_once
        return {handle.job_id for handle in handles}


def exit_of(attempt: Attempt, handle: Handle) -> Exit:
    """How a job ended that is over.

    Args:
        attempt: Gets what went wrong around it into what it printed.
        handle: Of the job.

    Returns:
        Its exit; unknown if it left no result, as when its node was lost.
    """
    file = handle.paths.result_pickle
    if not file.exists():
        return Exit(None)
    kind, result = pickle_load(file)
    if kind == "success":
        return _exit_by(attempt, result)
    if _TIMED_OUT in result:
        return Exit(None, timed_out=True)
    tell_in_output(attempt, result)
    return Exit(1)


def _exit_by(attempt: Attempt, outcome: Outcome) -> Exit:
    if not outcome.refused:
        return outcome.exit
    tell_in_output(attempt, outcome.refused)
    return Exit(1)
