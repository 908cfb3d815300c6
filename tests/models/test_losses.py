import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor, nn

from project.errors import ModelError
from project.models.losses import (
    BinaryCrossEntropy,
    ClassWeights,
    CrossEntropy,
    Focal,
    LogitAdjusted,
    class_weights,
    soft_targets,
)

COUNTS = [24, 944, 4182]


@pytest.fixture
def logits() -> Tensor:
    return 2 * torch.randn(8, 3, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def target() -> Tensor:
    return torch.tensor([0, 1, 2, 2, 2, 1, 0, 2])


def every_loss() -> list[nn.Module]:
    return [
        CrossEntropy(COUNTS, class_weights="balanced", label_smoothing=0.1),
        Focal(COUNTS, class_weights="effective_number"),
        LogitAdjusted(COUNTS, label_smoothing=0.1),
        BinaryCrossEntropy(COUNTS, class_weights="balanced"),
    ]


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    labels = torch.repeat_interleave(torch.arange(3), torch.tensor(COUNTS)).numpy()
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    assert class_weights(COUNTS, "balanced").tolist() == pytest.approx(expected.tolist())


def test_effective_number_weights_have_the_ratios_of_the_paper() -> None:
    weights = class_weights([1, 2], "effective_number", beta=0.5)
    # (1 - beta**n) / (1 - beta): effective numbers 1 and 1.5.
    assert float(weights[0] / weights[1]) == pytest.approx(1.5)


def test_effective_number_runs_from_equal_weights_to_balanced_ones() -> None:
    nearly_balanced = class_weights(COUNTS, "effective_number", beta=1 - 1e-9)
    assert class_weights(COUNTS, "effective_number", beta=0.0).tolist() == [1, 1, 1]
    torch.testing.assert_close(
        nearly_balanced, class_weights(COUNTS, "balanced"), rtol=1e-3, atol=0
    )


@pytest.mark.parametrize("scheme", ["none", "balanced", "effective_number"])
def test_weights_average_to_one_over_the_training_images(scheme: ClassWeights) -> None:
    weights = class_weights(COUNTS, scheme)
    mean = float((weights * torch.tensor(COUNTS)).sum() / sum(COUNTS))
    assert mean == pytest.approx(1.0, rel=1e-5)


def test_an_unknown_weighting_is_answered_with_a_suggestion() -> None:
    with pytest.raises(ModelError, match=r'got "balance"\. Did you mean "balanced"\?'):
        class_weights(COUNTS, "balance")  # type: ignore[arg-type]


def test_a_class_without_images_cannot_be_weighed() -> None:
    with pytest.raises(ModelError, match=r"images of every class, got class counts \[3, 0\]"):
        CrossEntropy([3, 0])


def test_a_beta_of_one_is_refused() -> None:
    with pytest.raises(ModelError, match=r"loss\.beta in \[0, 1\), got 1"):
        class_weights(COUNTS, "effective_number", beta=1.0)


def test_a_smoothing_above_one_is_refused() -> None:
    with pytest.raises(ModelError, match=r"loss\.label_smoothing in \[0, 1\], got 1\.5"):
        CrossEntropy(COUNTS, label_smoothing=1.5)


def test_a_negative_gamma_is_refused() -> None:
    with pytest.raises(ModelError, match=r"loss\.gamma to be 0 or more, got -1"):
        Focal(COUNTS, gamma=-1.0)


def test_smoothed_rows_spread_the_share_over_all_classes() -> None:
    rows = soft_targets(torch.tensor([2]), num_classes=4, label_smoothing=0.4)
    torch.testing.assert_close(rows, torch.tensor([[0.1, 0.1, 0.7, 0.1]]))


def test_cross_entropy_is_pytorchs_when_nothing_is_weighted(logits: Tensor, target: Tensor) -> None:
    ours = CrossEntropy(COUNTS, label_smoothing=0.1)(logits, target)
    torch.testing.assert_close(ours, F.cross_entropy(logits, target, label_smoothing=0.1))


def test_weighted_cross_entropy_is_the_plain_mean_of_weighted_losses(
    logits: Tensor, target: Tensor
) -> None:
    weights = class_weights(COUNTS, "balanced")
    expected = (F.cross_entropy(logits, target, reduction="none") * weights[target]).mean()
    ours = CrossEntropy(COUNTS, class_weights="balanced")(logits, target)
    torch.testing.assert_close(ours, expected)


def test_weights_make_a_mistake_on_a_rare_class_cost_more() -> None:
    weighted, plain = CrossEntropy(COUNTS, class_weights="balanced"), CrossEntropy(COUNTS)
    even, rare, common = torch.zeros(1, 3), torch.tensor([0]), torch.tensor([2])
    assert weighted(even, rare) > plain(even, rare)
    assert weighted(even, common) < plain(even, common)


@pytest.mark.parametrize("loss", every_loss(), ids=lambda loss: type(loss).__name__)
def test_the_loss_of_a_batch_is_the_mean_of_its_halves(
    loss: nn.Module, logits: Tensor, target: Tensor
) -> None:
    halves = (loss(logits[:4], target[:4]) + loss(logits[4:], target[4:])) / 2
    torch.testing.assert_close(loss(logits, target), halves)


@pytest.mark.parametrize("loss", every_loss(), ids=lambda loss: type(loss).__name__)
def test_a_hard_target_equals_the_soft_one_that_is_sure(
    loss: nn.Module, logits: Tensor, target: Tensor
) -> None:
    torch.testing.assert_close(loss(logits, target), loss(logits, F.one_hot(target, 3).float()))


@pytest.mark.parametrize("loss", every_loss(), ids=lambda loss: type(loss).__name__)
def test_a_mixed_target_lies_between_its_two(loss: nn.Module, logits: Tensor) -> None:
    zero, two = torch.tensor([[1.0, 0, 0]]), torch.tensor([[0.0, 0, 1]])
    bounds = sorted([float(loss(logits[:1], zero)), float(loss(logits[:1], two))])
    assert bounds[0] < float(loss(logits[:1], (zero + two) / 2)) < bounds[1]


@pytest.mark.parametrize("loss", every_loss(), ids=lambda loss: type(loss).__name__)
def test_gradients_stay_finite_where_the_network_is_certain(loss: nn.Module) -> None:
    certain = torch.tensor([[200.0, -200.0, 0.0], [-200.0, 200.0, 0.0]], requires_grad=True)
    loss(certain, torch.tensor([0, 0])).backward()
    assert certain.grad is not None
    assert bool(certain.grad.isfinite().all())


def test_focal_loss_without_gamma_is_cross_entropy(logits: Tensor, target: Tensor) -> None:
    torch.testing.assert_close(
        Focal(COUNTS, gamma=0.0, class_weights="balanced")(logits, target),
        CrossEntropy(COUNTS, class_weights="balanced")(logits, target),
    )


def test_focal_loss_by_hand() -> None:
    # Two classes, p = 0.8 for the true one, gamma 2: 0.2**2 * -log(0.8).
    logits = torch.tensor([[math.log(0.8), math.log(0.2)]])
    expected = 0.04 * -math.log(0.8)
    assert float(Focal([1, 1])(logits, torch.tensor([0]))) == pytest.approx(expected)


def test_logit_adjustment_without_tau_is_cross_entropy(logits: Tensor, target: Tensor) -> None:
    ours = LogitAdjusted(COUNTS, tau=0.0)(logits, target)
    torch.testing.assert_close(ours, F.cross_entropy(logits, target))


def test_logit_adjustment_by_hand() -> None:
    # Even logits and shares 0.1 and 0.9: the loss of the rare class is -log(0.1).
    loss = LogitAdjusted([10, 90])
    assert float(loss(torch.zeros(1, 2), torch.tensor([0]))) == pytest.approx(-math.log(0.1))


def test_binary_cross_entropy_is_pytorchs_over_one_hot_rows(logits: Tensor, target: Tensor) -> None:
    expected = F.binary_cross_entropy_with_logits(logits, F.one_hot(target, 3).float())
    torch.testing.assert_close(BinaryCrossEntropy(COUNTS)(logits, target), expected)


def test_binary_weights_are_those_of_the_images_own_class() -> None:
    loss, even = BinaryCrossEntropy([1, 3], class_weights="balanced"), torch.zeros(1, 2)
    # Balanced weights of counts 1 and 3 are 2 and 2/3; each question of even logits costs log 2.
    assert float(loss(even, torch.tensor([0]))) == pytest.approx(2 * math.log(2))
    assert float(loss(even, torch.tensor([1]))) == pytest.approx(2 / 3 * math.log(2))


def test_a_threshold_turns_both_halves_of_a_mixed_image_into_yes(logits: Tensor) -> None:
    mixed, both = torch.tensor([[0.7, 0.3, 0.0]]), torch.tensor([[1.0, 1.0, 0.0]])
    ours = BinaryCrossEntropy(COUNTS, target_threshold=0.2)(logits[:1], mixed)
    torch.testing.assert_close(ours, F.binary_cross_entropy_with_logits(logits[:1], both))


def test_weights_travel_in_the_checkpoint() -> None:
    loss = CrossEntropy([1, 1, 1])
    loss.load_state_dict(CrossEntropy(COUNTS, class_weights="balanced").state_dict())
    torch.testing.assert_close(loss.weights, class_weights(COUNTS, "balanced"))
