import pytest
import torch
import torch.nn.functional as F

from project.errors import ModelError
from project.models.cats_dogs import CatsDogsCNN
from tests.models.layers import layer_shapes, weights_by_layer


@pytest.fixture
def published() -> CatsDogsCNN:
    """Without memory for its hundred million weights."""
    with torch.device("meta"):
        return CatsDogsCNN(num_classes=2)


def test_picture_shrinks_layer_by_layer_as_published(published: CatsDogsCNN) -> None:
    shapes = layer_shapes(published, torch.zeros(1, 3, 256, 256, device="meta"))
    assert shapes == [
        ("Conv2d", (64, 254, 254)),  # less 3 - 1
        ("MaxPool2d", (64, 127, 127)),
        ("Conv2d", (192, 125, 125)),
        ("MaxPool2d", (192, 62, 62)),
        ("Conv2d", (256, 60, 60)),
        ("Conv2d", (384, 58, 58)),
        ("Conv2d", (128, 56, 56)),
        ("MaxPool2d", (128, 28, 28)),
        ("Linear", (1024,)),
        ("Linear", (512,)),
        ("Linear", (2,)),
    ]
    assert 128 * 28 * 28 == 100_352


def test_weights_are_as_many_as_published(published: CatsDogsCNN) -> None:
    assert weights_by_layer(published) == [
        1_792,  # 64 x 3 x 3 x 3 weights and 64 biases
        110_784,  # 192 x 64 x 9 + 192
        442_624,  # 256 x 192 x 9 + 256
        885_120,  # 384 x 256 x 9 + 384
        442_496,  # 128 x 384 x 9 + 128
        102_761_472,  # 100,352 x 1024 + 1024
        524_800,  # 1024 x 512 + 512
        1_026,  # 512 x 2 + 2
    ]
    assert sum(value.numel() for value in published.parameters()) == 105_170_114


def test_another_size_is_refused_with_the_right_one(published: CatsDogsCNN) -> None:
    text = r"pictures of 256 x 256 pixels .* got 86528 \(128 x 26 x 26\)\. Set data\.size=\[256,256"
    with pytest.raises(ModelError, match=text):
        published(torch.zeros(1, 3, 240, 240, device="meta"))


@pytest.mark.parametrize("size", [(1, 1), (24, 32), (97, 64)])
def test_it_adapts_to_any_size_where_asked(size: tuple[int, int]) -> None:
    network = CatsDogsCNN(num_classes=3, width=0.1, adaptive=True)
    assert network(torch.rand(2, 3, *size)).shape == (2, 3)


@pytest.mark.slow
def test_published_size_takes_a_step() -> None:
    network = CatsDogsCNN(num_classes=2)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    before = network.features[0].weight.detach().clone()  # type: ignore[operator]
    loss = F.cross_entropy(network(torch.rand(2, 3, 256, 256)), torch.tensor([0, 1]))
    torch.autograd.backward(loss)
    optimizer.step()
    assert bool(loss.isfinite())
    assert not torch.equal(network.features[0].weight, before)  # type: ignore[arg-type]
