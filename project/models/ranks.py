"""What the processes of one training tell one another; each must say it, or the others wait."""

from typing import Any, TypeVar

import pytorch_lightning as pl
import torch

T = TypeVar("T")


def largest(trainer: pl.Trainer, *numbers: int) -> list[int]:
    """Agrees on numbers.

    Args:
        trainer: Of this process.
        *numbers: What this process says.

    Returns:
        Each number as the largest that any process said.
    """
    mine = torch.tensor(numbers, device=trainer.strategy.root_device)
    found: list[int] = trainer.strategy.reduce(mine, reduce_op="max").tolist()
    return found


def of_all_ranks(trainer: pl.Trainer, mine: T) -> list[T]:
    """Gathers what every process has.

    Args:
        trainer: Of this process.
        mine: What this process has; on the CPU, as it is pickled.

    Returns:
        That of each process, in the order of their ranks.
    """
    if trainer.world_size == 1:
        return [mine]
    gathered: list[Any] = [None] * trainer.world_size
    torch.distributed.all_gather_object(gathered, mine)
    return gathered
