import logging
import socket
import time
from pathlib import Path

import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save_file
from torch import nn

from project.errors import ModelError
from project.models.backbones import timm_backbone, torchvision_backbone
from project.models.weights import fetching, load_weights

TINY = "test_resnet"
STEM = "conv1.0.weight"


@pytest.fixture
def trained() -> nn.Module:
    """A network for three classes whose weights are not those of a fresh one."""
    torch.manual_seed(1)
    network: nn.Module = timm.create_model(TINY, num_classes=3)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter))
    return network


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Any address is unknown and nothing is cached, as on a machine without a network."""

    def refuse(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))


def assert_equal_weights(one: nn.Module, other: nn.Module) -> None:
    expected = other.state_dict()
    for name, value in one.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=0)


def loaded(path: Path, num_classes: int = 3) -> nn.Module:
    """A fresh network with the weights of a file."""
    network = timm_backbone(TINY, num_classes=num_classes)
    load_weights(network, path, num_classes)
    return network


@pytest.mark.parametrize("suffix", ["pth", "pt", "safetensors"])
def test_a_local_file_is_loaded(trained: nn.Module, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights.{suffix}"
    if suffix == "safetensors":
        save_file(trained.state_dict(), path)
    else:
        torch.save(trained.state_dict(), path)
    assert_equal_weights(loaded(path), trained)


def test_the_checkpoint_of_a_run_is_loaded(trained: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "best.ckpt"
    weights = {f"backbone.{name}": value for name, value in trained.state_dict().items()}
    others = {"normalize.mean": torch.zeros(3), "loss.weights": torch.ones(3)}
    torch.save({"state_dict": weights | others, "epoch": 3}, path)
    assert_equal_weights(loaded(path), trained)


def test_a_torchvision_network_loads_its_published_file(tmp_path: Path) -> None:
    """That of GoogLeNet holds auxiliary heads, which the network is built without."""
    path = tmp_path / "googlenet.pth"
    published = torchvision_backbone("googlenet", num_classes=1000, aux_logits=True)
    torch.save(published.state_dict(), path)
    network = torchvision_backbone("googlenet", num_classes=4)
    load_weights(network, path, num_classes=4)
    torch.testing.assert_close(
        network.get_parameter("conv1.conv.weight"), published.get_parameter("conv1.conv.weight")
    )


def test_a_head_for_other_classes_stays_fresh_with_a_warning(
    trained: nn.Module, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "weights.pth"
    torch.save(trained.state_dict(), path)
    with caplog.at_level(logging.WARNING):
        network = loaded(path, num_classes=5)
    expected = "made for 3 classes, not 5: fc.weight, fc.bias keep their fresh initialisation."
    assert expected in caplog.text
    torch.testing.assert_close(network.get_parameter(STEM), trained.get_parameter(STEM))
    assert len(network.get_parameter("fc.bias")) == 5


def test_a_fitting_head_is_loaded_without_a_warning(
    trained: nn.Module, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "weights.pth"
    torch.save(trained.state_dict(), path)
    loaded(path)
    assert "initialisation" not in caplog.text


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere.pth"
    with pytest.raises(ModelError, match=rf"at {path}, but there is none\. Check model\.check"):
        loaded(path)


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors", "empty.pth", "list.pth"])
def test_a_file_that_holds_something_else_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"" if name == "empty.pth" else b"not weights at all")
    if name == "list.pth":
        torch.save([1, 2], path)
    with pytest.raises(ModelError, match=r"cannot be read as such .* holds tensors only"):
        loaded(path)


def test_weights_of_another_network_are_refused_naming_the_first_few(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"other.weight": torch.zeros(2)}, path)
    text = r"weights of this ResNet in .*conv1\.0\.weight is missing; .* and \d+ more\. Pass the"
    with pytest.raises(ModelError, match=text):
        loaded(path)


def test_weights_of_another_shape_are_refused_with_both_shapes(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(nn.Linear(3, 2).state_dict(), path)
    text = r"this Linear in .* weight has shape \(2, 3\) in the file and \(2, 4\) here"
    with pytest.raises(ModelError, match=text):
        load_weights(nn.Linear(4, 2), path, num_classes=2)


@pytest.mark.usefixtures("unreachable")
def test_timms_own_pretrained_path_takes_a_local_file(tmp_path: Path) -> None:
    path = tmp_path / "published.pth"
    published = timm.create_model(TINY)
    torch.save(published.state_dict(), path)
    network = timm_backbone(
        TINY, num_classes=3, pretrained=True, pretrained_cfg_overlay={"file": str(path)}
    )
    torch.testing.assert_close(network.get_parameter(STEM), published.get_parameter(STEM))
    assert len(network.get_parameter("fc.bias")) == 3


@pytest.mark.usefixtures("unreachable")
def test_weights_that_cannot_be_fetched_are_an_error_that_says_what_to_do() -> None:
    text = (
        r'weights for "resnet18", but they could not be fetched .* pass model\.checkpoint_path='
        r"<file> with locally downloaded weights, .* with model\.pretrained=false"
    )
    started = time.monotonic()
    with pytest.raises(ModelError, match=text):
        timm_backbone("resnet18", num_classes=2, pretrained=True)
    with pytest.raises(ModelError, match=text):
        torchvision_backbone("resnet18", num_classes=2, pretrained=True)
    assert time.monotonic() - started < 10  # the hub's own client retries for 46 seconds


@pytest.mark.usefixtures("unreachable")
def test_weights_that_nobody_published_are_an_error() -> None:
    with pytest.raises(ModelError, match=r"No pretrained weights exist for"):
        timm_backbone(
            "vit_tiny_patch16_384",
            num_classes=2,
            pretrained=True,
            pretrained_cfg_overlay={"hf_hub_id": None, "url": None},
        )


@pytest.mark.usefixtures("unreachable")
def test_fetching_leaves_the_process_as_it_was() -> None:
    before = constants.HF_HUB_OFFLINE, socket.getdefaulttimeout()
    with fetching("anything"):
        assert constants.HF_HUB_OFFLINE
        assert socket.getdefaulttimeout() is not None
    assert (constants.HF_HUB_OFFLINE, socket.getdefaulttimeout()) == before
