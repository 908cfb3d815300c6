"""Has the jobs of a sweep write a checkpoint and stop, whether or not their launcher lives."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from project.atomic import write_text
from project.launch.remote.slurm_queue import take_back
from project.runs.directory import RunDirectory
from project.runs.launchers import living_launchers
from project.runs.progress import read_progress
from project.runs.sweeps import JobStatus, SweepDirectory, SweepFacts, read_jobs

_TICK_SECONDS = 0.5
_PROCESSES = Path("/proc")  # where the system has it


def cancel(
    sweep: SweepDirectory, facts: SweepFacts, say: Callable[[str], None], patience_seconds: float
) -> list[JobStatus]:
    """Stops all jobs of a sweep and waits until they have stopped.

    Launchers are asked by a file. Jobs on this machine that have outlived theirs are asked by the
    signal that it would have sent.

    Args:
        sweep: The sweep.
        facts: What it is.
        say: Is told how many jobs still run, whenever that changes.
        patience_seconds: Longest wait.

    Returns:
        The jobs that run still.

    Raises:
        RunError: The file cannot be written, or the sweep is damaged.
    """
    write_text(sweep.cancel_file, "")
    if facts.launcher == "slurm" and not living_launchers(sweep):
        take_back(sweep)  # jobs in the queue would begin once the file is gone
    begin, told, before = time.monotonic(), set[str](), -1
    while True:
        lives = bool(living_launchers(sweep))
        running = [job for job in read_jobs(sweep) if job.state == "running"]
        if not running and not lives:
            break
        if time.monotonic() - begin > patience_seconds:
            return running
        if not lives:
            told |= _tell_orphans([job for job in running if job.name not in told])
        if len(running) != before:
            say(_waits_for(len(running)))
            before = len(running)
        time.sleep(_TICK_SECONDS)
    if facts.host == socket.gethostname():  # elsewhere, a launcher may live whose lock is not seen
        sweep.cancel_file.unlink(missing_ok=True)
    return []


def main_process(run: RunDirectory) -> int | None:
    """The process of a run that others would have to ask to stop.

    Args:
        run: The run.

    Returns:
        Its id: the one that trains, if it holds the run's lock, else the one that started the
        others that hold it; None where no process of this machine does.
    """
    holders = _holders(run)
    progress = read_progress(run)
    if progress is not None and progress.process in holders:
        return progress.process
    roots = [process for process in holders if _parent(process) not in holders]
    return min(roots, default=None)


def _waits_for(running: int) -> str:
    if running == 0:
        return "Waiting until the launcher has ended"
    return f"{running} running: waiting until {'it has' if running == 1 else 'they have'} stopped"


def _tell_orphans(jobs: Sequence[JobStatus]) -> set[str]:
    """Asks jobs to stop; returns the names of those that could be asked."""
    told = set()
    for job in jobs:
        process = main_process(job.run)
        if process is not None:
            try:
                os.kill(process, signal.SIGTERM)
            except (ProcessLookupError, PermissionError):  # just ended; or of somebody else
                continue
            told.add(job.name)
    return told


def _holders(run: RunDirectory) -> set[int]:
    """Processes that have the lock of a run open, or else whose command names its directory."""
    if not (_PROCESSES / "self" / "fd").is_dir():
        return _named_in_commands(run)
    if not run.lock_file.exists():
        return set()
    lock = run.lock_file.stat()
    numbers = [int(entry.name) for entry in _PROCESSES.iterdir() if entry.name.isdigit()]
    return {number for number in numbers if _has_open(number, lock)}


def _has_open(process: int, file: os.stat_result) -> bool:
    try:
        descriptors = list((_PROCESSES / str(process) / "fd").iterdir())
    except OSError:  # ended, or of somebody else
        return False
    for descriptor in descriptors:
        try:
            if os.path.samestat(descriptor.stat(), file):
                return True
        except OSError:  # closed by now
            continue
    return False


def _named_in_commands(run: RunDirectory) -> set[int]:
    lines = _ps("-A", "-ww", "-o", "pid=,args=").splitlines()
    pairs = [line.strip().partition(" ") for line in lines]
    return {int(pid) for pid, _, args in pairs if str(run.path) in args and int(pid) != os.getpid()}


def _parent(process: int) -> int:
    """The process that started another; 0 where it is not known."""
    if not _PROCESSES.is_dir():
        return int(_ps("-o", "ppid=", "-p", str(process)).strip() or 0)
    try:
        stat = (_PROCESSES / str(process) / "stat").read_text(errors="replace")
    except OSError:  # ended
        return 0
    return int(stat.rpartition(")")[2].split()[1])  # the command before may hold blanks and more


def _ps(*options: str) -> str:
    """What ``ps`` prints; empty where it knows no such process, or where there is no ``ps``."""
    try:
        done = subprocess.run(["ps", *options], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout
