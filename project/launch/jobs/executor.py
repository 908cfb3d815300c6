"""What a sweep asks of whatever runs its jobs: processes here, SLURM, Ray."""

from collections.abc import Sequence
from typing import Protocol

from project.launch.jobs.attempt import Attempt, Exit


class Executor(Protocol):
    """Runs attempts at jobs, each in a process of its own.

    Attributes:
        holds_locks: Whether the launcher takes the lock of a job's directory and hands it on. Where
            jobs run on other machines, they take it there.
    """

    holds_locks: bool

    def has_room(self) -> bool:
        """Whether an attempt may begin, or be queued, now."""
        ...

    def begin(self, attempt: Attempt) -> None:
        """Begins an attempt and names its ``place``; returns at once.

        Raises:
            RunError: If it cannot be begun at all.
        """
        ...

    def wait(self, seconds: float) -> Sequence[tuple[Attempt, Exit]]:
        """Waits until something ends, but not longer.

        Args:
            seconds: Longest wait.

        Returns:
            The attempts that have ended since the last call, with all of their processes.
        """
        ...

    def stop(self, attempt: Attempt, *, at_once: bool) -> None:
        """Asks an attempt to write a checkpoint and end, or kills it with all its processes."""
        ...

    def close(self) -> None:
        """Lets go of whatever is held; running attempts live on."""
        ...
