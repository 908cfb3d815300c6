import math
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
import torch
from torch.optim import SGD, Optimizer

from project.errors import ConfigError
from project.models import schedules


def course(total_steps: float, steps_per_epoch: int = 4) -> schedules.Course:
    return schedules.Course(total_steps, steps_per_epoch, "val/macro_recall", "max")


@pytest.fixture
def optimizer() -> Optimizer:
    """Peak learning rates 1 and 0.1, so that rates read as shares of the peak."""
    one, other = torch.nn.Parameter(torch.zeros(1)), torch.nn.Parameter(torch.zeros(1))
    groups: list[dict[str, Any]] = [{"params": [one]}, {"params": [other], "lr": 0.1}]
    return SGD(groups, lr=1.0, momentum=0.9)


def rates(
    optimizer: Optimizer,
    schedule: Callable[..., Any],
    total_steps: int,
    steps_per_epoch: int = 4,
    **own: Any,
) -> list[float]:
    """Learning rates of the first group, one for each optimizer step, as Lightning steps them."""
    configured = schedule(optimizer, course(total_steps, steps_per_epoch), **own)
    used = []
    for taken in range(1, total_steps + 1):
        used.append(optimizer.param_groups[0]["lr"])
        assert optimizer.param_groups[1]["lr"] == pytest.approx(0.1 * used[-1])
        optimizer.step()
        if configured["interval"] == "step" or taken % steps_per_epoch == 0:
            configured["scheduler"].step()
    return used


def test_none_leaves_the_optimizer_alone(optimizer: Optimizer) -> None:
    schedules.none(optimizer, course(8))
    assert optimizer.param_groups[0]["lr"] == 1.0


def test_step_changes_every_few_epochs(optimizer: Optimizer) -> None:
    used = rates(optimizer, schedules.step, 16, step_epochs=2, gamma=0.1)
    assert used == pytest.approx([1.0] * 8 + [0.1] * 8)


def test_cosine_rises_in_a_line_and_falls_along_the_cosine(optimizer: Optimizer) -> None:
    used = rates(optimizer, schedules.cosine, 12, warmup_epochs=1)
    fall = [0.5 * (1 + math.cos(math.pi * step / 8)) for step in range(8)]
    assert used == pytest.approx([0.25, 0.5, 0.75, 1.0, *fall])


def test_cosine_is_pytorchs_without_warm_up(optimizer: Optimizer) -> None:
    used = rates(optimizer, schedules.cosine, 10, min_lr_fraction=0.1)
    oracle_optimizer = SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    oracle = torch.optim.lr_scheduler.CosineAnnealingLR(oracle_optimizer, T_max=10, eta_min=0.1)
    expected = []
    for _ in range(10):
        expected.append(oracle_optimizer.param_groups[0]["lr"])
        oracle_optimizer.step()
        oracle.step()
    assert used == pytest.approx(expected)


def test_cosine_stays_at_its_minimum_after_the_end(optimizer: Optimizer) -> None:
    configured = schedules.cosine(optimizer, course(2), min_lr_fraction=0.2)
    for _ in range(5):
        optimizer.step()
        configured["scheduler"].step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.2)


def test_warm_up_may_be_part_of_an_epoch(optimizer: Optimizer) -> None:
    assert rates(optimizer, schedules.cosine, 8, warmup_epochs=0.5)[:3] == [0.5, 1.0, 1.0]


def test_a_warm_up_longer_than_the_training_is_refused(optimizer: Optimizer) -> None:
    with pytest.raises(ConfigError, match=r"warmup_epochs=3, that is 12 of 8 optimizer steps"):
        rates(optimizer, schedules.cosine, 8, warmup_epochs=3)


def test_one_cycle_goes_from_low_to_the_peak_to_almost_nothing(optimizer: Optimizer) -> None:
    used = rates(optimizer, schedules.one_cycle, 11, warmup_fraction=3 / 11)
    # The rise takes steps 0 to 2, half a cosine from 0.04 to 1: its middle is 0.52.
    assert used[:3] == pytest.approx([0.04, 0.52, 1.0])
    assert used[3:] == sorted(used[3:], reverse=True)
    assert used[-1] == pytest.approx(4e-6)


def test_one_cycle_can_lower_the_momentum_meanwhile(optimizer: Optimizer) -> None:
    rates(optimizer, schedules.one_cycle, 2, cycle_momentum=True)
    assert optimizer.param_groups[0]["momentum"] != 0.9


def test_one_cycle_needs_a_rise_and_a_fall(optimizer: Optimizer) -> None:
    with pytest.raises(ConfigError, match=r"warmup_fraction in \(0, 1\), got 1"):
        rates(optimizer, schedules.one_cycle, 8, warmup_fraction=1.0)


@pytest.mark.parametrize("total_steps", [1, 2, 3, 10])
@pytest.mark.parametrize("schedule", [schedules.cosine, schedules.one_cycle, schedules.step])
@pytest.mark.parametrize("own", [{}, {"steps_per_epoch": 1}], ids=["short", "one-step epochs"])
def test_trainings_of_few_steps_have_rates_within_the_peak(
    optimizer: Optimizer, schedule: Callable[..., Any], total_steps: int, own: dict[str, int]
) -> None:
    assert all(0 < rate <= 1 for rate in rates(optimizer, schedule, total_steps, **own))


@pytest.mark.parametrize("schedule", [schedules.cosine, schedules.one_cycle])
def test_a_schedule_over_an_endless_training_is_refused(
    optimizer: Optimizer, schedule: Callable[..., Any]
) -> None:
    with pytest.raises(ConfigError, match=r"known length .* Set trainer\.max_epochs or"):
        schedule(optimizer, course(float("inf")))


def test_plateau_keeps_the_ratios_of_layers_down_to_the_least_rates(optimizer: Optimizer) -> None:
    optimizer.param_groups[1]["lr_scale"] = 0.1
    configured = schedules.plateau(optimizer, course(8), patience_epochs=0, min_lr=2e-8)
    for _ in range(12):
        configured["scheduler"].step(0.5)
        fast, slow = (group["lr"] for group in optimizer.param_groups)
        assert slow == pytest.approx(fast / 10)
    assert fast == 2e-8


def test_plateau_waits_for_the_monitored_metric_to_improve(optimizer: Optimizer) -> None:
    configured = schedules.plateau(
        optimizer,
        course(40),
        factor=0.5,
        patience_epochs=1,
        min_lr=0.3,
    )
    assert configured["monitor"] == "val/macro_recall"
    assert configured["interval"] == "epoch"
    seen = []
    for recall in [0.5, 0.6, 0.6, 0.5, 0.6, 0.6]:
        configured["scheduler"].step(recall)
        seen.append(optimizer.param_groups[0]["lr"])
    # Two epochs without a larger value halve it; the second time the minimum is in the way.
    assert seen == pytest.approx([1.0, 1.0, 1.0, 0.5, 0.5, 0.3])


@pytest.mark.parametrize(
    "schedule", [schedules.plateau, schedules.cosine, schedules.one_cycle, schedules.step]
)
def test_the_state_of_a_schedule_is_plain_values(
    optimizer: Optimizer, schedule: Callable[..., Any]
) -> None:
    state = schedule(optimizer, course(8))["scheduler"].state_dict()
    file = BytesIO()
    torch.save(state, file)
    file.seek(0)
    assert torch.load(file, weights_only=True) == state
