import pytest
import torch
import torch.nn.functional as F

from project.errors import ModelError
from project.models.head_direction import HeadDirectionCNN
from tests.models.layers import layer_shapes, weights_by_layer


@pytest.fixture
def published() -> HeadDirectionCNN:
    """Without memory for its half a billion weights."""
    with torch.device("meta"):
        return HeadDirectionCNN(num_classes=2)


def test_frame_shrinks_layer_by_layer_as_published(published: HeadDirectionCNN) -> None:
    shapes = layer_shapes(published, torch.zeros(1, 3, 720, 1280, device="meta"))
    assert shapes == [
        ("MaxPool2d", (3, 120, 213)),  # 720 / 6, 1280 / 6
        ("Conv2d", (30, 111, 204)),  # less 10 - 1
        ("MaxPool2d", (30, 55, 102)),
        ("Conv2d", (100, 46, 93)),
        ("MaxPool2d", (100, 23, 46)),
        ("Linear", (5000,)),
        ("Linear", (1000,)),
        ("Linear", (500,)),
        ("Linear", (50,)),
        ("Linear", (10,)),
        ("Linear", (2,)),
    ]
    assert 100 * 23 * 46 == 105_800


def test_weights_are_as_many_as_published(published: HeadDirectionCNN) -> None:
    assert weights_by_layer(published) == [
        9_030,  # 30 x 3 x 10 x 10 weights and 30 biases
        300_100,  # 100 x 30 x 10 x 10 + 100
        529_005_000,  # 105,800 x 5000 + 5000
        5_001_000,  # 5000 x 1000 + 1000
        500_500,  # 1000 x 500 + 500
        25_050,  # 500 x 50 + 50
        510,  # 50 x 10 + 10
        22,  # 10 x 2 + 2
    ]
    assert sum(value.numel() for value in published.parameters()) == 534_841_212


@pytest.mark.parametrize("size", [(720, 1200), (1280, 720)], ids=["narrower", "upright"])
def test_another_size_is_refused_with_the_right_one(
    published: HeadDirectionCNN, size: tuple[int, int]
) -> None:
    text = (
        r"Expected pictures of 720 x 1280 pixels \(height x width\) for HeadDirectionCNN, .* for "
        r"105800 features \(100 x 23 x 46\), got .* Set data\.size=\[720,1280\], or model\.adaptive"
    )
    with pytest.raises(ModelError, match=text):
        published(torch.zeros(1, 3, *size, device="meta"))


@pytest.mark.parametrize("size", [(1, 1), (24, 24), (72, 128), (90, 61)])
def test_it_adapts_to_any_size_where_asked(size: tuple[int, int]) -> None:
    network = HeadDirectionCNN(num_classes=3, width=0.1, adaptive=True)
    assert network(torch.rand(2, 3, *size)).shape == (2, 3)


def test_small_pictures_need_not_be_shrunk_at_first() -> None:
    network = HeadDirectionCNN(2, pool=2, width=0.1, adaptive=True)
    first = layer_shapes(network, torch.rand(1, 3, 72, 128))[0]
    assert first == ("MaxPool2d", (3, 36, 64))


@pytest.mark.slow
def test_published_size_takes_a_step() -> None:
    """7 GB: weights, their gradients and their momentum."""
    network = HeadDirectionCNN(num_classes=2)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.8)
    before = network.features[1].weight.detach().clone()  # type: ignore[operator]
    loss = F.cross_entropy(network(torch.rand(2, 3, 720, 1280)), torch.tensor([0, 1]))
    torch.autograd.backward(loss)
    optimizer.step()
    assert bool(loss.isfinite())
    assert not torch.equal(network.features[1].weight, before)  # type: ignore[arg-type]
