"""The end of a process, without taking apart everything that it imported.

That takes Python two seconds where torch is imported, and nobody needs it.
"""

import atexit
import os
import sys
from collections.abc import Callable

_prepared = False
_code = 0


def prepare_to_leave() -> None:
    """Has the process end at once when all that is registered for its end from now on has run."""
    global _prepared  # noqa: PLW0603 - there is one end of a process
    if not _prepared:
        atexit.register(_leave)
        _prepared = True


def leave_after(action: Callable[[], object]) -> None:
    """Does what a process is there for, and prepares to leave.

    Args:
        action: May raise anything, which then decides about the exit code as usual.
    """
    global _code  # noqa: PLW0603
    prepare_to_leave()
    try:
        action()
    except BaseException as end:
        asked_for = end.code if isinstance(end, SystemExit) else 1
        _code = asked_for if isinstance(asked_for, int) else int(asked_for is not None)
        raise


def _leave() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(_code)
