"""Whether the command of this process ends well, for what cannot say so by raising."""

import contextlib
from collections.abc import Iterator

_failures: list[str] = []


def report_failure(what: str) -> None:
    """Has the command end with exit code 1, once all else is done.

    Args:
        what: What has failed.
    """
    _failures.append(what)


@contextlib.contextmanager
def failures() -> Iterator[list[str]]:
    """Collects what is reported during the block, into the list that it gives."""
    _failures.clear()
    yield _failures
