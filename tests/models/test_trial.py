import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from project.errors import ConfigError, ModelError
from project.models.small_cnn import SmallCNN
from project.models.trial import evaluated, try_out


class Two(nn.Module):
    """A head of its own and, in training, an auxiliary one; says what it does not take."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.error = error
        self.norm = nn.BatchNorm2d(3)

    def forward(self, images: Tensor) -> Any:
        if self.error is not None:
            raise self.error
        logits = self.norm(images).mean((2, 3))
        return (logits, logits) if self.training else logits


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("network", [SmallCNN(num_classes=2, width=4, depth=2), Two()])
def test_it_leaves_no_trace(network: nn.Module, training: bool) -> None:
    network.train(training)
    before = copy.deepcopy(network.state_dict())
    try_out(network, (16, 24), with_auxiliary=isinstance(network, Two))
    assert all(module.training == training for module in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


class Fixed(Two):
    """Has put its norm into evaluation."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__(error)
        self.norm.eval()


def test_what_a_network_evaluates_itself_stays_evaluated() -> None:
    network = Fixed()
    try_out(network, (16, 24))
    assert (network.training, network.norm.training) == (True, False)


def test_a_network_that_fails_is_in_the_mode_that_it_was_in() -> None:
    network = Fixed(KeyError("no"))
    with pytest.raises(ModelError):
        try_out(network, (16, 24))
    assert (network.training, network.norm.training) == (True, False)


@pytest.mark.parametrize("training", [True, False])
def test_parts_that_come_while_a_network_is_evaluated_take_its_mode(training: bool) -> None:
    network = Two().train(training)
    with evaluated(network):
        assert not any(module.training for module in network.modules())
        network.norm = nn.BatchNorm2d(3)
    assert network.norm.training == training


def test_what_a_network_raises_is_said_with_the_size() -> None:
    text = r"model: Two cannot take pictures of 3 channels and 16 x 24 pixels \(KeyError: .*data"
    with pytest.raises(ModelError, match=text):
        try_out(Two(KeyError("no")), (16, 24))


def test_an_answer_for_the_user_goes_on_as_it_is() -> None:
    with pytest.raises(ConfigError, match=r"^Take another\.$"):
        try_out(Two(ConfigError("Take another.")), (16, 24))


def test_auxiliary_heads_that_are_missing_are_named() -> None:
    with pytest.raises(ModelError, match=r"Expected auxiliary logits of SmallCNN with .* got none"):
        try_out(SmallCNN(num_classes=2, width=4, depth=2), (16, 16), with_auxiliary=True)
