"""Signals that ask a run to save what it has, or to stop.

While a model is trained they wait until its state can be saved; before and afterwards there is
nothing to save, and the run ends at once.
"""

import contextlib
import signal
import threading
from collections.abc import Iterator
from enum import IntEnum
from types import FrameType
from typing import NoReturn

import pytorch_lightning as pl
import torch

from project.runs.record import TERMINATED

_HEEDED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class Urgency(IntEnum):
    """What is asked of a training; the larger wins."""

    NONE = 0
    SAVE = 1
    STOP = 2


class Stopped(BaseException):
    """Training has stopped because it was asked to, at a place from which it can go on."""


class Signals:
    """What this process was asked by signals; there is one, as signals are the process's.

    SIGUSR1 asks to save, SIGTERM and Ctrl-C to save and stop, a second Ctrl-C to stop at once.
    """

    def __init__(self) -> None:
        self._urgency = Urgency.NONE
        self._stopped_by = signal.SIGTERM
        self._waiting = False

    @property
    def urgency(self) -> Urgency:
        """The most that was asked for and not yet done."""
        return self._urgency

    def done_saving(self) -> None:
        """Everything asked for so far is saved."""
        if self._urgency is Urgency.SAVE:
            self._urgency = Urgency.NONE

    @contextlib.contextmanager
    def heeded(self) -> Iterator[None]:
        """Answers signals during the block: it ends at once, unless it trains.

        Raises:
            SystemExit: After SIGTERM.
            KeyboardInterrupt: After Ctrl-C.
        """
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread gets signals
            return
        before = {number: signal.getsignal(number) for number in _HEEDED}
        self._urgency = Urgency.NONE
        self._install()
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _install(self) -> None:
        for number in _HEEDED:
            # A shell has commands in the background ignore Ctrl-C, which is meant for others.
            if number != signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._receive)

    def wait(self) -> None:
        """Training begins: from now on signals wait for `Stopped`."""
        self._waiting = True

    @contextlib.contextmanager
    def training(self, *, speaks: bool) -> Iterator[None]:
        """Ends a training that has stopped in the way that the signal asks for.

        Args:
            speaks: Whether this process speaks for the run; another one ends without a complaint,
                which would have the first one killed.

        Raises:
            SystemExit: After SIGTERM, and in processes that do not speak.
            KeyboardInterrupt: After Ctrl-C.
        """
        try:
            yield
        except Stopped:
            if not speaks:
                raise SystemExit(0) from None
            self._end()
        finally:
            self._waiting = False
        if self._urgency is Urgency.STOP:  # it came too late to be answered by the training
            self._end()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        del frame
        if number == signal.SIGUSR1:
            self._urgency = max(self._urgency, Urgency.SAVE)
            return
        again = number == signal.SIGINT and self._urgency is Urgency.STOP
        self._urgency, self._stopped_by = Urgency.STOP, signal.Signals(number)
        if again or not self._waiting:
            self._end()

    def _end(self) -> NoReturn:
        if self._stopped_by == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(TERMINATED)


signals = Signals()


def agreed(trainer: pl.Trainer, urgency: int) -> int:
    """The largest urgency of all processes of a run; all of them must ask.

    Args:
        trainer: Of the run.
        urgency: This process's.
    """
    if trainer.world_size == 1:
        return urgency
    largest = torch.tensor(int(urgency), device=trainer.strategy.root_device)
    return int(trainer.strategy.reduce(largest, reduce_op="max"))
