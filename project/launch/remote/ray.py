"""Runs jobs on a Ray cluster."""

import logging
import math
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from project.errors import ConfigError, RunError
from project.launch.jobs.attempt import Attempt, Exit
from project.launch.jobs.job import Job
from project.launch.packages import require
from project.launch.remote.order import (
    Outcome,
    check_one_node,
    gpus_of,
    order_for,
    tell_in_output,
    travelling_variables,
)
from project.launch.remote.runner import run_here
from project.launch.remote.settings import at_most

log = logging.getLogger(__name__)

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # what runs here is nobody else's business
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # jobs without a GPU are told so by us
}
_STOP_SECONDS = 0.5
_LITTLE = 1e-6  # shares of GPUs are floats


@dataclass(frozen=True)
class Needs:
    """What each job takes of the cluster.

    Attributes:
        gpus_per_job: ``auto``: as many as its trainer has devices; none with trainer=cpu, or where
            the cluster has none.
        jobs_per_gpu: Jobs that share a GPU.
        cpus_per_job: Cores.
        memory_gb: Memory that Ray reserves, in 10^9 bytes; None: not looked at.
        resources: Of the cluster's own kinds, by name.
        timeout_minutes: Longest time of an attempt; None: any.
    """

    gpus_per_job: int | str = "auto"
    jobs_per_gpu: int = 1
    cpus_per_job: int = 1
    memory_gb: float | None = None
    resources: Mapping[str, float] = field(default_factory=dict)
    timeout_minutes: float | None = None

    def __post_init__(self) -> None:
        """Refuses numbers that do not fit together."""
        shared, several = self.jobs_per_gpu > 1, self.gpus_per_job not in ("auto", 0, 1)
        if self.jobs_per_gpu < 1 or self.cpus_per_job < 1 or (shared and several):
            raise ConfigError(
                "hydra.launcher: expected 1 or more of cpus_per_job and of jobs_per_gpu, and "
                "jobs_per_gpu=1 where a job has several GPUs, got "
                f"cpus_per_job={self.cpus_per_job}, jobs_per_gpu={self.jobs_per_gpu} and "
                f"gpus_per_job={self.gpus_per_job}."
            )

    def gpus(self, job: Job, there: float) -> float:
        """GPUs of a job, or the share of one.

        Args:
            job: The job.
            there: GPUs of the cluster.
        """
        if self.gpus_per_job == "auto" and there == 0:
            return 0
        gpus = gpus_of(job, self.gpus_per_job)
        return gpus / self.jobs_per_gpu if gpus == 1 else gpus

    def asked(self, gpus: float) -> dict[str, float]:
        """By the names that nodes have for it.

        Args:
            gpus: Of the job.
        """
        memory = 0 if self.memory_gb is None else int(self.memory_gb * 1e9)
        all_of_it = {"CPU": self.cpus_per_job, "GPU": gpus, "memory": memory, **self.resources}
        return {kind: amount for kind, amount in all_of_it.items() if amount}

    def options(self, gpus: float) -> dict[str, Any]:
        """As Ray takes them.

        Args:
            gpus: Of the job.
        """
        return {
            "num_cpus": self.cpus_per_job,
            "num_gpus": gpus,
            "memory": None if self.memory_gb is None else int(self.memory_gb * 1e9),
            "resources": dict(self.resources) or None,
            "max_retries": 0,  # we try again, once we know what became of the first
        }


@dataclass
class _Job:
    attempt: Attempt
    ref: Any
    killed: bool = False


