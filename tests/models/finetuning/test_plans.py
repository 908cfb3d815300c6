from typing import Any

import pytest

from project.errors import ConfigError
from project.models.finetuning.plans import (
    FineTuning,
    discriminative,
    gradual,
    linear_probe,
    none,
)


def frozen(plan: FineTuning, epochs: int = 8) -> list[int]:
    return [plan.frozen_parts(epoch) for epoch in range(epochs)]


def test_nothing_is_frozen_unless_asked_for() -> None:
    for plan in (none(), discriminative(), FineTuning()):
        assert frozen(plan) == [0] * 8
        assert not plan.freezes


def test_a_linear_probe_never_thaws() -> None:
    assert frozen(linear_probe()) == [1] * 8
    assert linear_probe().freezes


def test_parts_thaw_one_after_the_other() -> None:
    assert frozen(gradual(unfreeze_at=[1, 2, 6])) == [3, 2, 1, 1, 1, 1, 0, 0]


def test_every_few_epochs_is_as_good_as_a_list() -> None:
    assert gradual() == gradual(every_epochs=2, stages=3) == gradual(unfreeze_at=[2, 4, 6])
    assert gradual(every_epochs=3, stages=1) == gradual(unfreeze_at=[3])


@pytest.mark.parametrize("epochs", [[2, 2], [4, 2], [0, 2], [-1], []])
def test_epochs_that_do_not_rise_are_refused(epochs: list[int]) -> None:
    with pytest.raises(ConfigError, match=r"unfreeze_at: expected epochs that rise, from 1 on"):
        gradual(unfreeze_at=epochs)


@pytest.mark.parametrize("wrong", [{"every_epochs": 0}, {"stages": 0}, {"stages": -2}])
def test_numbers_below_one_are_refused(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ConfigError, match=rf"finetune\.{name}: expected 1 or more, got"):
        gradual(**wrong)


@pytest.mark.parametrize("other", [{"every_epochs": 2}, {"stages": 2}])
def test_epochs_in_both_ways_are_refused(other: dict[str, Any]) -> None:
    (name,) = other
    expected = rf"either a list of epochs or finetune\.{name}, got \[1, 2\] and 2\. Leave one"
    with pytest.raises(ConfigError, match=expected):
        gradual(unfreeze_at=[1, 2], **other)


@pytest.mark.parametrize("decay", [0.0, -0.5, 1.01, float("nan")])
def test_layer_decay_outside_of_its_range_is_refused(decay: float) -> None:
    with pytest.raises(ConfigError, match=r"layer_decay: expected a factor above 0 and up to 1"):
        discriminative(decay)


def test_a_layer_decay_of_one_is_no_mistake() -> None:
    assert discriminative(1) == none()


@pytest.mark.parametrize("max_epochs", [6, 3, 0])
def test_a_thaw_after_the_end_is_refused(max_epochs: int) -> None:
    expected = rf"within trainer\.max_epochs={max_epochs}, .* got \[2, 4, 6\] .* above 6"
    with pytest.raises(ConfigError, match=expected):
        gradual(unfreeze_at=[2, 4, 6]).check_within(max_epochs)


@pytest.mark.parametrize("max_epochs", [7, -1, None])
def test_a_training_that_lasts_long_enough_is_fine(max_epochs: int | None) -> None:
    gradual(unfreeze_at=[2, 4, 6]).check_within(max_epochs)
    linear_probe().check_within(max_epochs)
