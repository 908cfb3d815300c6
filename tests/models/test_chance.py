import math

import pytest
import torch
from torch import nn

from project.models.chance import loss_of_guessing
from project.models.losses import BinaryCrossEntropy, CrossEntropy, Focal, LogitAdjusted


def entropy(*shares: float) -> float:
    return -sum(share * math.log(share) for share in shares)


@pytest.mark.parametrize("classes", [2, 5, 100])
def test_guessing_among_equals_costs_the_logarithm_of_their_number(classes: int) -> None:
    loss = CrossEntropy([10] * classes)
    assert loss_of_guessing(loss, [7] * classes) == pytest.approx(math.log(classes), abs=1e-4)


def test_guessing_among_unequal_classes_costs_their_entropy() -> None:
    loss = CrossEntropy([60, 30, 10])
    assert loss_of_guessing(loss, [60, 30, 10]) == pytest.approx(entropy(0.6, 0.3, 0.1), abs=1e-4)


def test_draws_count_and_not_photos() -> None:
    loss = CrossEntropy([900, 100])
    assert loss_of_guessing(loss, [500, 500]) == pytest.approx(math.log(2), abs=1e-4)


def test_class_weights_count() -> None:
    """Weights 5 and 5/9, so each class has half of the loss: the best answer is a coin."""
    loss = CrossEntropy([10, 90], class_weights="balanced")
    assert loss_of_guessing(loss, [10, 90]) == pytest.approx(math.log(2), abs=1e-4)


def test_smoothed_labels_are_those_of_a_smoothed_mix() -> None:
    loss = CrossEntropy([90, 10], label_smoothing=0.2)
    assert loss_of_guessing(loss, [90, 10]) == pytest.approx(entropy(0.82, 0.18), abs=1e-4)


def test_adjusted_logits_take_the_adjustment_back() -> None:
    loss = LogitAdjusted([90, 10])
    assert loss_of_guessing(loss, [90, 10]) == pytest.approx(entropy(0.9, 0.1), abs=1e-4)


def test_yes_or_no_questions_cost_their_entropies() -> None:
    """Of five classes each question is answered with yes once in five times."""
    loss = BinaryCrossEntropy([1] * 5)
    assert loss_of_guessing(loss, [1] * 5) == pytest.approx(entropy(0.2, 0.8), abs=1e-4)


def test_focal_loss_of_a_coin() -> None:
    loss = Focal([1, 1], gamma=2)
    assert loss_of_guessing(loss, [1, 1]) == pytest.approx(0.25 * math.log(2), abs=1e-4)


def test_no_number_is_drawn_and_no_gradient_left() -> None:
    loss = nn.CrossEntropyLoss(weight=torch.ones(2))
    state = torch.get_rng_state()
    with torch.no_grad():
        loss_of_guessing(loss, [3, 1])
    assert torch.equal(torch.get_rng_state(), state)
