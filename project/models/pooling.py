"""Feature maps of any size to few numbers."""

import torch
from torch import Tensor, nn


class GlobalAverage(nn.Module):
    """Averages each channel over all places; features without places stay as they are."""

    def forward(self, features: Tensor) -> Tensor:
        """Maps ``(B, C, ...)`` to ``(B, C)``."""
        return features.flatten(2).mean(2) if features.ndim > 2 else features


class GridAverage(nn.Module):
    """Averages a feature map over the cells of a grid, whatever its size.

    What ``nn.AdaptiveAvgPool2d`` computes, as two products of matrices: its own gradient comes out
    a little different each time on a GPU.

    Args:
        side: Cells in a row and in a column. A map with fewer places repeats them.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, features: Tensor) -> Tensor:
        """Maps ``(B, C, H, W)`` to ``(B, C, side, side)``."""
        down, across = (_shares(self.side, length, features) for length in features.shape[2:])
        return down @ features @ across.T

    def extra_repr(self) -> str:
        """What is shown of it."""
        return f"side={self.side}"


def _shares(cells: int, places: int, like: Tensor) -> Tensor:
    """How much each place counts in each cell, ``(cells, places)``; rows sum to 1."""
    cell = torch.arange(cells, device=like.device).unsqueeze(1)
    place = torch.arange(places, device=like.device)
    first, end = cell * places // cells, -(-(cell + 1) * places // cells)
    inside = ((place >= first) & (place < end)).to(like.dtype)
    return inside / inside.sum(1, keepdim=True)
