"""Launchers for ``hydra/launcher``; Hydra looks at this at every start, so it imports little."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig

    from project.commands.sweeping import Launch
    from project.launch.jobs.composing import Composer
    from project.launch.jobs.executor import Executor
    from project.launch.jobs.source import Source
    from project.runs.sweeps import JobStatus as Status


class SweepLauncher(Launcher):
    """What all our launchers share: each job is a single run in a process of its own.

    Args:
        retries: How often a job that failed is tried again.
        timeout_minutes: Longest time of an attempt; None: any.
        keep_checkpoints: ``all``, ``best``, ``best_of_sweep`` or ``none``, of jobs that finished.
        reserve_gb: What is to stay free on disk, in 10^9 bytes.
    """

    name = "sweep"

    def __init__(
        self,
        retries: int = 0,
        timeout_minutes: float | None = None,
        keep_checkpoints: str = "all",
        reserve_gb: float = 1.0,
    ) -> None:
        self.policy: dict[str, Any] = {
            "retries": retries,
            "timeout_minutes": timeout_minutes,
            "keep_checkpoints": keep_checkpoints,
            "reserve_gb": reserve_gb,
        }
        self._context: HydraContext | None = None
        self._config: DictConfig | None = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Takes what Hydra gives; jobs run in other processes, so the function is not needed."""
        del task_function
        self._context, self._config = hydra_context, config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Runs jobs; what becomes of each is in its directory."""
        from project.commands.sweeping import run_listed  # noqa: PLC0415

        statuses = run_listed(self._launch(), job_overrides, initial_job_idx)
        return [_returned(status) for status in statuses]

    def stream(self, make_source: Callable[[Composer], Source]) -> list[Status]:
        """Runs jobs of which each may depend on how others ended.

        Args:
            make_source: Makes the source of the jobs from what composes them.

        Returns:
            How each job is in the end.
        """
        from project.commands.sweeping import run  # noqa: PLC0415

        launch = self._launch()
        return run(launch, make_source(launch.composer))

    def executor(self, sweep: Path, devices: int) -> Executor:
        """What runs the jobs.

        Args:
            sweep: Directory of the sweep.
            devices: Of a job.
        """
        raise NotImplementedError

    def _launch(self) -> Launch:
        from project.commands.sweeping import Launch  # noqa: PLC0415
        from project.launch.jobs.composing import Composer  # noqa: PLC0415
        from project.launch.policy import make_policy  # noqa: PLC0415

        assert self._context is not None, "Hydra calls setup first"
        assert self._config is not None
        composer = Composer(self._context, self._config)
        return Launch(composer, self.name, make_policy(**self.policy), self.executor)


class LocalLauncher(SweepLauncher):
    """Fills the GPUs or cores of this machine.

    Args:
        gpus: ``auto`` for all that are visible, numbers of some, or none.
        gpus_per_job: ``auto`` as many as the trainer's devices.
        jobs_per_gpu: Jobs that share a GPU.
        cpu_jobs: Without a GPU, jobs at the same time; ``auto``: as many as there are cores for.
        warm_start: Whether jobs are forked from a process that has imported what they need.
        **common: See `SweepLauncher`.
    """

    name = "local"

    def __init__(
        self,
        gpus: Any = "auto",
        gpus_per_job: int | str = "auto",
        jobs_per_gpu: int = 1,
        cpu_jobs: int | str = "auto",
        warm_start: bool = True,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.gpus = gpus
        self.gpus_per_job = gpus_per_job
        self.jobs_per_gpu = jobs_per_gpu
        self.cpu_jobs = cpu_jobs
        self.warm_start = warm_start

    def executor(self, sweep: Path, devices: int) -> Executor:
        """Processes of this machine."""
        from project.launch.local.executor import local_executor  # noqa: PLC0415

        return local_executor(
            sweep,
            devices,
            gpus=self.gpus,
            gpus_per_job=self.gpus_per_job,
            jobs_per_gpu=self.jobs_per_gpu,
            cpu_jobs=self.cpu_jobs,
            warm_start=self.warm_start,
            on_cpu=self._trains_on_cpu(),
        )

    def _trains_on_cpu(self) -> bool:
        trainer = self._config.get("trainer") if self._config is not None else None
        return trainer is not None and trainer.get("accelerator") == "cpu"


def _returned(status: Status) -> JobReturn:
    """For Hydra, which would end the sweep with a trace if it were told of a failure."""
    return JobReturn(
        overrides=list(status.overrides),
        status=JobStatus.COMPLETED,
        working_dir=str(status.run.path),
        _return_value=status.record,
    )
