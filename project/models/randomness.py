"""What a network draws while it learns, such as dropout."""

import random
from functools import cache

import numpy as np
import torch

_STREAM = 5  # sets these numbers apart from those that samples are drawn with


def seed_step(seed: int, epoch: int, batch: int, rank: int) -> None:
    """Seeds the global generators for one training step.

    A step draws the same numbers whether the training was stopped before it or not, and each
    process of a run draws its own. Costs some 40 microseconds.

    Args:
        seed: Seed of the run, not negative.
        epoch: From 0.
        batch: Of the epoch, from 0.
        rank: Of the process, from 0.
    """
    sequence = np.random.SeedSequence([_STREAM, seed, epoch, batch, rank])
    drawn = sequence.generate_state(3, np.uint64).tolist()
    _seed_torch(drawn[0])
    np.random.seed(drawn[1] % 2**32)  # noqa: NPY002 - foreign modules draw from the global one
    random.seed(drawn[2])


def _seed_torch(seed: int) -> None:
    """Does what ``torch.manual_seed`` does, which keeps a list of all calls until there is a GPU.

    Each entry holds a formatted stack: a millisecond and some kilobytes a step.
    """
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(seed)
    elif _has_another_accelerator():
        torch.manual_seed(seed)
    torch.default_generator.manual_seed(seed)


@cache
def _has_another_accelerator() -> bool:
    accelerator = torch.accelerator.current_accelerator()
    return accelerator is not None and accelerator.type != "cuda"
