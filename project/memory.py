"""Memory of the host that costs little when it is first written to."""

import math
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_LARGE = 1 << 20  # bytes
_KEPT = 2  # arrays a thread: a batch is made while the one before it is in use
_MOST_BYTES = 256 << 20  # of each

_kept = threading.local()


@dataclass(eq=False)
class _Lent:
    """Memory, and who has it, which may be gone."""

    array: np.ndarray
    to: Callable[[], np.ndarray | None] = lambda: None


def empty(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Makes a tensor of any values on the CPU.

    Of pages of two megabytes, where the system has them, for which NumPy asks and torch does not:
    writing a new batch of images, or a copy of the weights, otherwise takes several times as long.

    Args:
        shape: Lengths of its dimensions.
        dtype: Type of its values.
    """
    size = math.prod(shape) * dtype.itemsize
    if size < _LARGE:
        return torch.empty(tuple(shape), dtype=dtype)
    return torch.from_numpy(np.empty(size, np.uint8)).view(dtype).view(tuple(shape))


def reused(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Makes a tensor of any values on the CPU, where one that nobody holds any more has been.

    For what is made again and again in one size, such as batches: memory that the system has just
    handed out is written twice, first by the system.

    Args:
        shape: Lengths of its dimensions.
        dtype: Type of its values.
    """
    size = math.prod(shape) * dtype.itemsize
    if not _LARGE <= size <= _MOST_BYTES:
        return empty(shape, dtype)
    kept: list[_Lent] = vars(_kept).setdefault("memory", [])
    for lent in kept:
        if lent.array.nbytes == size and lent.to() is None:
            break
    else:
        lent = _Lent(np.empty(size, np.uint8))
        kept[:] = [*kept, lent][-_KEPT:]
    view = lent.array[:]  # lives as long as the last tensor on it
    lent.to = weakref.ref(view)
    return torch.from_numpy(view).view(dtype).view(tuple(shape))


def copied(tensor: Tensor) -> Tensor:
    """Copies a tensor, with its layout: from a GPU to the host, otherwise on its own device.

    What a GPU copies is there when the GPU has done what its current stream holds by now.

    Args:
        tensor: Of any device and layout.
    """
    if is_on_gpu(tensor):
        return _copied_to_host(tensor.detach())
    order = sorted(range(tensor.ndim), key=tensor.stride, reverse=True)
    dense = tensor.layout == torch.strided and tensor.permute(order).is_contiguous()
    if tensor.device.type != "cpu" or not dense:
        return tensor.detach().clone()
    flat = tensor.detach().permute(order)
    back = sorted(range(tensor.ndim), key=order.__getitem__)
    return empty(flat.shape, tensor.dtype).copy_(flat).permute(back)


def is_on_gpu(tensor: Tensor) -> bool:
    """Whether a copy of a tensor takes memory of the host, and comes about later.

    Args:
        tensor: Of any device.
    """
    return tensor.device.type == "cuda"


def _copied_to_host(tensor: Tensor) -> Tensor:
    """Memory that is locked in its place, from which alone a GPU copies by itself."""
    if tensor.layout != torch.strided:
        return tensor.to("cpu")
    return torch.empty_like(tensor, device="cpu", pin_memory=True).copy_(tensor, non_blocking=True)
