import copy
import logging
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn

from project.errors import ModelError
from project.models.backbones import prepare_backbone, torchvision_backbone
from project.models.cats_dogs import CatsDogsCNN
from project.models.heads import dense_head, gap_head, linear_head
from project.models.joining import Headed, behead, former_head, put_on
from project.models.normalize import normalization_of
from project.models.small_cnn import SmallCNN
from project.models.weights import load_weights

SIZE = (64, 64)


class Own(nn.Module):
    """Somebody's network, with weights of its own class that are in no layer."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.stem = nn.Conv2d(3, 5, 3, stride=4)
        self.out = nn.Linear(5, num_classes)

    def forward_features(self, images: Tensor) -> Tensor:
        features: Tensor = self.scale * self.stem(images)
        return features

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.out(self.forward_features(images).mean((2, 3)))
        return logits


def networks() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {
        "timm": timm.create_model("test_resnet", num_classes=3),
        "tokens": timm.create_model("test_vit", num_classes=3, dynamic_img_size=True),
        "pools and norms": timm.create_model("test_convnext", num_classes=3),
        "torchvision": torchvision_backbone("mobilenet_v3_small", num_classes=3),
        "small_cnn": SmallCNN(num_classes=3, width=4, depth=2),
        "cats_dogs": CatsDogsCNN(num_classes=3, width=0.1),
        "own": Own(num_classes=3),
    }


def headed(network: nn.Module, make: Any = gap_head, kind: Any = "map", **options: Any) -> Headed:
    put_on(network, make(behead(network, kind, SIZE), 3, **options))
    assert isinstance(network, Headed)
    return network


@pytest.mark.parametrize("kind", ["map", "pooled"])
@pytest.mark.parametrize("name", networks())
def test_any_network_learns_with_another_head_all_over(name: str, kind: str) -> None:
    network = networks()[name].train()
    own_class, before = type(network), set(network.state_dict())
    network = headed(network, dense_head, kind, hidden=[8])
    assert isinstance(network, own_class)
    assert type(network).__name__ == own_class.__name__
    assert network.training
    logits = network(torch.rand(2, 3, *SIZE))
    assert logits.shape == (2, 3)
    logits.sum().backward()
    # What has no gradient would make several processes wait for it.
    assert not [n for n, value in network.named_parameters() if value.grad is None]
    ours = {n for n in network.state_dict() if n.startswith("classification_head.")}
    assert ours
    assert network.former_head
    gone = before - set(network.state_dict())
    assert gone == network.former_head if kind == "map" else gone <= network.former_head
    assert set(network.state_dict()) == before - gone | ours
    assert network.get_classifier() is network.classification_head


def test_hidden_layers_of_the_own_head_are_gone() -> None:
    network = headed(timm.create_model("vgg11", num_classes=3))
    assert sum(value.numel() for value in network.classification_head.parameters()) == 512 * 3 + 3
    assert sum(value.numel() for value in network.parameters()) < 10_000_000  # of 129 million


def test_pooled_features_keep_them() -> None:
    kept = headed(torchvision_backbone("mobilenet_v3_small", 3), linear_head, "pooled")
    assert kept.get_parameter("classifier.0.weight").shape == (1024, 576)
    assert kept.get_parameter("classification_head.1.weight").shape == (3, 1024)


@pytest.mark.parametrize("size", [(48, 80), (96, 96)])
def test_gap_head_takes_other_sizes_than_it_was_made_with(size: tuple[int, int]) -> None:
    network = headed(networks()["cats_dogs"])
    assert network(torch.rand(2, 3, *size)).shape == (2, 3)


def test_what_is_known_of_the_network_stays_known() -> None:
    plain: Any = timm.create_model("test_vit", num_classes=3)
    network: Any = headed(copy.deepcopy(plain))
    assert normalization_of(network) == normalization_of(plain) == ((0.5,) * 3, (0.5,) * 3)
    assert network.group_matcher() == plain.group_matcher()
    assert network.no_weight_decay() == plain.no_weight_decay()


@pytest.mark.parametrize("name", ["timm", "torchvision", "own"])
def test_a_copy_computes_the_same_and_learns_for_itself(name: str) -> None:
    network = headed(networks()[name]).eval()
    twin = copy.deepcopy(network)
    images = torch.rand(2, 3, *SIZE)
    torch.testing.assert_close(twin(images), network(images))
    with torch.no_grad():
        for value in twin.parameters():
            value.add_(0.1)
    assert not torch.allclose(twin(images), network(images))


def test_it_can_be_prepared_like_any_other() -> None:
    network = headed(networks()["timm"], dense_head, hidden=[8]).eval()
    images = torch.rand(2, 3, *SIZE)
    expected = network(images)
    prepare_backbone(network, memory_format="channels_last")
    torch.testing.assert_close(network(images), expected, rtol=1e-4, atol=1e-5)
    prepare_backbone(network, batch_norm="group")
    assert not [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert network(images).shape == (2, 3)


@pytest.mark.slow
def test_it_can_be_compiled() -> None:
    network = headed(networks()["timm"]).eval()
    images = torch.rand(2, 3, *SIZE)
    expected = network(images)
    with torch.no_grad():
        compiled = prepare_backbone(network, compile=True)(images)
    torch.testing.assert_close(compiled, expected, rtol=1e-4, atol=1e-5)


def test_pictures_that_are_too_small_are_named() -> None:
    text = (
        r"model: CatsDogsCNN gives no features of pictures of 3 channels and 16 x 20 pixels .* "
        r"Choose another data\.size or model, or take head=own\."
    )
    with pytest.raises(ModelError, match=text):
        behead(networks()["cats_dogs"], "map", (16, 20))


def test_parts_that_a_network_evaluates_itself_stay_evaluated() -> None:
    network = Own(num_classes=3)
    network.stem.eval()
    behead(network, "map", SIZE)
    assert (network.training, network.stem.training) == (True, False)


def test_a_network_that_gives_no_features_is_in_the_modes_that_it_was_in() -> None:
    network = networks()["cats_dogs"]
    network.get_submodule("features").eval()
    before = {name: module.training for name, module in network.named_modules()}
    with pytest.raises(ModelError):
        behead(network, "map", (16, 20))
    assert {name: module.training for name, module in network.named_modules()} == before


def test_own_head_is_known_by_name_without_taking_it_off() -> None:
    network = networks()["small_cnn"]
    assert former_head(network, SIZE) == {"classifier.weight", "classifier.bias"}
    assert not isinstance(network, Headed)
    assert former_head(headed(network), SIZE) == {"classifier.weight", "classifier.bias"}


def saved(network: nn.Module, folder: Path) -> Path:
    """The network's weights, none of which a fresh network has."""
    with torch.no_grad():
        for value in network.parameters():
            value.add_(1.0)
    path = folder / "best.ckpt"
    weights = {f"backbone.{name}": value for name, value in network.state_dict().items()}
    torch.save({"state_dict": weights}, path)
    return path


