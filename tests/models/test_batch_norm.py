import copy
import logging
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import nn

from project.errors import ModelError
from project.models.backbones import prepare_backbone, timm_backbone
from project.models.batch_norm import FrozenBatchNorm, convert_batch_norm, names_dropped
from project.models.small_cnn import SmallCNN
from project.models.weights import load_weights

IMAGES = (4, 3, 32, 32)


def measured(network: nn.Module) -> nn.Module:
    """The network after it has seen images, so that its statistics are of something."""
    torch.manual_seed(0)
    with torch.no_grad():
        for value in network.parameters():
            value.add_(0.1 * torch.randn_like(value))
        for _ in range(3):
            network.train()(3 * torch.rand(IMAGES) + 1)
    return network


def networks() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {
        "timm": timm.create_model("test_resnet", num_classes=3),
        "norm and activation": timm.create_model("test_efficientnet", num_classes=3),
        "own": SmallCNN(num_classes=3, width=4, depth=2),
        "flat": nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 8), nn.BatchNorm1d(8)),
    }


def norms(network: nn.Module, kind: Any = (nn.BatchNorm1d, nn.BatchNorm2d)) -> list[Any]:
    return [module for module in network.modules() if isinstance(module, kind)]


@pytest.mark.parametrize("name", networks())
def test_kept_norms_are_the_same_objects(name: str) -> None:
    network = networks()[name]
    before = norms(network)
    assert convert_batch_norm(network, "keep") == 0
    assert [id(norm) for norm in norms(network)] == [id(norm) for norm in before]


@pytest.mark.parametrize("name", networks())
def test_frozen_norms_train_as_they_evaluate_and_stay_as_they_are(name: str) -> None:
    network = measured(networks()[name])
    images = torch.rand(IMAGES)
    expected, names = copy.deepcopy(network).eval()(images), set(network.state_dict())
    count = len(norms(network))
    assert convert_batch_norm(network, "freeze") == count == len(norms(network, FrozenBatchNorm))
    assert set(network.state_dict()) == names
    network.eval()
    torch.testing.assert_close(network(images), expected)
    for norm in norms(network, FrozenBatchNorm):
        norm.train()
    before = copy.deepcopy(network.state_dict())
    logits = network(images)
    torch.testing.assert_close(logits, expected)
    logits.sum().backward()
    torch.optim.SGD(network.parameters(), lr=1.0).step()
    changed = {n for n, v in network.state_dict().items() if not torch.equal(v, before[n])}
    assert changed
    of_norms = {f"{p}.{n}" for p, m in network.named_modules() if isinstance(m, FrozenBatchNorm)
                for n in m.state_dict()}  # fmt: skip
    assert not changed & of_norms


@pytest.mark.parametrize("name", networks())
def test_removed_norms_leave_no_weights_and_what_they_activated(name: str) -> None:
    network = networks()[name]
    dropped, before = names_dropped(network, "remove"), set(network.state_dict())
    activations = [type(norm.act).__name__ for norm in norms(network) if hasattr(norm, "act")]
    biased = [m.bias is not None for m in norms(network, nn.Conv2d)]
    convert_batch_norm(network, "remove")
    assert not norms(network)
    assert set(network.state_dict()) == before - dropped
    assert [m.bias is not None for m in norms(network, nn.Conv2d)] == biased
    left = [type(module).__name__ for module in network.modules()]
    assert all(left.count(kind) >= activations.count(kind) for kind in set(activations))
    network.train()(torch.rand(IMAGES)).sum().backward()


@pytest.mark.parametrize("name", ["resnetv2_18", "dpn48b"])
def test_shortcuts_survive_the_activations_of_removed_norms(name: str) -> None:
    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=3)
    beside = copy.deepcopy(network)
    for module in beside.modules():
        if hasattr(module, "inplace"):
            module.inplace = False  # type: ignore[assignment]
    images = torch.rand(2, 3, 32, 32)
    for one in (network, beside):
        convert_batch_norm(one.train(), "remove")
        one(images).square().sum().backward()
    torch.testing.assert_close(network(images), beside(images), rtol=0, atol=0)
    for value, expected in zip(network.parameters(), beside.parameters(), strict=True):
        assert value.grad is not None
        torch.testing.assert_close(value.grad, expected.grad)


@pytest.mark.parametrize("way", ["keep", "freeze", "group"])
def test_what_works_in_place_does_so_beside_other_norms(way: Any) -> None:
    network = nn.Sequential(nn.BatchNorm2d(4), relu := nn.ReLU(inplace=True))
    convert_batch_norm(network, way)
    assert relu.inplace


