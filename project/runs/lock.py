"""Who works in a directory: a lock that lives as long as any process that holds it.

The operating system gives it back however its holders end, ``kill -9`` included. It is passed on to
a child by its file descriptor, so a run stays locked when the launcher that started it is gone.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from project.atomic import explained
from project.errors import RunError

INHERITED = "EVENHAND_LOCK_FD"  # file descriptor of a lock that this process was given

_LOOK_SECONDS = 0.02


class Lock:
    """An exclusive lock that is held, on a file that stays.

    Args:
        descriptor: Of the locked file.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def take(cls, file: Path, *, shared: bool = False, seconds: float = 0.0) -> "Lock | None":
        """Takes a lock that nobody holds.

        Args:
            file: What is locked. It and its folders are made; its content does not matter.
            shared: Whether others may hold it, too, if they also share it.
            seconds: Longest time that others are waited for.

        Returns:
            The lock, or None if another process holds it all the time.

        Raises:
            RunError: If the file cannot be made, or its file system knows no locks.
        """
        with explained(file, "lock"):
            file.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        until = time.monotonic() + seconds
        try:
            while not _locked(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX):
                if time.monotonic() >= until:
                    os.close(descriptor)
                    return None
                time.sleep(_LOOK_SECONDS)
        except OSError as error:
            os.close(descriptor)
            raise RunError(
                f"{file}: cannot be locked ({error.strerror}), as its file system has no locks. "
                "Choose a folder on another disk with paths.output=<folder>."
            ) from error
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor)

    def release(self) -> None:
        """Lets go; the lock stays taken as long as a child has it. Safe to call twice."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def is_locked(file: Path) -> bool:
    """Finds out whether any process holds a lock, without keeping others from taking it for long.

    Args:
        file: What is locked; need not exist.
    """
    with contextlib.suppress(FileNotFoundError), file.open("rb") as stream:
        return not _locked(stream.fileno(), fcntl.LOCK_SH)
    return False


def _locked(descriptor: int, kind: int) -> bool:
    """Locks a file unless another process has; returns whether it is locked."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def locked_or_inherited(file: Path, seconds: float = 0.0) -> Iterator[bool]:
    """Holds a lock during the block, unless whoever started this process holds it for us.

    Args:
        file: What is locked.
        seconds: Longest time that others are waited for.

    Yields:
        Whether the lock is held; False if another process works there.
    """
    if INHERITED in os.environ:
        with _kept_from_workers(int(os.environ[INHERITED])):
            yield True
        return
    lock = Lock.take(file, seconds=seconds)
    if lock is None:
        yield False
        return
    try:
        with _kept_from_workers(lock.descriptor):
            yield True
    finally:
        lock.release()


@contextlib.contextmanager
def _kept_from_workers(descriptor: int) -> Iterator[None]:
    """Keeps a lock from what this process forks.

    Workers that load data outlive a killed process by seconds, and do nothing in its directory.
    """
    _unshared.add(descriptor)
    try:
        yield
    finally:
        _unshared.discard(descriptor)


def _close_unshared() -> None:
    for descriptor in _unshared:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _unshared.clear()


_unshared: set[int] = set()
os.register_at_fork(after_in_child=_close_unshared)
