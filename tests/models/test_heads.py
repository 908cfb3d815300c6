import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from project.errors import ModelError
from project.models.heads import ENDINGS, dense_head, gap_head, linear_head

SHAPE = (6, 2, 3)
LABELS = torch.tensor([0, 2, 1, 1])


def logits(seed: int = 0) -> Tensor:
    drawn = torch.randn(4, 3, generator=torch.Generator().manual_seed(seed))
    return drawn.requires_grad_()


def names(head: nn.Module) -> list[str]:
    return [type(layer).__name__ for layer in head.children()]


def test_linear_head_sees_every_feature() -> None:
    head = linear_head(SHAPE, 3)
    assert head(torch.rand(4, *SHAPE)).shape == (4, 3)
    assert [tuple(value.shape) for value in head.parameters()] == [(3, 36), (3,)]


def test_gap_head_sees_averages_of_any_size_of_map() -> None:
    head = gap_head(SHAPE, 3).eval()
    assert [tuple(value.shape) for value in head.parameters()] == [(3, 6), (3,)]
    large = torch.rand(4, 6, 8, 10)
    torch.testing.assert_close(head(large), head(large.mean((2, 3))))


def test_gap_head_drops_averages_in_training() -> None:
    torch.manual_seed(0)
    head = gap_head(SHAPE, 3, dropout=0.999).train()
    biases = [value for value in head.parameters() if value.ndim == 1]
    torch.testing.assert_close(head(torch.rand(1, 6))[0], biases[0])


def test_transfer_head_is_the_published_one() -> None:
    head = dense_head(SHAPE, 2, hidden=[64], dropout=0.25)
    assert names(head) == ["Flatten", "Linear", "ReLU", "Dropout", "Linear"]
    assert [tuple(v.shape) for v in head.parameters()] == [(64, 36), (64,), (2, 64), (2,)]
    assert [m.p for m in head.modules() if isinstance(m, nn.Dropout)] == [0.25]


def test_endings_differ_in_nothing_that_is_learned() -> None:
    heads = {ending: dense_head(SHAPE, 2, hidden=[8, 4], ending=ending) for ending in ENDINGS}
    hidden = ["Flatten", "Linear", "ReLU", "Linear", "ReLU", "Linear"]
    assert names(heads["logits"]) == hidden
    assert names(heads["log_softmax"]) == [*hidden, "LogSoftmax"]
    assert names(heads["clamped"]) == [*hidden, "ReLU", "Dropout", "LogSoftmax"]
    assert len({tuple(head.state_dict()) for head in heads.values()}) == 1


def test_an_unknown_ending_gets_a_suggestion() -> None:
    with pytest.raises(ModelError, match=r'got "log_sofmax"\. Did you mean "log_softmax"\?'):
        dense_head(SHAPE, 2, ending="log_sofmax")  # type: ignore[arg-type]


def test_log_softmax_of_logits_has_the_cross_entropy_of_the_logits() -> None:
    """It is what cross-entropy begins with, and to do it twice is to do it once."""
    plain, doubled = logits(), logits()
    losses = [F.cross_entropy(plain, LABELS), F.cross_entropy(doubled.log_softmax(1), LABELS)]
    for loss in losses:
        loss.backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(losses[0], losses[1])
    torch.testing.assert_close(plain.grad, doubled.grad)


def clamped_probabilities(values: list[float]) -> list[float]:
    """What the clamped ending makes of the logits of two classes."""
    ending = list(dense_head((2,), 2, ending="clamped").eval().children())[2:]
    given: list[float] = nn.Sequential(*ending)(torch.tensor([values])).exp()[0].tolist()
    return given


def test_clamped_logits_cannot_rule_a_class_out() -> None:
    """ReLU makes 0 of -3, and e^0 = 1 stays in the sum: 1 / (1 + e^2) instead of 1 / (1 + e^5)."""
    assert clamped_probabilities([-3.0, 2.0]) == pytest.approx(
        [1 / (1 + math.exp(2)), math.exp(2) / (1 + math.exp(2))]
    )
    plain = torch.tensor([-3.0, 2.0]).softmax(0)
    assert float(plain[0]) == pytest.approx(1 / (1 + math.exp(5)))


def test_where_all_logits_are_clamped_classes_are_even_and_nothing_is_learned() -> None:
    """e^0 / (e^0 + e^0) = 1 / 2, whatever the logits were, so no gradient leads out."""
    assert clamped_probabilities([-3.0, -0.1]) == pytest.approx([0.5, 0.5])
    head = dense_head((2,), 2, ending="clamped").eval()
    for value in head.parameters():
        nn.init.constant_(value, -1.0)
    F.cross_entropy(head(torch.rand(4, 2)), torch.tensor([0, 1, 0, 1])).backward()  # type: ignore[no-untyped-call]
    assert all(not bool(value.grad.any()) for value in head.parameters() if value.grad is not None)
