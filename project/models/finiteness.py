"""Notices a loss that is not a number without having the processor wait for a GPU."""

import math
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from project.errors import TrainingError


class Copy(Protocol):
    """A number on its way from a device."""

    def is_here(self) -> bool:
        """Whether it has arrived."""

    def value(self) -> float:
        """The number, once it has arrived."""


class Bad(NamedTuple):
    """A loss that is not finite, and the step whose it was, in words."""

    loss: float
    step: str


class Losses:
    """The losses of recent steps, looked at as soon as that costs no wait.

    On a CPU that is at once. A GPU is some steps behind the processor that fills its queue, and to
    wait for every loss would empty the queue every time.

    Args:
        copied: Sends a loss to the processor.
    """

    def __init__(self, copied: Callable[[Tensor], Copy] | None = None) -> None:
        self._copied = copied or _copy
        self._coming: deque[tuple[Copy, str]] = deque()

    def add(self, loss: Tensor, step: str) -> None:
        """Takes the loss of a step, a scalar without gradient."""
        self._coming.append((self._copied(loss), step))

    def first_bad(self, *, wait: bool = False) -> Bad | None:
        """The first loss that is not finite; None if there is none among those looked at.

        Args:
            wait: Whether to look at all, rather than at those that have arrived.
        """
        while self._coming and (wait or self._coming[0][0].is_here()):
            copy, step = self._coming.popleft()
            loss = copy.value()
            if not math.isfinite(loss):
                self._coming.clear()
                return Bad(loss, step)
        return None

    def check(self, *, wait: bool = False) -> None:
        """Looks at what `first_bad` does.

        Raises:
            TrainingError: One of them is not finite.
        """
        bad = self.first_bad(wait=wait)
        if bad is not None:
            raise not_finite("training", bad.loss, bad.step)


def not_finite(stage: str, loss: float, position: str) -> TrainingError:
    """Makes the error that ends a training whose loss is not a number.

    Args:
        stage: What the loss was measured in, such as ``validation``.
        loss: That of this process; finite where it is that of another which is not.
        position: Where training was, in words.
    """
    got = "one that is not on another rank" if math.isfinite(loss) else loss
    return TrainingError(
        f"Expected a finite {stage} loss, got {got} at {position}. Try a lower optimizer.lr, "
        "trainer.gradient_clip_val=1.0 or trainer.precision=32-true."
    )


class _Here:
    """A number that the processor computed itself."""

    def __init__(self, loss: Tensor) -> None:
        self._loss = loss

    def is_here(self) -> bool:
        """It is."""
        return True

    def value(self) -> float:
        """The number."""
        return float(self._loss)


class _FromGpu:
    """A copy that is queued behind what computes the number."""

    def __init__(self, loss: Tensor) -> None:
        # Pinned: a copy to other memory would wait.
        self._host = torch.empty((), dtype=loss.dtype, pin_memory=True)
        self._host.copy_(loss, non_blocking=True)
        self._event: torch.Event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self._event.record()

    def is_here(self) -> bool:
        """Whether the queue has got there."""
        return self._event.query()

    def value(self) -> float:
        """The number; waits for it."""
        self._event.synchronize()
        return float(self._host)


def _copy(loss: Tensor) -> Copy:
    return _FromGpu(loss) if loss.is_cuda else _Here(loss)
