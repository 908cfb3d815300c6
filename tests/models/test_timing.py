import random
import re
import weakref
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from project.errors import TrainingError
from project.models.timing import (
    Way,
    fastest,
    milliseconds_per_step,
    random_state_kept,
    ways,
)

CPU = torch.device("cpu")


def draws() -> tuple[float, float, float]:
    return float(torch.rand(())), float(np.random.rand()), random.random()  # noqa: NPY002


@pytest.mark.parametrize(
    ("precision", "memory_format", "expected"),
    [
        (
            "auto",
            "auto",
            [
                "32-true contiguous",
                "32-true channels_last",
                "bf16-mixed contiguous",
                "bf16-mixed channels_last",
            ],
        ),
        ("16-mixed", "auto", ["16-mixed contiguous", "16-mixed channels_last"]),
        ("auto", "channels_last", ["32-true channels_last", "bf16-mixed channels_last"]),
    ],
)
def test_ways_begin_with_the_most_exact(
    precision: str, memory_format: str, expected: list[str]
) -> None:
    assert [" ".join(way) for way in ways(precision, memory_format, CPU)] == expected


@pytest.mark.parametrize(("capability", "half"), [((7, 5), "16-mixed"), ((8, 0), "bf16-mixed")])
def test_old_gpus_try_float16(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], half: str
) -> None:
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda _: capability)
    tried = ways("auto", "contiguous", torch.device("cuda"))
    assert [way.precision for way in tried] == ["32-true", half]


def test_timing_changes_neither_the_network_nor_what_is_drawn_next() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten(), nn.LazyLinear(3)
    )
    network(torch.zeros(2, 3, 8, 8))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    torch.manual_seed(1)
    expected = draws()
    torch.manual_seed(1)
    np.random.seed(0)  # noqa: NPY002
    random.seed(0)
    state = np.random.get_state()[1].copy(), random.getstate()  # type: ignore[index]  # noqa: NPY002
    taken = milliseconds_per_step(network, ways("auto", "auto", CPU), (8, 8), 2, CPU)
    assert len(taken) == 4
    assert all(value > 0 for value in taken.values())
    assert float(torch.rand(())) == expected[0]
    assert (np.random.get_state()[1] == state[0]).all()  # type: ignore[index]  # noqa: NPY002
    assert random.getstate() == state[1]
    after = network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_first_round_warms_up_and_the_median_of_the_others_counts() -> None:
    rounds = {"contiguous": iter([9.0, 0.3, 0.1, 0.2]), "channels_last": iter([0.0, 1.0, 3.0, 2.0])}
    taken = milliseconds_per_step(
        nn.Identity(),
        ways("32-true", "auto", CPU),
        (8, 8),
        2,
        CPU,
        step_of=lambda _, way, __: lambda: next(rounds[way.memory_format]),
    )
    assert list(taken.values()) == [200.0, 2000.0]


def step_of(failing: tuple[str, ...]) -> Callable[..., Callable[[], float]]:
    """Steps of a second, but for some memory layouts for which the memory does not suffice."""

    def step(_: nn.Module, way: Way, __: torch.Tensor) -> Callable[[], float]:
        if way.memory_format in failing:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB.")
        return lambda: 1.0

    return step


def test_way_for_which_memory_is_short_loses(caplog: pytest.LogCaptureFixture) -> None:
    tried = ways("32-true", "auto", CPU)
    taken = milliseconds_per_step(
        nn.Identity(), tried, (8, 8), 2, CPU, step_of=step_of(("contiguous",))
    )
    assert taken == {Way("32-true", "channels_last"): 1000.0}
    assert "32-true contiguous cannot train here: CUDA out of memory." in caplog.text


def test_no_way_to_train_is_an_error_that_says_why() -> None:
    tried = ways("32-true", "auto", CPU)
    message = (
        "expected one of 32-true contiguous, 32-true channels_last to train batches of 2 images of "
        "8 x 16 pixels on cpu, got none that does: CUDA out of memory. Tried to allocate 9.00 GiB. "
        "Set a smaller data.batch_size"
    )
    with pytest.raises(TrainingError, match=re.escape(message)):
        milliseconds_per_step(
            nn.Identity(),
            tried,
            (8, 16),
            2,
            CPU,
            step_of=step_of(("contiguous", "channels_last")),
        )


def test_one_copy_of_the_network_is_there_at_a_time() -> None:
    copies: list[weakref.ref[nn.Module]] = []

    def noted(network: nn.Module, way: Way, _: torch.Tensor) -> Callable[[], float]:
        assert not any(copy() for copy in copies)
        copies.append(weakref.ref(network))
        if way.precision == "bf16-mixed":
            raise RuntimeError("no such kernel")
        return lambda: float(network.training)

    milliseconds_per_step(nn.Identity(), ways("auto", "auto", CPU), (8, 8), 2, CPU, step_of=noted)
    assert len(copies) == 4


@pytest.mark.parametrize(
    ("compiled", "modes"), [(False, []), (True, [None]), ("max-autotune", ["max-autotune"])]
)
def test_copies_are_compiled_as_the_network_will_be(
    monkeypatch: pytest.MonkeyPatch, compiled: bool | str, modes: list[str | None]
) -> None:
    seen: list[str | None] = []
    monkeypatch.setattr(nn.Module, "compile", lambda _, mode: seen.append(mode))
    way = Way("32-true", "contiguous")
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    milliseconds_per_step(network, [way], (8, 8), 2, CPU, compiled=compiled)
    assert seen == modes


def test_fastest_wins_by_more_than_the_noise() -> None:
    exact, layout, half = (
        Way("32-true", "contiguous"),
        Way("32-true", "channels_last"),
        Way("bf16-mixed", "channels_last"),
    )
    assert fastest({exact: 10.0, layout: 9.9, half: 9.8}) == exact
    assert fastest({exact: 10.0, layout: 8.0, half: 7.9}) == layout
    assert fastest({exact: 10.0, layout: 8.0, half: 3.0}) == half


def test_random_state_is_put_back_after_an_error() -> None:
    torch.manual_seed(2)
    expected = float(torch.rand(()))
    torch.manual_seed(2)
    with pytest.raises(RuntimeError, match="size"), random_state_kept():
        torch.ones(2) @ torch.rand(5)
    assert float(torch.rand(())) == expected
