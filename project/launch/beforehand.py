"""A training that others need before they begin: run once, and waited for by all of them."""

import contextlib
import logging
import signal
import subprocess
import sys
import time
from pathlib import Path

from project.errors import RunError
from project.launch.jobs.attempt import Attempt, Exit
from project.launch.jobs.decision import Step, decide
from project.launch.jobs.job import Job
from project.launch.membership import SWEEP
from project.launch.processes import first_process
from project.launch.search.trial import TRIAL
from project.runs.directory import RunDirectory
from project.runs.lock import INHERITED, Lock, is_locked
from project.runs.record import RunRecord, read_record

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
_ABANDONED_SECONDS = 600.0  # without a sign of work; the nodes of a run start minutes apart
_LAST_SECONDS = 10.0  # to end at once, before it is killed
# What makes a process part of something else: a sweep, a search, a W&B run, an allocation.
_NOT_TOLD = (SWEEP, TRIAL, "WANDB_RUN_ID", "WANDB_SWEEP_ID")
_NOT_TOLD_BEGINNINGS = ("SLURM_", "TORCHELASTIC_")


def train_once(job: Job) -> RunDirectory:
    """Has a job be trained to its end, unless it has been already.

    Its directory is locked meanwhile: whoever else needs it waits. What was stopped goes on. Of the
    processes of a run only the first one trains; the others wait for it. What the training prints
    goes to the output of this process; signals that end this process have it write a checkpoint
    and stop.

    Args:
        job: The training.

    Returns:
        Its directory, that of a finished run.

    Raises:
        RunError: If it failed, with its error; or, in another process than the first, if nobody has
            worked on it for minutes.
    """
    if not first_process():
        _wait_for_first_process(job.run)
    elif not has_finished(job.run):
        lock, waited = _locked(job.run)
        try:
            _train_or_go_on(job, lock, waited=waited)
        finally:
            lock.release()
    return job.run


def has_finished(run: RunDirectory) -> bool:
    """Whether a directory holds a finished run."""
    record = _record_of(run)
    return record is not None and record.state == "finished"


def _wait_for_first_process(run: RunDirectory) -> None:
    """Waits until a run has finished, as long as somebody works on it.

    A failure that is there from the beginning may be that of an earlier launch, which the first
    process is about to try again, or already its own. Clocks of several nodes cannot tell which;
    what tells is that nobody takes it up.
    """
    if has_finished(run):
        return
    log.info("The first process has the weights to start from trained: waiting for %s.", run.path)
    before, written, last_sign = _record_of(run), _written(run), time.monotonic()
    while not has_finished(run):
        record = _record_of(run)
        if record is not None and record.state == "failed" and _differ(record, before):
            raise _failure(run, record)
        # Some file systems show locks on one node only; all show what a training writes.
        now = _written(run)
        if now != written or is_locked(run.lock_file):
            written, last_sign = now, time.monotonic()
        elif time.monotonic() - last_sign > _ABANDONED_SECONDS:
            raise _abandoned(run, record)
        time.sleep(_LOOK_SECONDS)


def _differ(record: RunRecord, before: RunRecord | None) -> bool:
    return before is None or record.finished != before.finished


def _written(run: RunDirectory) -> list[int]:
    """When the files that a training keeps writing were last written."""
    times = []
    for file in (run.record_file, run.progress_file):
        with contextlib.suppress(FileNotFoundError):
            times.append(file.stat().st_mtime_ns)
    return times


def _abandoned(run: RunDirectory, record: RunRecord | None) -> RunError:
    found = f"a training that is {_ended(record)}" if record is not None else "no training"
    return RunError(
        f"pretrain: expected the first process to have the weights to start from trained in "
        f"{run.path}, got {found}, on which nobody has worked for {_ABANDONED_SECONDS:g} seconds. "
        "See what ended the first process, and start this run again."
    )


def _locked(run: RunDirectory) -> tuple[Lock, bool]:
    """The lock of a run, waited for as long as it takes; and whether it was waited for."""
    # Whoever only looks whether it is taken holds it for a moment.
    lock = Lock.take(run.lock_file, seconds=_LOOK_SECONDS)
    waited = lock is None
    if waited:
        log.info("Another process trains the weights to start from: waiting for %s.", run.path)
    while lock is None:
        lock = Lock.take(run.lock_file, seconds=_LOOK_SECONDS)
    return lock, waited


def _train_or_go_on(job: Job, lock: Lock, *, waited: bool) -> None:
    record = _record_of(job.run)
    if waited and record is not None and record.state == "failed":
        raise _failure(job.run, record)  # it would again
    step = decide(job)
    if step is Step.SKIP:
        return
    goes_on = step is Step.CONTINUE
    task = "Goes on training" if goes_on else "First trains"
    words = " ".join(job.overrides)
    log.info("%s the weights to start from (%s) in %s.", task, words, job.run.path)
    ended = _run(Attempt(job, goes_on, lock=lock), lock)
    if ended.state != "finished":
        raise _failure(job.run, ended)
    log.info("The weights to start from are trained: %s.", job.run.path)


def _run(attempt: Attempt, lock: Lock) -> RunRecord:
    """Runs a training in a process of its own, which is asked to stop when this one is."""
    job = attempt.job
    process = subprocess.Popen(
        [sys.executable, "-m", job.module, *job.arguments(resume=attempt.resume)],
        stdin=subprocess.DEVNULL,
        env=_environment(attempt, lock),
        pass_fds=[lock.descriptor],  # if this process is killed, the training goes on, locked
    )
    try:
        code = process.wait()
    except BaseException:  # Ctrl-C or SIGTERM, whatever they have been turned into
        _stop(process)
        raise
    return attempt.concluded(Exit(code))


def _environment(attempt: Attempt, lock: Lock) -> dict[str, str]:
    known = attempt.environment(Path(), {INHERITED: str(lock.descriptor)})
    return {
        name: value
        for name, value in known.items()
        if name not in _NOT_TOLD and not name.startswith(_NOT_TOLD_BEGINNINGS)
    }


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Has a training write a checkpoint and end; at once, if this process is asked again.

    A terminal tells both processes of Ctrl-C, and a second one would be too much for the training;
    SIGTERM after it changes nothing.
    """
    process.terminate()
    try:
        process.wait()
    except BaseException:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_LAST_SECONDS)
        process.kill()
        process.wait()
        raise


def _record_of(run: RunDirectory) -> RunRecord | None:
    with contextlib.suppress(RunError):
        return read_record(run)
    return None


def _failure(run: RunDirectory, record: RunRecord) -> RunError:
    return RunError(
        f"pretrain: expected weights to start from in {run.path}, got a training that is "
        f"{_ended(record)}. Mend what it says, and start this run again."
    )


def _ended(record: RunRecord) -> str:
    if record.state == "running":  # killed, with nobody left to record it
        return "cut off"
    error = record.error
    why = f"{error.type}: {error.message}" if error is not None else "it left no word of why"
    return f"{record.state} ({why})"
