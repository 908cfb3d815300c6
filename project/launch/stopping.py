"""Whether a sweep has been asked to stop: by Ctrl-C, by a signal, or by a file that says so."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Urgency(IntEnum):
    """How a sweep is to stop."""

    NONE = 0
    WITH_CHECKPOINTS = 1
    AT_ONCE = 2


class StopRequests:
    """Counts the requests to stop; one asks for checkpoints first, two want it at once.

    Args:
        cancel_file: Its being there is a request, too; it is made from outside. What is there now
            was meant for an earlier launch.
    """

    def __init__(self, cancel_file: Path) -> None:
        cancel_file.unlink(missing_ok=True)
        self._cancel_file = cancel_file
        self._heard = 0

    @property
    def urgency(self) -> Urgency:
        """What has been asked for so far."""
        if self._heard == 0 and self._cancel_file.exists():
            self._heard = 1
        return Urgency(min(self._heard, Urgency.AT_ONCE))

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Listens during the block, where signals can be heard at all: in the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def hear(number: int, frame: FrameType | None) -> None:
            del number, frame
            self._heard += 1

        before = {number: signal.signal(number, hear) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
