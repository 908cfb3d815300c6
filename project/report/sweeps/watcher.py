"""Several who hear of everything that happens in a sweep."""

from collections.abc import Sequence

from project.runs.sweeps import JobStatus, Watcher


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
