import pytest
import torch
from torch import nn

from project.models.pooling import GlobalAverage, GridAverage


@pytest.mark.parametrize(("height", "width"), [(23, 46), (8, 8), (7, 5), (4, 4), (3, 2), (1, 1)])
def test_grid_averages_what_torchs_adaptive_pooling_does(height: int, width: int) -> None:
    features = torch.rand(2, 3, height, width, requires_grad=True)
    pooled = GridAverage(4)(features)
    torch.testing.assert_close(pooled, nn.AdaptiveAvgPool2d(4)(features))
    (gradient,) = torch.autograd.grad(pooled.square().sum(), features)
    (expected,) = torch.autograd.grad(nn.AdaptiveAvgPool2d(4)(features).square().sum(), features)
    torch.testing.assert_close(gradient, expected)


def test_grid_says_how_many_cells_it_has() -> None:
    assert repr(GridAverage(4)) == "GridAverage(side=4)"


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3, 7), (2, 3)], ids=["map", "tokens", "flat"])
def test_each_channel_is_averaged_over_all_of_its_places(shape: tuple[int, ...]) -> None:
    features = torch.rand(shape)
    expected = features.reshape(2, 3, -1).mean(2)
    torch.testing.assert_close(GlobalAverage()(features), expected)