def loaded(network: nn.Module, path: Path, num_classes: int = 3) -> nn.Module:
    load_weights(network, path, num_classes, former_head=lambda: former_head(network, SIZE))
    return network


def same(one: nn.Module, other: nn.Module) -> set[str]:
    """Names of the weights that two networks share."""
    values = other.state_dict()
    return {
        name
        for name, value in one.state_dict().items()
        if name in values and torch.equal(value, values[name])
    }


@pytest.mark.parametrize("name", networks())
def test_weights_of_the_same_head_are_loaded_whole(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = headed(networks()[name]), headed(networks()[name])
    loaded(second, saved(first, tmp_path))
    assert same(first, second) == set(first.state_dict())
    assert not caplog.records


@pytest.mark.parametrize("name", networks())
@pytest.mark.parametrize("case", ["own to gap", "gap to own", "gap to dense", "map to pooled"])
def test_weights_of_another_head_leave_the_head_fresh_and_say_so(
    name: str, case: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = networks()[name], networks()[name]
    if case != "own to gap":
        headed(first)
    if case == "own to gap":
        headed(second)
    elif case == "gap to dense":
        headed(second, dense_head, hidden=[8])
    elif case == "map to pooled":
        headed(second, dense_head, "pooled", hidden=[7])
    fresh = copy.deepcopy(second)
    head = set(former_head(second, SIZE)) | {
        n for n in second.state_dict() if n.startswith("classification_head.")
    }
    with caplog.at_level(logging.WARNING):
        loaded(second, saved(first, tmp_path))
    features = set(second.state_dict()) - head
    assert features <= same(first, second)
    assert set(second.state_dict()) - features <= same(fresh, second)
    assert "best.ckpt was saved with another head: " in caplog.text
    assert "keep their fresh initialisation." in caplog.text


def test_head_for_other_classes_keeps_its_hidden_layers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = headed(networks()["timm"], dense_head, hidden=[8])
    second = networks()["timm"]
    put_on(second, dense_head(behead(second, "map", SIZE), 5, hidden=[8]))
    with caplog.at_level(logging.WARNING):
        loaded(second, saved(first, tmp_path), num_classes=5)
    fresh = set(second.state_dict()) - same(first, second)
    assert fresh == {"classification_head.3.weight", "classification_head.3.bias"}
    assert "was made for 3 classes, not 5: classification_head.3.weight" in caplog.text


def test_weights_of_another_network_are_refused_whatever_their_head(tmp_path: Path) -> None:
    path = saved(headed(timm.create_model("test_resnet", num_classes=3)), tmp_path)
    with pytest.raises(ModelError, match=r"weights of this SmallCNN in .* is missing"):
        loaded(networks()["small_cnn"], path)


def test_what_a_network_pools_by_is_loaded_where_it_is_kept(tmp_path: Path) -> None:
    """Published weights are of networks with their own head."""
    first, second = networks()["torchvision"], headed(networks()["torchvision"], kind="pooled")
    loaded(second, saved(first, tmp_path))
    assert "classifier.0.weight" in same(first, second)
    assert "classifier.3.weight" in former_head(second, SIZE)
