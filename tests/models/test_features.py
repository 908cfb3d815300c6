from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from project.errors import ModelError
from project.models.features import Extract, feature_extractor, last_layer, unused_children
from project.models.small_cnn import SmallCNN


class Tokens(nn.Module):
    """Looks like a transformer: two tokens of no place, then four patches of channels 0, 1, 2."""

    num_prefix_tokens = 2

    def forward_features(self, images: Tensor) -> Tensor:
        tokens = torch.arange(6.0).view(1, 6, 1) + torch.tensor([0.0, 10.0, 20.0])
        return tokens.expand(len(images), -1, -1)


class ChannelsLast(nn.Module):
    def __init__(self, shape: tuple[int, ...], num_features: int, **attributes: Any) -> None:
        super().__init__()
        self.shape, self.num_features = shape, num_features
        self.__dict__ |= attributes

    def forward_features(self, images: Tensor) -> Tensor:
        return torch.zeros(len(images), *self.shape)


class Listed(nn.Module):
    def forward_features(self, images: Tensor) -> list[Tensor]:
        return [images]


def shape_of(network: nn.Module, kind: Any, size: int = 64) -> tuple[int, ...]:
    extract: Extract = feature_extractor(network.eval(), kind)
    return tuple(extract(network, torch.rand(2, 3, size, size)).shape[1:])


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        ("test_resnet", 64, (96, 2, 2)),
        ("test_vit", 160, (64, 100)),  # 16 pixels a patch, and without the class token
        ("test_convnext", 64, (64, 2, 2)),
        ("test_mambaout", 64, (64, 2, 2)),  # channels last, which it says only by num_features
        ("mobilenetv3_small_050", 64, (288, 2, 2)),
    ],
)
def test_map_of_timms_networks_has_channels_first(
    name: str, size: int, expected: tuple[int, ...]
) -> None:
    assert shape_of(timm.create_model(name), "map", size) == expected


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        ("test_resnet", 64, (96,)),
        ("test_vit", 160, (64,)),
        ("mobilenetv3_small_050", 64, (1024,)),  # by its hidden layer
    ],
)
def test_pooled_features_of_timms_networks_are_what_their_last_layer_gets(
    name: str, size: int, expected: tuple[int, ...]
) -> None:
    network: Any = timm.create_model(name).eval()
    images = torch.rand(2, 3, size, size)
    with torch.no_grad():
        features = network.forward_head(network.forward_features(images), pre_logits=True)
        extract = feature_extractor(network, "pooled")
        torch.testing.assert_close(extract(network, images), features)
    assert features.shape[1:] == expected


def test_patches_come_without_what_has_no_place() -> None:
    extract = feature_extractor(Tokens(), "map")
    assert extract(Tokens(), torch.rand(1, 3, 8, 8))[0].tolist() == [
        [2.0, 3.0, 4.0, 5.0],
        [12.0, 13.0, 14.0, 15.0],
        [22.0, 23.0, 24.0, 25.0],
    ]


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (ChannelsLast((4, 5, 7), num_features=7), (7, 4, 5)),
        (ChannelsLast((7, 5, 4), num_features=7), (7, 5, 4)),
        (ChannelsLast((7, 5, 7), num_features=7), (7, 5, 7)),
        (ChannelsLast((7, 5, 7), num_features=7, output_fmt="NHWC"), (7, 7, 5)),
        (ChannelsLast((4, 5, 7), num_features=9), (4, 5, 7)),
        (ChannelsLast((7,), num_features=7), (7,)),
    ],
    ids=["last", "first", "both", "both, said", "neither", "flat"],
)
def test_channels_are_found_where_they_are(
    network: ChannelsLast, expected: tuple[int, ...]
) -> None:
    assert shape_of(network, "map") == expected


def test_networks_of_ours_give_both() -> None:
    network = SmallCNN(num_classes=2, width=4, depth=3).eval()
    assert shape_of(network, "map") == (16, 8, 8)
    assert shape_of(network, "pooled") == (16,)


