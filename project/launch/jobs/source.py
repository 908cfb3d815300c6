"""Where the jobs of a sweep come from: a list, or a search that chooses the next by the last."""

from collections.abc import Iterable
from typing import Protocol

from project.launch.jobs.job import Job
from project.runs.sweeps import JobStatus


class Source(Protocol):
    """Gives jobs and hears how they end."""

    def known(self) -> list[Job]:
        """The jobs that are certain already, in the order of the sweep; `take` gives others."""
        ...

    def take(self) -> Job | None:
        """The next job; None if there is none now (any more, or until another has ended)."""
        ...

    def ended(self, status: JobStatus) -> None:
        """Hears that a job has ended for good, also one that had ended before this launch."""
        ...

    @property
    def exhausted(self) -> bool:
        """Whether `take` will give nothing any more, whatever ends."""
        ...


class ListedJobs:
    """Jobs that are known beforehand.

    Args:
        jobs: In the order of the sweep.
    """

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._jobs = list(jobs)

    def known(self) -> list[Job]:
        """All jobs."""
        return self._jobs

    def take(self) -> Job | None:
        """None: all jobs are known."""
        return None

    def ended(self, status: JobStatus) -> None:
        """Changes nothing."""

    @property
    def exhausted(self) -> bool:
        """It is from the beginning."""
        return True
