"""Who hears of everything that happens in a sweep."""

from collections.abc import Sequence
from typing import Protocol

from project.runs.sweeps import JobStatus


class Watcher(Protocol):
    """Shows a sweep while it runs."""

    def changed(self, jobs: Sequence[JobStatus]) -> None:
        """Hears how far all jobs are, whenever something happens and about twice a second.

        Args:
            jobs: In the order of the sweep; a search appends to them.
        """
        ...

    def said(self, text: str) -> None:
        """Hears what else people should know."""
        ...

    def closed(self) -> None:
        """Hears that there will be nothing more; safe to call twice."""
        ...


class Everyone:
    """Passes everything on.

    Args:
        watchers: To these, in this order.
    """

    def __init__(self, *watchers: Watcher) -> None:
        self._watchers = watchers

    def changed(self, jobs: Sequence[JobStatus]) -> None:
        """Passes it on."""
        for watcher in self._watchers:
            watcher.changed(jobs)

    def said(self, text: str) -> None:
        """Passes it on."""
        for watcher in self._watchers:
            watcher.said(text)

    def closed(self) -> None:
        """Passes it on."""
        for watcher in self._watchers:
            watcher.closed()
