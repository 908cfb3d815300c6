"""Which precision and memory layout train a network fastest here."""

import gc
import logging
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from project.errors import TrainingError
from project.models.auxiliary import split_auxiliary
from project.models.backbones import MEMORY_FORMATS, MemoryFormat, prepare_backbone

log = logging.getLogger(__name__)

_ROUNDS = 3
_BUDGET_SECONDS = 30.0
_WORTH = 0.97  # share of the time that a later way must stay below, or the earlier one is taken

_AUTOCAST = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


class Way(NamedTuple):
    """A way to compute a step.

    Attributes:
        precision: A value of ``trainer.precision``.
        memory_format: A value of ``model.memory_format``.
    """

    precision: str
    memory_format: MemoryFormat


Step = Callable[[], float]
"""Takes a step and gives its seconds."""


def ways(precision: str, memory_format: MemoryFormat | str, device: torch.device) -> list[Way]:
    """Lists what is to be tried, the most exact first.

    Args:
        precision: A precision, or ``auto`` for all that a device is good at.
        memory_format: A layout, or ``auto`` for all.
        device: Where to train.
    """
    # GPUs before Ampere emulate bfloat16.
    half = "16-mixed" if device.type == "cuda" and not _has_bfloat16(device) else "bf16-mixed"
    precisions = ("32-true", half) if precision == "auto" else (precision,)
    formats = MEMORY_FORMATS if memory_format == "auto" else (memory_format,)
    return [Way(one, layout) for one in precisions for layout in formats]  # type: ignore[arg-type]


def milliseconds_per_step(
    backbone: nn.Module,
    tried: Sequence[Way],
    size: tuple[int, int],
    batch_size: int,
    device: torch.device,
    *,
    compiled: bool | str = False,
    step_of: Callable[..., Step] | None = None,
) -> dict[Way, float]:
    """Times forward and backward passes of copies of a network, on noise.

    Neither the network nor any generator of random numbers is changed. Only one copy is on the
    device at a time.

    Args:
        backbone: The network, as it was built.
        tried: Ways to compute.
        size: Height and width in pixels.
        batch_size: Images in a batch.
        device: Where to compute.
        compiled: A value of ``model.compile``.
        step_of: Makes a step of a network, a way and a batch; None: one that trains.

    Returns:
        The median of some steps by way, after one that warms up. Ways in which torch cannot
        compute here, such as for want of memory, are left out.

    Raises:
        TrainingError: If torch can compute in none of them.
    """
    make, seconds = step_of or _step, _BUDGET_SECONDS / len(tried)

    def median(way: Way) -> float:
        step = make(_copy(backbone, way, compiled, device), way, _noise(batch_size, size, device))
        return 1000 * statistics.median(_times(step, seconds))

    taken: dict[Way, float] = {}
    reason = ""
    with random_state_kept():
        for way in tried:
            try:
                taken[way] = median(way)
            except RuntimeError as error:  # which torch's lack of memory is, too
                reason = str(error)
                log.warning("%s cannot train here: %s", " ".join(way), reason)
            _release(device, compiled)
    if not taken:
        raise TrainingError(
            "trainer.precision, model.memory_format: expected one of "
            f"{', '.join(map(' '.join, tried))} to train batches of {batch_size} images of "
            f"{size[0]} x {size[1]} pixels on {device.type}, got none that does: "
            f"{reason.rstrip('.')}. Set a smaller data.batch_size or data.size if memory is short."
        )
    return taken


def fastest(milliseconds: dict[Way, float]) -> Way:
    """The fastest way; an earlier, more exact one where the difference is within the noise.

    Args:
        milliseconds: A step takes, in the order of `ways`.
    """
    best, *others = milliseconds
    for way in others:
        if milliseconds[way] < _WORTH * milliseconds[best]:
            best = way
    return best


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Puts the global generators back where they were before the block."""
    python, old = random.getstate(), np.random.get_state()  # noqa: NPY002 - foreign modules draw from it
    with torch.random.fork_rng(device_type="cuda"):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(old)  # noqa: NPY002


def _copy(backbone: nn.Module, way: Way, compiled: bool | str, device: torch.device) -> nn.Module:
    copy = deepcopy(backbone).to(device).train()
    return prepare_backbone(copy, compile=compiled, memory_format=way.memory_format)


def _noise(batch_size: int, size: tuple[int, int], device: torch.device) -> torch.Tensor:
    """Images as the loader lays them out."""
    images = torch.rand(batch_size, 3, *size, device=device)
    return images.contiguous(memory_format=torch.channels_last)


def _times(step: Step, seconds: float) -> list[float]:
    """Some steps, fewer if they take long; the one before them may compile."""
    step()
    begin, taken = time.perf_counter(), [step()]
    while len(taken) < _ROUNDS and time.perf_counter() - begin < seconds:
        taken.append(step())
    return taken


def _release(device: torch.device, compiled: bool | str) -> None:
    """Gives back what a copy took; what was compiled for it would be in the way of the next."""
    if compiled:
        torch.compiler.reset()
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _step(network: nn.Module, way: Way, images: torch.Tensor) -> Step:
    dtype = _AUTOCAST.get(way.precision)

    def step() -> float:
        _wait(images.device)
        begin = time.perf_counter()
        context: Any = torch.autocast(images.device.type, dtype) if dtype else nullcontext()
        with context:
            logits, auxiliary = split_auxiliary(network(images))
        torch.autograd.backward([one.float().square().mean() for one in (logits, *auxiliary)])
        _wait(images.device)
        network.zero_grad()
        return time.perf_counter() - begin

    return step


def _wait(device: torch.device) -> None:
    """Passes on a GPU are only queued."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _has_bfloat16(device: torch.device) -> bool:
    return torch.cuda.get_device_capability(device) >= (8, 0)
