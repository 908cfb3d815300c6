"""How long a trained model takes for an image."""

import statistics
import time

import torch
from torch import nn

_REPEATS = 20
_BUDGET_SECONDS = 0.5
_WARM_UP = 2  # the first passes choose algorithms and fill caches


def milliseconds_per_image(
    model: nn.Module, size: tuple[int, int], batch_size: int, device: torch.device
) -> float:
    """Times forward passes of blank pictures, as they leave the loader.

    Args:
        model: Is moved to the device and left there, in evaluation mode.
        size: Height and width in pixels.
        batch_size: Pictures in a batch; less, if a pass of all would take too long.
        device: Where to compute.

    Returns:
        Milliseconds, the median over some passes; what else the device does at the time counts in.
    """
    model.to(device).eval()
    with torch.inference_mode():
        one = min(_seconds(model, _pictures(1, size, device), device) for _ in range(_WARM_UP))
        count = max(1, min(batch_size, int(_BUDGET_SECONDS / max(one, 1e-9))))
        pictures = _pictures(count, size, device)
        passes = [_seconds(model, pictures, device) for _ in range(_WARM_UP)][1:]
        begin = time.perf_counter()
        while len(passes) < _REPEATS and time.perf_counter() - begin < _BUDGET_SECONDS:
            passes.append(_seconds(model, pictures, device))
    return 1000 * statistics.median(passes) / count


def _pictures(count: int, size: tuple[int, int], device: torch.device) -> torch.Tensor:
    return torch.zeros(count, 3, *size, dtype=torch.uint8, device=device)


def _seconds(model: nn.Module, pictures: torch.Tensor, device: torch.device) -> float:
    _wait(device)
    begin = time.perf_counter()
    model(pictures)
    _wait(device)
    return time.perf_counter() - begin


def _wait(device: torch.device) -> None:
    """Passes on a GPU are only queued."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
