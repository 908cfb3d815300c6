from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from project.models.ranks import largest, of_all_ranks


def test_numbers_are_reduced_together_to_the_largest() -> None:
    asked: list[tuple[list[int], str]] = []

    def reduce(mine: Tensor, reduce_op: str) -> Tensor:
        asked.append((mine.tolist(), reduce_op))
        return torch.maximum(mine, torch.tensor([1, 1]))

    trainer: Any = SimpleNamespace(
        strategy=SimpleNamespace(root_device=torch.device("cpu"), reduce=reduce)
    )
    assert largest(trainer, 0, 2) == [1, 2]
    assert asked == [([0, 2], "max")]


def test_process_that_is_alone_gathers_what_it_has() -> None:
    trainer: Any = SimpleNamespace(world_size=1)
    assert of_all_ranks(trainer, {"loss": 0.5}) == [{"loss": 0.5}]


def test_what_all_have_comes_in_the_order_of_their_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    def gather(into: list[str], mine: str) -> None:
        into[:] = ["of rank 0", mine]

    monkeypatch.setattr(torch.distributed, "all_gather_object", gather)
    trainer: Any = SimpleNamespace(world_size=2)
    assert of_all_ranks(trainer, "of rank 1") == ["of rank 0", "of rank 1"]
