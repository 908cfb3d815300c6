"""Which checkpoints of a sweep stay on disk, and whether there is room for more."""

import logging
import math
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from project.errors import RunError
from project.runs.lock import Lock
from project.runs.record import RunRecord, read_record
from project.runs.sweeps import JobStatus, SweepDirectory

log = logging.getLogger(__name__)

Keep = Literal["all", "best", "best_of_sweep", "none"]

_BEST = "best.ckpt"
# The best, the last, the one before, and one that is being written.
_FILES_OF_A_RUN = 4


def tidy(jobs: Sequence[JobStatus], keep: Keep, monitor_mode: str) -> None:
    """Deletes checkpoints of finished runs that are not to be kept.

    Runs that have not finished, or that a process works on, keep theirs. A file that cannot be
    deleted is a warning: it costs room, and no result.

    Args:
        jobs: All jobs of the sweep.
        keep: ``all``; ``best`` of each run; ``best_of_sweep``, only that of the run with the best
            value of the monitored metric, the first of equals; or ``none``.
        monitor_mode: ``max`` or ``min``: which values are better.
    """
    if keep == "all":
        return
    finished = [job for job in jobs if job.state == "finished" and job.record is not None]
    winner = _best_of(finished, monitor_mode) if keep == "best_of_sweep" else None
    for job in finished:
        kept = keep == "best" or job is winner
        _delete(job, [file for file in _checkpoints(job) if not (kept and file.name == _BEST)])


def short_of_space(
    sweep: SweepDirectory, jobs: Iterable[JobStatus], reserve_bytes: int
) -> str | None:
    """Finds out whether the disk has room for another job.

    Args:
        sweep: The sweep.
        jobs: Its jobs. The largest checkpoint of any of them tells what one more will need.
        reserve_bytes: What is to stay free.

    Returns:
        None if there is room, else a message: what is free, what is needed and what to do.
    """
    place = next(folder for folder in (sweep.path, *sweep.path.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    largest = max((_size(file) for job in jobs for file in _checkpoints(job)), default=0)
    needed = reserve_bytes + _FILES_OF_A_RUN * largest
    if free >= needed:
        return None
    return (
        f"expected {_gigabytes(needed)} of free space for another job ({_gigabytes(reserve_bytes)} "
        f"in reserve and {_gigabytes(_FILES_OF_A_RUN * largest)} of checkpoints), got "
        f"{_gigabytes(free)} at {place}. Free some, keep fewer checkpoints with "
        "hydra.launcher.keep_checkpoints=best, or set hydra.launcher.reserve_gb; the same command "
        "then goes on."
    )


def _best_of(jobs: Iterable[JobStatus], mode: str) -> JobStatus | None:
    """The job with the best value; the first of equals, None where none has a value."""
    sign = -1 if mode == "min" else 1
    known = [(sign * value, job) for job in jobs if not math.isnan(value := _value(job.record))]
    return max(known, key=lambda pair: pair[0])[1] if known else None


def _value(record: RunRecord | None) -> float:
    return record.best.value if record and record.best else math.nan


def _checkpoints(job: JobStatus) -> list[Path]:
    return sorted(job.run.checkpoints.glob("*.ckpt*"))  # what is being written has another ending


def _delete(job: JobStatus, files: Sequence[Path]) -> None:
    """Deletes files while nobody else can begin to use them."""
    if not files:
        return
    try:
        lock = Lock.take(job.run.lock_file)
        if lock is None:
            return
        try:
            if read_record(job.run).state == "finished":  # another launcher may have seen to it
                for file in files:
                    file.unlink(missing_ok=True)
        finally:
            lock.release()
    except (RunError, OSError) as error:
        log.warning("Checkpoints of %s could not be deleted: %s", job.name, error)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:  # replaced at this moment
        return 0


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB"
