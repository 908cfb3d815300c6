"""Which launchers work on a sweep: each holds a lock on a file of its own while it runs."""

import contextlib
import itertools
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from project.runs.lock import Lock, is_locked
from project.runs.sweeps import SweepDirectory


@contextlib.contextmanager
def announced(sweep: SweepDirectory) -> Iterator[None]:
    """Lets others know during the block that this process runs the jobs of a sweep.

    Args:
        sweep: The sweep.

    Raises:
        RunError: Nothing can be written there.
    """
    lock, file = _own_lock(sweep)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
        lock.release()


def living_launchers(sweep: SweepDirectory) -> list[str]:
    """Finds the launchers that work on a sweep, on this machine and wherever locks are shared.

    A process id alone would not tell: another process may have it by now.

    Args:
        sweep: The sweep.

    Returns:
        What people may call each, such as ``process 4711 on host``; empty where none runs.
    """
    with contextlib.suppress(FileNotFoundError):
        files = sorted(sweep.launchers.iterdir())
        parts = [file.name.rpartition("-") for file in files if is_locked(file)]
        return [f"process {process} on {host}" for host, _, process in parts]
    return []


def _own_lock(sweep: SweepDirectory) -> tuple[Lock, Path]:
    name = f"{socket.gethostname()}-{os.getpid()}"
    file, numbers = sweep.launchers / name, itertools.count(2)
    while (lock := Lock.take(file)) is None:
        # Containers may share a host's name and number their processes alike.
        file = sweep.launchers / f"{name}.{next(numbers)}"
    return lock, file
