"""Progress bars on standard error, in terminals and in log files alike."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")

# Threads share our bars. tqdm's own lock is shared with forked processes as well, and stays taken
# for good when one of them is killed just then.
tqdm.set_lock(threading.RLock())

_quiet = 0  # blocks that leave bars out


def with_progress(
    items: Iterable[T], total: int | None, title: str, unit: str = "image", *, shown: bool = True
) -> Iterator[T]:
    """Passes items on and counts them on the screen.

    Args:
        items: What to pass on.
        total: How many there will be, if that is known.
        title: What is being done.
        unit: What an item is.
        shown: Whether to show anything.

    Yields:
        The items.
    """
    disable = not shown or _quiet > 0
    yield from tqdm(items, total=total, desc=title, unit=unit, disable=disable)


@contextmanager
def bars(*, shown: bool) -> Iterator[None]:
    """Has all bars that begin in the block left out, in whichever thread they do.

    Args:
        shown: Whether they are shown after all, unless a block around this one leaves them out.
    """
    global _quiet  # noqa: PLW0603  # of the process, as standard error is
    _quiet += not shown
    try:
        yield
    finally:
        _quiet -= not shown
