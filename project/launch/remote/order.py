"""What is sent to another machine, and what comes back."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from project.errors import RunError
from project.launch.jobs.attempt import Attempt, Exit
from project.launch.jobs.job import Job
from project.launch.local.devices import VISIBLE
from project.launch.local.slots import CORES, THREADS
from project.launch.membership import SWEEP
from project.runs.lock import INHERITED

# Variables of the launcher that its jobs get wherever they run.
_TRAVELLING = ("EVENHAND_", "WANDB_", "HYDRA_FULL_ERROR")
_AT_HOME = (SWEEP, INHERITED, CORES)  # of this very process


@dataclass(frozen=True)
class Order:
    """A job for another machine, which shares the sweep's folder with this one.

    Attributes:
        job: The job.
        sweep: Directory of the sweep.
        folder: Where the launcher was started: paths on its command line begin there.
        variables: Of the job's process.
        timeout_minutes: Longest time from its start there; None: any.
    """

    job: Job
    sweep: Path
    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    timeout_minutes: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of an order.

    Attributes:
        exit: How the job's process ended; `Exit.busy` if none was started.
        refused: Why the machine could not even try.
    """

    exit: Exit
    refused: str = ""


def order_for(
    attempt: Attempt, sweep: Path, *, cores: int, gpus: float, timeout_minutes: float | None = None
) -> Order:
    """Makes the order for an attempt.

    Args:
        attempt: Of a job; whether it goes on from a checkpoint is decided again over there.
        sweep: Directory of the sweep.
        cores: That the job may use.
        gpus: That it gets; with none it sees none, whatever the machine has.
        timeout_minutes: Longest time from its start there.
    """
    variables = {CORES: str(cores), **dict.fromkeys(THREADS, str(cores))}
    if not gpus:
        variables[VISIBLE] = ""
    return Order(attempt.job, sweep, Path.cwd(), variables, timeout_minutes)


def travelling_variables() -> dict[str, str]:
    """Variables of the launcher for machines that were started without them, keys among them."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith(_TRAVELLING) and name not in _AT_HOME
    }


def check_one_node(job: Job) -> None:
    """Refuses what would need several allocations at once.

    Args:
        job: The job.

    Raises:
        RunError: If its trainer asks for several nodes.
    """
    nodes = (job.config.get("trainer") or {}).get("num_nodes", 1)
    if nodes > 1:
        raise RunError(
            f"trainer.num_nodes={nodes}: expected 1, as each job of a sweep gets one machine. "
            "Start runs over several machines by srun or torchrun, without --multirun."
        )


def gpus_of(job: Job, gpus_per_job: int | str) -> int:
    """GPUs that a job is to get.

    Args:
        job: The job.
        gpus_per_job: A number; or ``auto``: as many as its trainer has devices, and none if it is
            to run on the CPU.
    """
    if gpus_per_job != "auto":
        return int(gpus_per_job)
    trainer = job.config.get("trainer") or {}
    return 0 if trainer.get("accelerator") == "cpu" else job.devices


def tell_in_output(attempt: Attempt, text: str) -> None:
    """Adds what the run itself could not say to what it printed, where its record gets it from."""
    file = attempt.job.run.output_file
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8", errors="backslashreplace") as stream:
        stream.write(f"{text.rstrip()}\n")
