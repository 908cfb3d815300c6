import random

import numpy as np
import torch

from project.models.randomness import seed_step


def drawn(seed: int = 1, epoch: int = 0, batch: int = 0, rank: int = 0) -> tuple[float, ...]:
    seed_step(seed, epoch, batch, rank)
    return float(torch.rand(())), float(np.random.rand()), random.random()  # noqa: NPY002


def test_step_draws_the_same_numbers_whatever_was_drawn_before() -> None:
    expected = drawn(batch=3)
    torch.rand(7)
    assert drawn(batch=3) == expected


def test_seed_epoch_batch_and_process_each_draw_their_own() -> None:
    draws = [drawn(), drawn(seed=2), drawn(epoch=1), drawn(batch=1), drawn(rank=1)]
    for kind in zip(*draws, strict=True):
        assert len(set(kind)) == len(draws)
