import pytest
import torch

from project.models.small_cnn import SmallCNN


@pytest.mark.parametrize("size", [(1, 1), (7, 20), (64, 64), (256, 192)], ids=str)
def test_any_image_size_gives_one_logit_a_class(size: tuple[int, int]) -> None:
    assert SmallCNN(num_classes=5)(torch.zeros(2, 3, *size)).shape == (2, 5)


def test_channels_double_with_every_block() -> None:
    network = SmallCNN(num_classes=2, width=8, depth=3)
    assert network.classifier.in_features == 32


def test_grey_images_are_taken_too() -> None:
    assert SmallCNN(num_classes=2, in_chans=1, width=4)(torch.zeros(2, 1, 8, 8)).shape == (2, 2)


def test_it_learns_bright_from_dark() -> None:
    torch.manual_seed(0)
    labels = torch.arange(32) % 2
    images = labels.view(-1, 1, 1, 1) + 0.5 * torch.randn(32, 3, 16, 16)
    network = SmallCNN(num_classes=2, width=4, depth=2)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(20):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(images), labels)
        torch.autograd.backward(loss)
        optimizer.step()
    assert torch.equal(network.eval()(images).argmax(dim=1), labels)
