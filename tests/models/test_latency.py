import time

import torch
from torch import nn

from project.models.latency import milliseconds_per_image

CPU = torch.device("cpu")


class Slow(nn.Module):
    """Takes a known time for an image."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.seen: list[tuple[int, ...]] = []

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        assert not self.training
        assert torch.is_inference_mode_enabled()
        assert pictures.dtype == torch.uint8
        self.seen.append(tuple(pictures.shape))
        time.sleep(self.seconds * len(pictures))
        return pictures.float().mean((1, 2, 3))


def test_time_is_that_of_one_image() -> None:
    model = Slow(0.002)
    taken = milliseconds_per_image(model, (6, 8), 4, CPU)
    assert 2.0 <= taken < 6.0
    assert model.seen[-1] == (4, 3, 6, 8)


def test_slow_model_is_not_given_a_whole_batch() -> None:
    model = Slow(0.1)
    begin = time.perf_counter()
    taken = milliseconds_per_image(model, (4, 4), 1000, CPU)
    assert time.perf_counter() - begin < 5
    assert 100 <= taken < 300
    assert max(shape[0] for shape in model.seen) <= 5
