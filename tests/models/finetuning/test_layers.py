import pytest
import timm
import torch
import torchvision
from timm.optim import param_groups_layer_decay  # type: ignore[attr-defined]
from torch import nn

from project.models.finetuning.layers import (
    decaying_layers,
    head_parameters,
    layer_names,
    layer_numbers,
)
from project.models.small_cnn import SmallCNN

# Networks whose last layers are made differently: norms and convolutions before the classifier.
OF_TIMM = ["test_resnet", "test_vit", "test_efficientnet", "test_convnext", "mobilenetv3_small_050"]


def order(backbone: nn.Module) -> list[str]:
    """Names of the layers, from the input to the head."""
    return list(layer_names(backbone, layer_numbers(backbone)).values())


@pytest.mark.parametrize("name", OF_TIMM)
def test_learning_rates_of_timms_networks_fall_as_timm_has_them_fall(name: str) -> None:
    backbone = timm.create_model(name, num_classes=3)
    theirs = {
        id(parameter): group["lr_scale"]
        for group in param_groups_layer_decay(backbone, layer_decay=0.6)
        for parameter in group["params"]
    }
    ours = decaying_layers(backbone, 0.6)
    assert len(set(theirs.values())) > 3
    for parameter_name, parameter in backbone.named_parameters():
        assert ours[parameter_name].lr_scale == theirs[id(parameter)], parameter_name


@pytest.mark.parametrize("name", OF_TIMM)
def test_the_head_of_timms_networks_is_their_classifier(name: str) -> None:
    backbone = timm.create_model(name, num_classes=3)
    shapes = {n: p.shape for n, p in backbone.named_parameters() if n in head_parameters(backbone)}
    assert sorted(name.rpartition(".")[2] for name in shapes) == ["bias", "weight"]
    assert all(shape[0] == 3 for shape in shapes.values())


def test_torchvisions_resnet_has_the_layers_of_timms() -> None:
    theirs = timm.create_model("resnet18", num_classes=3)
    ours = torchvision.models.resnet18(num_classes=3)
    blocks = [f"layer{stage}.{block}" for stage in (1, 2, 3, 4) for block in (0, 1)]
    assert order(ours) == order(theirs) == ["conv1", *blocks, "fc"]
    assert layer_numbers(ours) == layer_numbers(theirs)


def test_norms_belong_to_the_convolution_before_them() -> None:
    backbone = SmallCNN(3, width=4, depth=3)
    numbers = layer_numbers(backbone)
    assert numbers == {
        "features.0.0.weight": 0,
        "features.0.1.weight": 0,
        "features.0.1.bias": 0,
        "features.1.0.weight": 1,
        "features.1.1.weight": 1,
        "features.1.1.bias": 1,
        "features.3.0.weight": 2,
        "features.3.1.weight": 2,
        "features.3.1.bias": 2,
        "classifier.weight": 3,
        "classifier.bias": 3,
    }
    assert order(backbone) == ["features.0", "features.1", "features.3", "classifier"]


def test_a_network_that_ends_in_a_convolution_has_it_as_its_head() -> None:
    backbone = torchvision.models.squeezenet1_1(num_classes=3)
    assert head_parameters(backbone) == {"classifier.1.weight", "classifier.1.bias"}
    assert order(backbone)[-1] == "classifier.1"


def test_a_module_that_holds_most_of_a_network_is_taken_apart() -> None:
    class Wrapping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))  # before everything, with the first layer
            self.inner = torchvision.models.vgg11(num_classes=3).features
            self.head = nn.Linear(512, 3)

    class Further(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = Wrapping()

    backbone = Further()
    convolutions = [f"body.inner.{place}" for place in (0, 3, 6, 8, 11, 13, 16, 18)]
    assert order(backbone) == [*convolutions, "body.head"]
    assert layer_numbers(backbone)["body.scale"] == 0


def test_tokens_and_positions_belong_to_the_first_layer() -> None:
    backbone = torchvision.models.vit_b_32(num_classes=3)
    numbers = layer_numbers(backbone)
    first = {name for name, number in numbers.items() if number == 0}
    assert first == {
        "class_token",
        "conv_proj.weight",
        "conv_proj.bias",
        "encoder.pos_embedding",
    }
    assert max(numbers.values()) == 13  # twelve blocks, and the head


class OfSeveral(nn.Module):
    """A network whose head has two layers, and says so."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3))
        self.head = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))

    def get_classifier(self) -> nn.Module:
        return self.head


def test_a_head_of_several_layers_is_one() -> None:
    backbone = OfSeveral()
    assert head_parameters(backbone) == {
        f"head.{place}.{kind}" for place in (0, 2) for kind in ("weight", "bias")
    }
    assert order(backbone) == ["features.0", "features.1", "head"]
    scales = {name: layer.lr_scale for name, layer in decaying_layers(backbone, 0.5).items()}
    assert scales["head.0.weight"] == scales["head.2.weight"] == 1
    assert scales["features.0.weight"] == 0.25


def test_all_classifiers_of_a_distilled_network_are_its_head() -> None:
    backbone = timm.create_model("deit_tiny_distilled_patch16_224", num_classes=3)
    layers = {name.partition(".")[0] for name in head_parameters(backbone)}
    assert layers == {"head", "head_dist"}


def test_no_two_layers_have_the_same_name() -> None:
    class Odd(nn.Module):
        """Groups its parameters across its parts."""

        def __init__(self) -> None:
            super().__init__()
            self.one = nn.ModuleList(nn.Linear(2, 2) for _ in range(2))
            self.head = nn.Linear(2, 2)

        def group_matcher(self, *, coarse: bool) -> dict[str, str]:  # noqa: ARG002
            return {"weights": r"^one\.\d\.weight", "biases": r"^one\.\d\.bias"}

    assert order(Odd()) == ["one", "one (1)", "head"]
