import random

import numpy as np
import pytest
import torch

from project.models import randomness
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


def test_steps_leave_nothing_behind() -> None:
    """torch.manual_seed adds to this list in every call, until there is a GPU to tell."""
    waiting = len(torch.cuda._queued_calls)
    for batch in range(3):
        drawn(batch=batch)
    assert len(torch.cuda._queued_calls) == waiting


def test_numbers_are_those_of_torch_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = drawn(batch=3)
    monkeypatch.setattr(randomness, "_seed_torch", torch.manual_seed)
    assert drawn(batch=3) == expected


def test_other_accelerators_are_seeded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    seeded: list[int] = []
    monkeypatch.setattr(randomness, "_has_another_accelerator", lambda: True)
    monkeypatch.setattr("torch.manual_seed", seeded.append)
    drawn()
    assert len(seeded) == 1
