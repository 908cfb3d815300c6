import pytest
import torch

from project.errors import ModelError
from project.models.cats_dogs import CatsDogsCNN
from project.models.flat_cnn import narrowed
from project.models.pooling import GridAverage


def test_narrow_layers_keep_a_handful_of_units() -> None:
    assert narrowed([64, 192, 10, 3], 0.1) == [8, 19, 8, 3]
    assert narrowed([64, 192], 1.0) == [64, 192]
    assert narrowed([64, 192], 2.0) == [128, 384]


@pytest.mark.parametrize("width", [0.0, -1.0, float("nan")])
def test_width_of_nothing_is_refused(width: float) -> None:
    with pytest.raises(ModelError, match=r"Expected model\.width above 0, got"):
        CatsDogsCNN(num_classes=2, width=width)


def test_features_can_be_had_without_a_head() -> None:
    network = CatsDogsCNN(num_classes=2, width=0.1, adaptive=True)
    features = network.forward_features(torch.rand(2, 3, 30, 30))
    assert features.shape == (2, 13, 4, 4)
    assert network.forward_head(features, pre_logits=True).shape == (2, 13 * 16)
    assert network.get_classifier() is network.classifier


def test_a_network_that_adapts_has_no_size_and_ends_its_features_in_a_grid() -> None:
    plain = CatsDogsCNN(num_classes=2, width=0.1)
    adaptive = CatsDogsCNN(num_classes=2, width=0.1, adaptive=True)
    assert plain.size == (256, 256)
    assert adaptive.size is None
    assert [type(layer) for layer in adaptive.features] == [
        *(type(layer) for layer in plain.features),
        GridAverage,
    ]


def test_a_network_that_adapts_gives_as_many_features_of_pictures_of_any_size() -> None:
    adaptive = CatsDogsCNN(num_classes=2, width=0.1, adaptive=True)
    shapes = {adaptive.forward_features(torch.rand(1, 3, *s)).shape for s in ((30, 30), (64, 48))}
    assert shapes == {(1, *adaptive.shape)}