def test_network_that_says_nothing_of_pooling_gives_its_map_twice() -> None:
    assert shape_of(Tokens(), "pooled") == shape_of(Tokens(), "map") == (3, 4)


def test_network_without_features_is_refused() -> None:
    text = r"or one with forward_features\(images\), for another head .* got Linear without\. Give"
    with pytest.raises(ModelError, match=text):
        feature_extractor(nn.Linear(3, 2), "map")


def test_features_in_a_list_are_refused() -> None:
    with pytest.raises(ModelError, match=r"one tensor from Listed\.forward_features, got a list"):
        shape_of(Listed(), "map")


def test_an_unknown_kind_gets_a_suggestion() -> None:
    with pytest.raises(ModelError, match=r'features to be one of map, pooled, got "maps"\. Did'):
        feature_extractor(Tokens(), "maps")  # type: ignore[arg-type]


def test_what_only_classifies_is_found_to_be_unused() -> None:
    network = SmallCNN(num_classes=2, width=4, depth=2).eval()
    images = torch.rand(2, 3, 16, 16)
    found = unused_children(network, feature_extractor(network, "map"), images)
    assert found == ["pool", "dropout", "classifier"]
    assert unused_children(network, feature_extractor(network, "pooled"), images) == ["classifier"]
    assert not network.features._forward_pre_hooks


def test_last_layer_may_be_a_convolution() -> None:
    path, layer = last_layer(nn.Sequential(nn.Linear(3, 4), nn.Conv2d(4, 2, 1), nn.ReLU()))
    assert path == "1"
    assert isinstance(layer, nn.Conv2d)


# One of each kind; what is measured does not depend on depth or width.
TORCHVISION = {
    "alexnet": "avgpool", "vgg11": "avgpool", "resnet18": "avgpool", "googlenet": "avgpool",
    "inception_v3": "avgpool", "squeezenet1_1": "classifier", "densenet121": "classifier",
    "mobilenet_v2": "classifier", "mobilenet_v3_small": "avgpool", "efficientnet_b0": "avgpool",
    "convnext_tiny": "avgpool", "regnet_y_400mf": "avgpool", "shufflenet_v2_x0_5": "fc",
    "mnasnet0_5": "classifier", "swin_t": "avgpool", "maxvit_t": "classifier", "vit_b_32": "heads",
}  # fmt: skip


def given_to(network: nn.Module, child: str, images: Tensor) -> Tensor:
    """What a network hands to one of its children."""
    seen: list[Tensor] = []
    hook = network.get_submodule(child).register_forward_pre_hook(lambda _, i: seen.append(i[0]))
    network(images)
    hook.remove()
    return seen[0]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "child"), TORCHVISION.items())
def test_map_of_torchvisions_networks_is_what_they_pool(name: str, child: str) -> None:
    without = {"aux_logits": False, "init_weights": False}
    network = torchvision.models.get_model(
        name, **(without if name in {"googlenet", "inception_v3"} else {})
    ).eval()
    images = torch.rand(1, 3, 224, 224)
    with torch.no_grad():
        features = feature_extractor(network, "map")(network, images)
        expected = given_to(network, child, images)
    if name == "vit_b_32":  # takes the class token, of which there is none among the patches
        assert features.shape == (1, 768, 49)
    elif expected.ndim == 2:  # pooled by a function
        torch.testing.assert_close(features.mean((2, 3)), expected)
    else:
        torch.testing.assert_close(features, expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", TORCHVISION)
def test_pooled_features_of_torchvisions_networks_are_what_their_last_layer_gets(name: str) -> None:
    without = {"aux_logits": False, "init_weights": False}
    network = torchvision.models.get_model(
        name, **(without if name in {"googlenet", "inception_v3"} else {})
    ).eval()
    images = torch.rand(1, 3, 224, 224)
    with torch.no_grad():
        path, layer = last_layer(network)
        expected = given_to(network, path, images)
        features = feature_extractor(network, "pooled")(network, images)
    if isinstance(layer, nn.Conv2d):  # which comes before pooling
        expected = expected.relu().mean((2, 3))
    torch.testing.assert_close(features, expected)
