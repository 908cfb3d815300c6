"""Runs jobs through SLURM, by submitit."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import submitit
from submitit.core.utils import FailedJobError, FailedSubmissionError

from project.errors import ConfigError, RunError
from project.launch.jobs.attempt import Attempt, Exit
from project.launch.remote.order import check_one_node, gpus_of, order_for
from project.launch.remote.settings import at_most
from project.launch.remote.slurm_clusters import Handle, cluster_named, submitit_folder
from project.launch.remote.slurm_task import SlurmTask
from project.runs.sweeps import SweepDirectory

_POLL_SECONDS = 0.25
_MOST_IN_ARRAY = 1000  # SLURM's own default


class Submitted(Exception):  # noqa: N818 - nothing went wrong
    """All jobs are in the queue, and the launcher was told not to wait for them."""


@dataclass(frozen=True)
class Allocation:
    """What each job asks SLURM for; what is None is left to the cluster.

    Attributes:
        partition: Where it may run.
        account: Who pays.
        qos: Quality of service.
        constraint: Features that a node must have.
        gpus_per_job: ``auto``: as many as its trainer has devices, none with trainer=cpu.
        cpus_per_task: Cores.
        mem_gb: Memory.
        timeout_minutes: Time limit of an allocation.
        max_timeouts: How often a job that ran into it goes on in another allocation.
        signal_seconds: How long before its end an allocation is told.
        array_parallelism: Jobs of an array that run at the same time.
        setup: Lines of shell before the job, such as ``module load cuda``.
        sbatch: Further options of sbatch, by name.
    """

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    gpus_per_job: int | str = "auto"
    cpus_per_task: int = 4
    mem_gb: float | None = None
    timeout_minutes: float = 1440
    max_timeouts: int = 3
    signal_seconds: int = 90
    array_parallelism: int = 256
    setup: Sequence[str] = field(default_factory=list)
    sbatch: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuses what SLURM or submitit would only trip over later."""
        for name in ("cpus_per_task", "timeout_minutes", "signal_seconds", "array_parallelism"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not value > 0:
                raise ConfigError(
                    f"hydra.launcher.{name}: expected a number above 0, got {value!r}."
                )

    def parameters(self, gpus: int) -> dict[str, Any]:
        """As submitit takes them.

        Args:
            gpus: Of a job.
        """
        own = {
            "partition": self.partition,
            "account": self.account,
            "qos": self.qos,
            "constraint": self.constraint,
            "signal_delay_s": self.signal_seconds,
            "array_parallelism": self.array_parallelism,
            "setup": list(self.setup) or None,
            "additional_parameters": {"requeue": True, **self.sbatch},
        }
        return {
            "name": "evenhand",
            "timeout_min": math.ceil(self.timeout_minutes),
            "mem_gb": self.mem_gb,
            "cpus_per_task": self.cpus_per_task,
            "gpus_per_node": gpus or None,
            "stderr_to_stdout": True,
            **{f"slurm_{name}": value for name, value in own.items()},
        }


@dataclass
class _Job:
    attempt: Attempt
    handle: Handle


class SlurmExecutor:
    """Hands jobs to SLURM; see `project.launch.jobs.executor.Executor`.

    Args:
        sweep: Directory of the sweep, on a disk that all nodes share.
        allocation: What each job asks for.
        cluster: ``slurm``; ``local`` plays the cluster with processes of this machine, ``debug``
            with one job after the other.
        max_jobs: Waiting or running at the same time; None: as many as the cluster takes.
        wait: Whether to wait for the jobs.

    Raises:
        ConfigError: If this machine cannot submit jobs.
    """

    holds_locks = False

    def __init__(
        self,
        sweep: Path,
        allocation: Allocation,
        cluster: str = "slurm",
        max_jobs: int | None = None,
        *,
        wait: bool = True,
    ) -> None:
        self._sweep = sweep
        self._allocation = allocation
        self._cluster = cluster_named(cluster, sweep, allocation.cpus_per_task)
        self._room = min(at_most(max_jobs), self._cluster.room)
        self._wait = wait
        self._collected: list[Attempt] = []
        self._jobs: list[_Job] = []
        self._to_stop: dict[bool, list[Attempt]] = {False: [], True: []}
        self._look_at = -math.inf

    def has_room(self) -> bool:
        """Whether another job may be submitted."""
        return not self._wait or len(self._collected) + len(self._jobs) < self._room

    def begin(self, attempt: Attempt) -> None:
        """Takes an attempt into the next array, or finds the job that an earlier launch queued.

        Raises:
            RunError: If the job needs several nodes, or is in the queue with another configuration.
        """
        check_one_node(attempt.job)
        found = self._cluster.found(attempt)
        if found is not None:
            self._jobs.append(_Job(attempt, found))
        else:
            attempt.place = self._cluster.name
            self._collected.append(attempt)

    def wait(self, seconds: float) -> Sequence[tuple[Attempt, Exit]]:
        """Submits what has been collected, and waits until a job ends.

        Raises:
            RunError: If SLURM does not take the jobs.
            Submitted: If the jobs are not to be waited for.
        """
        until = time.monotonic() + seconds
        self._submit()
        ended = self._stopped()
        if not self._wait and not ended:
            raise Submitted
        while not (ended := [*ended, *self._ended()]) and time.monotonic() < until:
            time.sleep(_POLL_SECONDS)
        return ended

    def stop(self, attempt: Attempt, *, at_once: bool) -> None:
        """Notes whom to stop; all of them are passed on together."""
        self._to_stop[at_once].append(attempt)

    def close(self) -> None:
        """Nothing is held: SLURM keeps the jobs."""

    def _submit(self) -> None:
        """Submits what has been collected as arrays of jobs that ask for the same."""
        attempts, self._collected = self._collected, []
        for gpus in sorted({self._gpus(attempt) for attempt in attempts}):
            alike = [attempt for attempt in attempts if self._gpus(attempt) == gpus]
            for start in range(0, len(alike), _MOST_IN_ARRAY):
                self._submit_array(alike[start : start + _MOST_IN_ARRAY], gpus)

    def _submit_array(self, attempts: Sequence[Attempt], gpus: int) -> None:
        cores = self._allocation.cpus_per_task
        tasks = [SlurmTask(order_for(a, self._sweep, cores=cores, gpus=gpus)) for a in attempts]
        folder = submitit_folder(SweepDirectory(self._sweep))
        name = self._cluster.name
        limits = {f"{name}_max_num_timeout": self._allocation.max_timeouts}
        executor = submitit.AutoExecutor(
            folder, cluster=name, **(limits if name != "debug" else {})
        )
        try:
            executor.update_parameters(**self._allocation.parameters(gpus))
            handles = executor.submit_array(tasks)
        except (FailedJobError, FailedSubmissionError, OSError) as error:
            raise RunError(
                f"SLURM did not take {len(tasks)} jobs: {error}\nJobs that are in its queue stay "
                "there. Change hydra.launcher.partition, .sbatch and the like, and start again."
            ) from error
        self._cluster.submitted(attempts, handles)
        self._jobs += map(_Job, attempts, handles)

    def _gpus(self, attempt: Attempt) -> int:
        return gpus_of(attempt.job, self._allocation.gpus_per_job)

    def _stopped(self) -> list[tuple[Attempt, Exit]]:
        """Passes on who is to stop; returns those that had not begun."""
        wishes, self._to_stop = self._to_stop, {False: [], True: []}
        never: set[str] = set()
        for at_once, attempts in wishes.items():
            handles = [j.handle for j in self._jobs if any(j.attempt is a for a in attempts)]
            if handles:
                never |= self._cluster.stop(handles, at_once=at_once)
        gone = [job for job in self._jobs if job.handle.job_id in never]
        self._jobs = [job for job in self._jobs if job.handle.job_id not in never]
        return [(job.attempt, Exit(None, busy=True)) for job in gone]

    def _ended(self) -> list[tuple[Attempt, Exit]]:
        ended: list[tuple[Attempt, Exit]] = []
        if time.monotonic() < self._look_at:
            return ended
        self._look_at = time.monotonic() + self._cluster.look_seconds
        for job in list(self._jobs):
            found = self._cluster.exit(job.attempt, job.handle)
            if found is not None:
                self._jobs.remove(job)
                ended.append((job.attempt, found))
        return ended
