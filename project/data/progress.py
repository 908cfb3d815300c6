"""Progress bars on standard error, in terminals and in log files alike."""

import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")

# Threads share our bars. tqdm's own lock is shared with forked processes as well, and stays taken
# for good when one of them is killed just then.
tqdm.set_lock(threading.RLock())


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
    yield from tqdm(items, total=total, desc=title, unit=unit, disable=not shown)
