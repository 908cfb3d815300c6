"""Launchers for more than one machine; Hydra looks at this at every start, so it imports little."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from hydra_plugins.evenhand.launchers import SweepLauncher

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from hydra.core.utils import JobReturn

    from project.launch.jobs.composing import Composer
    from project.launch.jobs.executor import Executor
    from project.launch.jobs.source import Source
    from project.runs.sweeps import JobStatus

log = logging.getLogger(__name__)


class SlurmLauncher(SweepLauncher):
    """Has SLURM run the jobs.

    Args:
        cluster: ``slurm``; or ``local`` or ``debug``, to try it without.
        wait: Whether to wait for the jobs, see how far they are, and try again those that fail.
        max_jobs: Waiting or running at the same time; None: as many as there are.
        retries: See `SweepLauncher`.
        keep_checkpoints: See `SweepLauncher`.
        reserve_gb: See `SweepLauncher`.
        **allocation: What each job asks for, see `project.launch.remote.slurm.Allocation`.
    """

    name = "slurm"

    def __init__(
        self,
        cluster: str = "slurm",
        wait: bool = True,
        max_jobs: int | None = None,
        retries: int = 0,
        keep_checkpoints: str = "all",
        reserve_gb: float = 1.0,
        **allocation: Any,
    ) -> None:
        # Time counts from a job's start, which only SLURM knows.
        super().__init__(retries, None, keep_checkpoints, reserve_gb)
        self.cluster = cluster
        self.wait = wait
        self.max_jobs = max_jobs
        self.allocation = allocation

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Runs jobs, or leaves them to SLURM."""
        _check_installed()
        from project.launch.remote.slurm import Submitted  # noqa: PLC0415

        try:
            return super().launch(job_overrides, initial_job_idx)
        except Submitted:
            log.info("The jobs are SLURM's now. The same command again shows how they are.")
            return []

    def stream(self, make_source: Callable[[Composer], Source]) -> list[JobStatus]:
        """Runs jobs of which each may depend on how others ended.

        Raises:
            ConfigError: If the launcher is not to wait for them.
        """
        from project.errors import ConfigError  # noqa: PLC0415

        if not self.wait:
            raise ConfigError(
                "hydra.launcher.wait=false: a search chooses the next job by how others ended, so "
                "it has to wait. Start it in a terminal that stays, or as a job of its own."
            )
        return super().stream(make_source)

    def executor(self, sweep: Path, devices: int) -> Executor:
        """SLURM's queue."""
        del devices
        _check_installed()
        from project.launch.remote.settings import settings  # noqa: PLC0415
        from project.launch.remote.slurm import Allocation, SlurmExecutor  # noqa: PLC0415

        allocation = settings(Allocation, self.allocation)
        return SlurmExecutor(sweep, allocation, self.cluster, self.max_jobs, wait=self.wait)


def _check_installed() -> None:
    from project.launch.packages import require  # noqa: PLC0415

    require("submitit", "hydra/launcher=slurm", "slurm")


class RayLauncher(SweepLauncher):
    """Runs the jobs on a Ray cluster.

    Args:
        address: ``auto`` for the cluster that this machine belongs to, its address, or ``local`` to
            start one on this machine.
        max_jobs: At the same time; None: as many as the cluster has room for.
        retries: See `SweepLauncher`.
        keep_checkpoints: See `SweepLauncher`.
        reserve_gb: See `SweepLauncher`.
        **needs: What each job takes, see `project.launch.remote.ray.Needs`.
    """

    name = "ray"

    def __init__(
        self,
        address: str = "auto",
        max_jobs: int | None = None,
        retries: int = 0,
        keep_checkpoints: str = "all",
        reserve_gb: float = 1.0,
        **needs: Any,
    ) -> None:
        # Time counts from a job's start, which is noticed where it runs.
        super().__init__(retries, None, keep_checkpoints, reserve_gb)
        self.address = address
        self.max_jobs = max_jobs
        self.needs: Mapping[str, Any] = needs

    def executor(self, sweep: Path, devices: int) -> Executor:
        """The cluster."""
        from project.launch.remote.ray import Needs, RayExecutor  # noqa: PLC0415
        from project.launch.remote.settings import settings  # noqa: PLC0415

        return RayExecutor(sweep, settings(Needs, self.needs), devices, self.address, self.max_jobs)
