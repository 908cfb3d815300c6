from typing import Any

import pytest
import torch
from torch import nn

from project.errors import ConfigError, ModelError
from project.models.finetuning.layers import Layer
from project.models.optimization import (
    decayed_names,
    parameter_groups,
    scale_learning_rates,
    timm_optimizer,
)


def groups_of(module: nn.Module) -> list[dict[str, Any]]:
    return parameter_groups(module, decayed_names(module))


@pytest.fixture
def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))


def test_only_weight_matrices_decay(network: nn.Sequential) -> None:
    decayed, plain = groups_of(network)
    assert "weight_decay" not in decayed
    assert plain["weight_decay"] == 0.0
    assert [tuple(p.shape) for p in decayed["params"]] == [(4, 3, 1, 1), (2, 4)]
    assert all(p.ndim == 1 for p in plain["params"])
    assert len(plain["params"]) == 4  # two biases, the norm's scale and shift


def test_the_optimizer_keeps_the_difference(network: nn.Sequential) -> None:
    optimizer = torch.optim.AdamW(groups_of(network), weight_decay=0.3)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.3, 0.0]


def test_frozen_parameters_are_left_out(network: nn.Sequential) -> None:
    network[0].requires_grad_(False)
    network[1].requires_grad_(False)
    trained = [id(p) for group in groups_of(network) for p in group["params"]]
    assert sorted(trained) == sorted(map(id, network[3].parameters()))


def test_what_is_trained_later_is_there_from_the_beginning(network: nn.Sequential) -> None:
    network.requires_grad_(False)
    later = {"3.weight", "3.bias"}
    decayed, plain = parameter_groups(network, decayed_names(network), later)
    assert decayed["params"] == [network[3].weight]
    assert plain["params"] == [network[3].bias]


SPEEDS = {
    **dict.fromkeys(("3.weight", "3.bias"), Layer("dense", 1.0)),
    **dict.fromkeys(("1.weight", "1.bias"), Layer("norm", 0.5)),
    "0.weight": Layer("conv", 0.25),
}


def test_layers_learn_at_their_speed_from_the_head_down(network: nn.Sequential) -> None:
    groups = parameter_groups(network, decayed_names(network), layers=SPEEDS)
    optimizer = torch.optim.SGD(groups, lr=0.8, weight_decay=0.3)
    scale_learning_rates(optimizer)
    assert [(g["name"], g["lr"], g["weight_decay"]) for g in optimizer.param_groups] == [
        ("dense", 0.8, 0.3),
        ("dense/undecayed", 0.8, 0.0),
        ("rest", 0.8, 0.0),  # of the first bias nothing is known
        ("norm", 0.4, 0.0),
        ("conv", 0.2, 0.3),
    ]
    trained = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(trained) == sorted(map(id, network.parameters()))


def test_optimizers_of_timm_take_layers_with_their_speeds(network: nn.Sequential) -> None:
    groups = parameter_groups(network, decayed_names(network), layers=SPEEDS)
    optimizer = timm_optimizer(groups, "lamb", lr=0.8)
    scale_learning_rates(optimizer)
    assert [group["lr"] for group in optimizer.param_groups] == [0.8, 0.8, 0.8, 0.4, 0.2]


def test_without_layers_every_learning_rate_stays(network: nn.Sequential) -> None:
    optimizer = torch.optim.SGD(groups_of(network), lr=0.7)
    scale_learning_rates(optimizer)
    assert [group["lr"] for group in optimizer.param_groups] == [0.7, 0.7]
    assert not any("name" in group for group in optimizer.param_groups)


def test_a_network_without_matrices_has_one_group() -> None:
    assert len(groups_of(nn.BatchNorm1d(2))) == 1


def test_a_network_frozen_throughout_is_refused(network: nn.Sequential) -> None:
    with pytest.raises(ModelError, match=r"all of them are frozen\. Unfreeze"):
        groups_of(network.requires_grad_(False))


def test_any_optimizer_of_timm_is_built_with_our_groups(network: nn.Sequential) -> None:
    optimizer = timm_optimizer(groups_of(network), "lamb", lr=0.1, weight_decay=0.2)
    assert type(optimizer).__name__ == "Lamb"
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.2, 0.0]
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_momentum_reaches_an_optimizer_that_has_one(network: nn.Sequential) -> None:
    optimizer = timm_optimizer(groups_of(network), "sgd", lr=0.1, momentum=0.5)
    assert optimizer.param_groups[0]["momentum"] == 0.5


def test_momentum_is_not_dropped_in_silence(network: nn.Sequential) -> None:
    with pytest.raises(ConfigError, match=r'"adamw" has no momentum.*Set optimizer\.momentum=null'):
        timm_optimizer(groups_of(network), "adamw", lr=0.1, momentum=0.5)


def test_an_unknown_optimizer_is_answered_with_a_suggestion(network: nn.Sequential) -> None:
    with pytest.raises(ConfigError, match=r'\d+ optimizers, got "adamww"\. Did you mean "adamw"\?'):
        timm_optimizer(groups_of(network), "adamww", lr=0.1)


def test_an_argument_that_the_optimizer_does_not_take_is_named(network: nn.Sequential) -> None:
    with pytest.raises(ConfigError, match=r'"lamb" does not take .*gibberish'):
        timm_optimizer(groups_of(network), "lamb", lr=0.1, gibberish=1)


def test_sharding_does_not_hide_what_decays() -> None:
    class Wrapped(nn.Module):
        """Flattens the weight of a layer, as sharding does."""

        def __init__(self, layer: nn.Linear) -> None:
            super().__init__()
            self._fsdp_wrapped_module = nn.Module()
            self._fsdp_wrapped_module.weight = nn.Parameter(layer.weight.detach().flatten())
            self._fsdp_wrapped_module.bias = nn.Parameter(layer.bias.detach())

    layer = nn.Linear(4, 4)
    decayed, plain = parameter_groups(Wrapped(layer), decayed_names(layer))
    assert [p.numel() for p in decayed["params"]] == [16]
    assert [p.numel() for p in plain["params"]] == [4]


@pytest.mark.parametrize("build", [torch.optim.AdamW, torch.optim.Adam, torch.optim.SGD])
def test_fused_steps_are_those_of_the_plain_loop(build: Any) -> None:
    weights = []
    for fused in (False, True):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Tanh(), nn.Flatten(), nn.Linear(32, 5))
        extra = {"momentum": 0.9, "nesterov": True} if build is torch.optim.SGD else {}
        optimizer = build(groups_of(network), lr=0.05, weight_decay=0.1, fused=fused, **extra)
        for _ in range(20):
            optimizer.zero_grad()
            network(torch.randn(6, 3, 4, 4)).logsumexp(1).mean().backward()
            optimizer.step()
        weights.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
    plain, fused_ones = weights
    assert not torch.equal(plain, torch.zeros_like(plain))
    torch.testing.assert_close(fused_ones, plain, rtol=1e-4, atol=1e-5)
