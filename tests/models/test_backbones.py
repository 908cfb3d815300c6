import copy

import pytest
import timm
import torch
import torchvision
from torch import nn

from project.errors import ModelError
from project.models.backbones import (
    prepare_backbone,
    replace_head,
    timm_backbone,
    torchvision_backbone,
)

TINY = "test_resnet"  # timm's own 0.5-million-parameter network for tests


def test_any_timm_name_becomes_a_network_for_our_classes() -> None:
    assert timm_backbone(TINY, num_classes=7)(torch.zeros(2, 3, 64, 64)).shape == (2, 7)


def test_further_arguments_reach_the_network() -> None:
    vit = timm_backbone("test_vit", num_classes=3, dynamic_img_size=True)
    assert vit(torch.zeros(1, 3, 48, 80)).shape == (1, 3)


def test_a_name_with_a_tag_is_known() -> None:
    assert timm_backbone("resnet18.a1_in1k", num_classes=2).num_classes == 2


@pytest.mark.parametrize(
    ("name", "meant"),
    [("resnet81", "resnet18"), ("resnet18.a1_in2k", "resnet18.a1_in1k")],
    ids=["name", "tag"],
)
def test_an_unknown_timm_name_is_answered_with_the_nearest(name: str, meant: str) -> None:
    text = rf'one of timm\'s \d{{4}} models, got "{name}"\. Did you mean "{meant}"\?'
    with pytest.raises(ModelError, match=text):
        timm_backbone(name, num_classes=2)


def test_an_argument_that_no_timm_network_takes_is_named() -> None:
    with pytest.raises(ModelError, match=r'timm cannot build "test_resnet".*gibberish'):
        timm_backbone(TINY, num_classes=2, gibberish=1)


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "squeezenet1_1"])
def test_any_torchvision_name_becomes_a_network_for_our_classes(name: str) -> None:
    assert torchvision_backbone(name, num_classes=7)(torch.zeros(2, 3, 64, 64)).shape == (2, 7)


@pytest.mark.parametrize(("name", "size"), [("googlenet", 64), ("inception_v3", 96)])
def test_networks_with_auxiliary_outputs_return_plain_logits(name: str, size: int) -> None:
    network = torchvision_backbone(name, num_classes=4).train()
    assert network(torch.zeros(2, 3, size, size)).shape == (2, 4)


@pytest.mark.parametrize("name", ["resnet81", "fasterrcnn_resnet50_fpn", "ResNet18"])
def test_an_unknown_torchvision_name_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match=rf'torchvision\'s \d+ models, got "{name}"'):
        torchvision_backbone(name, num_classes=2)


def test_an_unknown_torchvision_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(ModelError, match=r'Did you mean "resnet18"\?'):
        torchvision_backbone("resnet_18", num_classes=2)


def test_an_argument_that_no_torchvision_network_takes_is_named() -> None:
    with pytest.raises(ModelError, match=r'torchvision cannot build "resnet18".*gibberish'):
        torchvision_backbone("resnet18", num_classes=2, gibberish=1)


def test_published_torchvision_weights_get_a_fresh_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands in for the download with weights of its own, so that it runs without a network."""
    published = torchvision.models.get_model("googlenet", init_weights=False).state_dict()
    enum = torchvision.models.GoogLeNet_Weights
    monkeypatch.setattr(enum, "get_state_dict", lambda *_, **__: published)
    network = torchvision_backbone("googlenet", num_classes=3, pretrained=True)
    torch.testing.assert_close(
        network.state_dict()["conv1.conv.weight"], published["conv1.conv.weight"]
    )
    assert network.train()(torch.zeros(2, 3, 64, 64)).shape == (2, 3)


@pytest.mark.slow
def test_published_inception_weights_lose_their_auxiliary_head(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    published = torchvision.models.get_model("inception_v3", init_weights=False).state_dict()
    enum = torchvision.models.Inception_V3_Weights
    monkeypatch.setattr(enum, "get_state_dict", lambda *_, **__: published)
    network = torchvision_backbone("inception_v3", num_classes=3, pretrained=True)
    assert network.train()(torch.zeros(2, 3, 96, 96)).shape == (2, 3)


def torchvision_names() -> list[str]:
    """All but the larger RegNets, which cannot be built without their memory."""
    names: list[str] = torchvision.models.list_models(module=torchvision.models)
    return [name for name in names if not name.startswith("regnet") or name.endswith("400mf")]


@pytest.mark.slow
@pytest.mark.parametrize("name", torchvision_names())
def test_every_torchvision_network_has_a_head_that_can_be_replaced(name: str) -> None:
    without = {"aux_logits": False, "init_weights": False}
    arguments = without if name in {"googlenet", "inception_v3"} else {}
    with torch.device("cpu" if name.startswith("regnet") else "meta"):
        network = torchvision.models.get_model(name, **arguments)
        replace_head(network, 3)
        size = 299 if name == "inception_v3" else 224
        assert network.eval()(torch.empty(1, 3, size, size)).shape == (1, 3)


def test_channels_last_changes_the_layout_and_not_the_logits() -> None:
    network = timm_backbone(TINY, num_classes=3).eval()
    images = torch.rand(2, 3, 64, 64)
    expected = network(images)
    fast = prepare_backbone(network, memory_format="channels_last")
    assert fast is network
    stem = fast.get_parameter("conv1.0.weight")
    assert stem.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(fast(images), expected)


def test_an_unknown_memory_format_is_answered_with_a_suggestion() -> None:
    with pytest.raises(ModelError, match=r'got "channel_last"\. Did you mean "channels_last"\?'):
        prepare_backbone(nn.Linear(1, 1), memory_format="channel_last")  # type: ignore[arg-type]


def test_mode_of_compilation_reaches_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    network = nn.Linear(2, 2)
    modes: list[str | None] = []
    monkeypatch.setattr(network, "compile", lambda **given: modes.append(given["mode"]))
    for given in (True, "reduce-overhead", False):
        prepare_backbone(network, compile=given)
    assert modes == [None, "reduce-overhead"]
    with pytest.raises(ModelError, match=r'a mode of torch\.compile .* got "reduce_overhead"'):
        prepare_backbone(network, compile="reduce_overhead")


def test_compiling_leaves_the_names_of_the_weights_alone() -> None:
    network = nn.Linear(2, 2)
    names = list(network.state_dict())
    assert list(prepare_backbone(network, compile=True).state_dict()) == names
    copy.deepcopy(network)  # as a moving average of the weights does


@pytest.mark.slow
def test_a_compiled_network_gives_the_same_logits() -> None:
    network = timm.create_model(TINY, num_classes=3).eval()
    images = torch.rand(2, 3, 64, 64)
    expected = network(images)
    with torch.no_grad():
        compiled = prepare_backbone(network, compile=True)(images)
    torch.testing.assert_close(compiled, expected, rtol=1e-4, atol=1e-5)
