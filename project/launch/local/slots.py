"""Places where jobs of this machine run: each a GPU, a share of one, several, or some cores.

A slot is locked on the whole machine, by whoever runs in it: a second sweep of the same user waits
for free slots, and a job that outlived its launcher keeps its place.
"""

import getpass
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from project.errors import ConfigError
from project.launch.local.devices import VISIBLE
from project.runs.lock import Lock

FOLDER = "EVENHAND_SLOTS"  # where the locks of slots are, if not in the folder for temporary files
CORES = "EVENHAND_CORES"  # cores that a job may use
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True)
class Slot:
    """A place for one job.

    Attributes:
        name: For people, such as ``GPU 2``.
        gpus: As ``CUDA_VISIBLE_DEVICES`` takes them; none for a place on the CPU.
        cores: That the job may use.
        parts: What is locked while the job runs: GPUs, shares of one, cores.
        shared: Of these, what other jobs may use as well, if they share it.
    """

    name: str
    gpus: tuple[str, ...]
    cores: int
    parts: tuple[str, ...]
    shared: tuple[str, ...] = ()

    @property
    def environment(self) -> dict[str, str]:
        """Variables of a process in this place."""
        threads = dict.fromkeys(THREADS, str(self.cores))
        return {VISIBLE: ",".join(self.gpus), CORES: str(self.cores), **threads}


def available_cores() -> int:
    """Cores that this process, and so its jobs together, may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpu_slots(gpus: Sequence[str], per_job: int, per_gpu: int, cores: int) -> list[Slot]:
    """Cuts GPUs into places.

    Args:
        gpus: Names as ``CUDA_VISIBLE_DEVICES`` takes them.
        per_job: GPUs of a job.
        per_gpu: Jobs that share a GPU.
        cores: Of the machine, to be divided.

    Raises:
        ConfigError: If the numbers do not fit together.
    """
    if per_job > 1 and per_gpu > 1:
        raise ConfigError(
            f"hydra.launcher.jobs_per_gpu={per_gpu}: expected 1 for jobs of several GPUs, got "
            f"gpus_per_job={per_job}."
        )
    if per_job > len(gpus):
        raise ConfigError(
            f"hydra.launcher.gpus_per_job={per_job}: expected at most {len(gpus)}, the GPUs that "
            "the launcher may use."
        )
    groups = [tuple(gpus[i : i + per_job]) for i in range(0, len(gpus) - per_job + 1, per_job)]
    share = max(1, cores // (len(groups) * per_gpu))
    return [
        _gpu_slot(group, number, per_gpu, share)
        for number in range(per_gpu)  # so that first every GPU gets a job, and then a second one
        for group in groups
    ]


def cpu_slots(jobs: int | None, per_job: int, cores: int) -> list[Slot]:
    """Cuts cores into places.

    Args:
        jobs: At the same time; None: as many as there are cores for.
        per_job: Processes of a job, each of which needs a core.
        cores: Of the machine, to be divided.
    """
    count = jobs or max(1, cores // per_job)
    share = max(1, cores // count)
    cut = [range(number * share, (number + 1) * share) for number in range(count)]
    return [
        Slot(f"CPU {number}", (), share, tuple(f"cpu-{core}" for core in its))
        for number, its in enumerate(cut)
    ]


class Slots:
    """Gives places to jobs and takes them back.

    Args:
        slots: In the order in which they are given.
    """

    def __init__(self, slots: Sequence[Slot]) -> None:
        self._slots = list(slots)
        self._folder = _folder()
        self._given: set[Slot] = set()

    def __len__(self) -> int:
        """Number of places, free or not."""
        return len(self._slots)

    def take(self) -> tuple[Slot, list[Lock]] | None:
        """Takes a free place.

        Returns:
            The place, and its locks for the job's process to inherit; None if all are taken, by us
            or by others on this machine.
        """
        for slot in self._slots:
            if slot not in self._given and (locks := self._locked(slot)) is not None:
                self._given.add(slot)
                return slot, locks
        return None

    def give_back(self, slot: Slot) -> None:
        """Makes a place available again, once its job's processes are gone."""
        self._given.discard(slot)

    def _locked(self, slot: Slot) -> list[Lock] | None:
        locks: list[Lock] = []
        for part in slot.parts:
            lock = Lock.take(self._folder / f"{part}.lock", shared=part in slot.shared)
            if lock is None:
                for taken in locks:
                    taken.release()
                return None
            locks.append(lock)
        return locks


def _folder() -> Path:
    told = os.environ.get(FOLDER)
    return Path(told) if told else Path(tempfile.gettempdir()) / f"evenhand-{getpass.getuser()}"


def _gpu_slot(gpus: tuple[str, ...], number: int, per_gpu: int, cores: int) -> Slot:
    name = f"GPU {'+'.join(_short(gpu) for gpu in gpus)}"
    whole = tuple(re.sub(r"[^\w-]", "_", f"gpu-{gpu}") for gpu in gpus)
    if per_gpu == 1:
        return Slot(name, gpus, cores, whole)
    return Slot(f"{name}.{number}", gpus, cores, (*whole, f"{whole[0]}.{number}"), whole)


def _short(gpu: str) -> str:
    return gpu if len(gpu) <= 8 else gpu[:8]  # GPU-1234, MIG-1234: enough to tell apart