class RayExecutor:
    """Hands jobs to a Ray cluster; see `project.launch.jobs.executor.Executor`.

    Ray ends what a driver has started when the driver is gone; jobs then write a checkpoint.

    Args:
        sweep: Directory of the sweep, on a disk that all nodes share.
        needs: What each job takes.
        devices: Of a job, by its trainer.
        address: Of the cluster; ``auto`` finds the one that runs here, ``local`` starts one.
        max_jobs: At the same time; None: as many as the cluster has room for.

    Raises:
        ConfigError: If there is no such cluster, or Ray is not installed.
        RunError: If no node can hold a job.
    """

    holds_locks = False

    def __init__(
        self,
        sweep: Path,
        needs: Needs,
        devices: int = 1,
        address: str = "auto",
        max_jobs: int | None = None,
    ) -> None:
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        self._ray = require("ray", "hydra/launcher=ray", "ray")
        self._sweep = sweep
        self._needs = needs
        self._devices = devices
        self._max_jobs = at_most(max_jobs)
        self._jobs: list[_Job] = []
        self._to_stop: dict[bool, list[_Job]] = {False: [], True: []}
        self._nodes: dict[str, Mapping[str, float]] = {}  # what each that was ever seen has
        self._ours = not self._ray.is_initialized()
        if self._ours:
            self._connect(address)
        given = needs.gpus_per_job
        try:
            self._check_fits(0 if given == "auto" else int(given) / needs.jobs_per_gpu)
        except RunError:
            self.close()
            raise
        self._task = self._ray.remote(run_here)

    def has_room(self) -> bool:
        """Whether the cluster has room for another job now."""
        given = math.isfinite(self._max_jobs)
        return len(self._jobs) < (self._max_jobs if given else self._room())

    def begin(self, attempt: Attempt) -> None:
        """Hands an attempt to Ray, which chooses the node.

        Raises:
            RunError: If the job needs several nodes, or more than any node has.
        """
        check_one_node(attempt.job)
        gpus = self._needs.gpus(attempt.job, self._there("GPU"))
        self._check_fits(gpus)
        order = order_for(
            attempt,
            self._sweep,
            cores=self._needs.cpus_per_job,
            gpus=gpus,
            timeout_minutes=self._needs.timeout_minutes,
        )
        order = replace(order, variables={**travelling_variables(), **order.variables})
        options = {**self._needs.options(gpus), "name": attempt.job.name}
        attempt.place = "Ray"
        self._jobs.append(_Job(attempt, self._task.options(**options).remote(order)))

    def wait(self, seconds: float) -> Sequence[tuple[Attempt, Exit]]:
        """Passes on who is to stop, and waits until a job ends."""
        self._cancel()
        if not self._jobs:
            time.sleep(seconds)
            return []
        refs = [job.ref for job in self._jobs]
        ready, _ = self._ray.wait(refs, num_returns=1, timeout=seconds)
        if ready:
            ready, _ = self._ray.wait(refs, num_returns=len(refs), timeout=0)
        ended = [job for job in self._jobs if job.ref in ready]
        self._jobs = [job for job in self._jobs if job.ref not in ready]
        return [(job.attempt, self._exit(job)) for job in ended]

    def stop(self, attempt: Attempt, *, at_once: bool) -> None:
        """Notes whom to stop; all of them are passed on together."""
        self._to_stop[at_once] += [job for job in self._jobs if job.attempt is attempt]

    def close(self) -> None:
        """Leaves the cluster; one that was started for us ends."""
        if self._ours:
            self._ray.shutdown()

    def _cancel(self) -> None:
        """Interrupts tasks, or kills their processes, upon which the jobs are killed, too."""
        wishes, self._to_stop = self._to_stop, {False: [], True: []}
        for job in (*wishes[False], *wishes[True]):
            self._ray.cancel(job.ref, force=False)
        if wishes[True]:
            time.sleep(_STOP_SECONDS)  # so that it is known over there that this is meant
        for job in wishes[True]:
            self._ray.cancel(job.ref, force=True)
            job.killed = True

    def _check_fits(self, gpus: float) -> None:
        """Refuses what Ray would wait for without end and without a word.

        A node that is lost may come back, so it counts.
        """
        asked = self._needs.asked(gpus)
        if any(_holds(node, asked) for node in self._nodes.values()):
            return
        alive = (node for node in self._ray.nodes() if node["Alive"])
        self._nodes |= {node["NodeID"]: node["Resources"] for node in alive}
        if any(_holds(node, asked) for node in self._nodes.values()):
            return
        nodes = "".join(f"\n  {_listed(node, asked)}" for node in self._nodes.values())
        raise RunError(
            "hydra/launcher=ray: expected a node that can hold a job, which asks for "
            f"{_listed(asked, asked)}, got nodes with:{nodes}\nChange "
            "hydra.launcher.cpus_per_job, .gpus_per_job, .memory_gb or .resources, or add a node."
        )

    def _connect(self, address: str) -> None:
        quiet: dict[str, Any] = {"log_to_driver": False, "configure_logging": False}
        if address == "local":
            quiet["include_dashboard"] = False
        try:
            self._ray.init(address=address, **quiet)
        except ConnectionError as error:
            raise ConfigError(
                f"hydra.launcher.address={address}: expected a Ray cluster there, got: {error}. "
                "Start one (ray start --head), name its address, or use address=local."
            ) from error

    def _room(self) -> int:
        """Jobs that all of the cluster can run at the same time."""
        room = self._there("CPU") / self._needs.cpus_per_job
        gpus = self._there("GPU")
        asked = self._needs.gpus_per_job
        per_job = self._devices if asked == "auto" else int(asked)
        if gpus and per_job:
            room = min(room, gpus / per_job * self._needs.jobs_per_gpu)
        return max(1, math.floor(room + 1e-6))

    def _there(self, kind: str) -> float:
        return float(self._ray.cluster_resources().get(kind, 0.0))

    def _exit(self, job: _Job) -> Exit:
        try:
            outcome: Outcome = self._ray.get(job.ref)
        except self._ray.exceptions.TaskCancelledError:
            return Exit(None, stopped=job.killed, busy=not job.killed)  # it waited, if not killed
        except self._ray.exceptions.RayTaskError as error:
            tell_in_output(job.attempt, str(error))
            return Exit(1)
        except self._ray.exceptions.RayError as error:  # its node is gone, or its process
            tell_in_output(job.attempt, f"Ray: {error}")
            return Exit(None)
        if not outcome.refused:
            return outcome.exit
        tell_in_output(job.attempt, outcome.refused)
        return Exit(1)


def _holds(node: Mapping[str, float], asked: Mapping[str, float]) -> bool:
    return all(node.get(kind, 0.0) + _LITTLE >= amount for kind, amount in asked.items())


def _listed(amounts: Mapping[str, float], kinds: Iterable[str]) -> str:
    return ", ".join(f"{amounts.get(kind, 0):,.15g} {kind}" for kind in kinds)
