"""Pictures, and the numbers that transforms are drawn by."""

import numpy as np
import pytest
import torch
from torch import Tensor


@pytest.fixture
def images() -> Tensor:
    """Noisy uint8 images (8, 3, 20, 26), channels last, of different colours."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 120, (8, 20, 26, 3)) + rng.integers(0, 130, (8, 1, 1, 3))
    return torch.from_numpy(pixels.astype(np.uint8)).permute(0, 3, 1, 2)


@pytest.fixture
def smooth() -> Tensor:
    """A smooth float image (1, 3, 40, 56) in the middle of [0, 1]."""
    y, x = torch.meshgrid(torch.linspace(0, 3, 40), torch.linspace(0, 4, 56), indexing="ij")
    waves = torch.stack([torch.sin(x + y), torch.cos(x - y), torch.sin(2 * x)])
    return (0.5 + 0.2 * waves)[None].contiguous(memory_format=torch.channels_last)
