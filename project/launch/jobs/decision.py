"""What is to be done with a job, by what its directory holds already."""

import builtins
from collections.abc import Callable
from enum import StrEnum

from project.errors import RunError
from project.launch.jobs.job import Job
from project.runs.differences import Change, config_changes
from project.runs.record import NO_WORD, RunRecord, read_record
from project.runs.saved_config import read_config

_LISTED = 8

# Errors that say more about the machine, its disks and its memory than about the run.
_FROM_AROUND = {"MemoryError", "OutOfMemoryError", "RunError"} | {
    name
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, OSError)
}

DataFingerprint = Callable[[Job], str | None]


class Step(StrEnum):
    """What to do with a job."""

    SKIP = "skip"  # it has ended for good
    CONTINUE = "continue"  # from its last checkpoint
    START = "start"


def decide(job: Job, data: DataFingerprint = lambda _: None) -> Step:
    """Finds out what is to be done with a job that no process works on.

    Args:
        job: The job.
        data: Gives the fingerprint of the job's photos, labels and split as they are now, or None
            where that cannot be told. Asked only if the directory holds one to compare with.

    Returns:
        What to do. A run that failed by an error of its own starts anew, as the cause may have been
        mended since; one that was stopped from outside, or by a lack of space, memory or files,
        goes on.

    Raises:
        RunError: If the directory holds a run of another configuration or of other data that has
            reached something, with the differences; or a damaged record.
    """
    if not job.run.record_file.exists():
        return Step.START
    record = read_record(job.run)
    has_checkpoints = any(job.run.checkpoints.glob("*.ckpt"))
    ended = record.state in ("finished", "pruned")
    if not ended and not has_checkpoints:
        return Step.START  # nothing in it is worth keeping
    _refuse_another_config(job, record)
    _refuse_other_data(job, record, data)
    if ended:
        return Step.SKIP
    return Step.START if _failed_by_itself(record) else Step.CONTINUE


def _failed_by_itself(record: RunRecord) -> bool:
    if record.state != "failed" or record.error is None:
        return False
    return record.error.type not in NO_WORD and record.error.type not in _FROM_AROUND


def _refuse_another_config(job: Job, record: RunRecord) -> None:
    if record.config_fingerprint == job.fingerprint:
        return
    changes, _ = config_changes(read_config(job.run), job.config)
    if not changes:  # the digest was taken by other rules
        return
    raise RunError(
        f"{job.run.path} holds a run ({record.state}) of another configuration, which stays as it "
        f"is:{_listed(changes)}\nChoose another folder with hydra.sweep.dir=<folder>, or move that "
        "run away."
    )


def _refuse_other_data(job: Job, record: RunRecord, data: DataFingerprint) -> None:
    if not record.data.fingerprint:
        return
    now = data(job)
    if now is None or now == record.data.fingerprint:
        return
    change = Change("photos, labels or split", record.data.fingerprint, now)
    raise RunError(
        f"{job.run.path} holds a run ({record.state}) on other data, which stays as it is:"
        f"{_listed([change])}\nRestore the photos in {record.data.root}, or choose another folder "
        "with hydra.sweep.dir=<folder>."
    )


def _listed(changes: list[Change]) -> str:
    lines = [f"\n  {change.what}: {change.then} there, {change.now} here" for change in changes]
    rest = len(lines) - _LISTED
    return "".join(lines[:_LISTED]) + (f"\n  and {rest} more" if rest > 0 else "")