@pytest.mark.parametrize("name", networks())
def test_group_norms_take_scales_and_shifts_and_forget_statistics(name: str) -> None:
    network = measured(networks()[name])
    before, dropped = network.state_dict(), names_dropped(network, "group")
    count = len(norms(network))
    assert convert_batch_norm(network, "group") == count == len(norms(network, nn.GroupNorm))
    after = network.state_dict()
    assert set(after) == set(before) - dropped
    assert all(torch.equal(after[name], before[name]) for name in after)
    network.train()(torch.rand(1, *IMAGES[1:])).sum().backward()  # a batch of one will do
    assert all(value.grad is not None for value in network.parameters())


@pytest.mark.parametrize(
    ("channels", "groups"), [(96, 32), (64, 32), (48, 24), (36, 18), (37, 1), (8, 8)]
)
def test_groups_are_as_many_as_divide_the_channels_up_to_32(channels: int, groups: int) -> None:
    network = nn.Sequential(nn.BatchNorm2d(channels, eps=1e-3))
    convert_batch_norm(network, "group")
    norm = network[0]
    assert isinstance(norm, nn.GroupNorm)
    assert (norm.num_groups, norm.eps) == (groups, 1e-3)


def test_features_without_places_are_one_group() -> None:
    network = nn.Sequential(nn.BatchNorm1d(64))
    convert_batch_norm(network, "group")
    norm = network[0]
    assert isinstance(norm, nn.GroupNorm)
    assert norm.num_groups == 1


def test_group_norms_keep_what_timm_activates_by() -> None:
    network = timm.create_model("test_efficientnet", num_classes=3)
    activations = [norm.act for norm in norms(network)]
    assert any(not isinstance(act, nn.Identity) for act in activations)
    convert_batch_norm(network, "group")
    assert [norm.act for norm in norms(network, nn.GroupNorm)] == activations


def test_norm_without_scales_gets_none() -> None:
    network = nn.Sequential(nn.BatchNorm2d(4, affine=False))
    convert_batch_norm(network, "group")
    assert not list(network.parameters())


def test_norm_in_two_places_stays_one() -> None:
    norm = nn.BatchNorm2d(4)
    network = nn.Sequential(norm, nn.ReLU(), norm)
    assert convert_batch_norm(network, "freeze") == 1
    assert network[0] is network[2]


@pytest.mark.parametrize("call", [convert_batch_norm, names_dropped])
def test_an_unknown_way_gets_a_suggestion(call: Any) -> None:
    with pytest.raises(ModelError, match=r'keep, freeze, remove, group, got "frozen"\. Did you'):
        call(nn.Linear(1, 1), "frozen")


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("keep", ""),
        ("freeze", "batch norms keep their statistics, scales and shifts as they are."),
        ("remove", "batch norms are gone; convolutions that left their bias to them have none."),
        ("group", "batch norms have become group norms."),
    ],
)
def test_what_has_been_done_is_said(way: Any, said: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        prepare_backbone(SmallCNN(num_classes=2, width=4, depth=2), batch_norm=way)
    assert caplog.messages == ([f"2 {said}"] if said else [])


def test_network_without_batch_norm_gets_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    prepare_backbone(nn.Linear(1, 1), batch_norm="freeze")
    assert caplog.messages == [
        "model.batch_norm=freeze changes nothing: the network has no batch norm."
    ]


@pytest.mark.parametrize("way", ["freeze", "remove", "group"])
@pytest.mark.parametrize("converted", [False, True], ids=["published", "of a run"])
def test_weights_load_from_a_network_with_or_without_its_norms(
    way: Any, converted: bool, tmp_path: Path
) -> None:
    source = measured(timm.create_model("test_resnet", num_classes=3))
    if converted:
        convert_batch_norm(source, way)
    torch.save(source.state_dict(), tmp_path / "weights.pth")
    network = timm_backbone("test_resnet", num_classes=3)
    load_weights(network, tmp_path / "weights.pth", 3, may_lack=names_dropped(network, way))
    convert_batch_norm(network, way)
    if not converted:
        convert_batch_norm(source, way)
    expected = source.state_dict()
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=0)


def test_missing_norms_are_an_error_where_they_are_kept(tmp_path: Path) -> None:
    source = timm.create_model("test_resnet", num_classes=3)
    convert_batch_norm(source, "remove")
    torch.save(source.state_dict(), tmp_path / "weights.pth")
    network = timm_backbone("test_resnet", num_classes=3)
    with pytest.raises(ModelError, match=r"conv1\.1\.weight is missing"):
        load_weights(network, tmp_path / "weights.pth", 3)
