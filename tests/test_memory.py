from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch

from project.memory import copied, empty, reused

LARGE = (3, 50, 60, 70)  # 2.5 megabytes of float32


@pytest.mark.parametrize("make", [empty, reused])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.uint8, torch.int64])
@pytest.mark.parametrize("shape", [(2, 3), LARGE, (), (0, 4)])
def test_tensors_have_shape_and_type_and_can_be_filled(
    make: Callable[[Sequence[int], torch.dtype], torch.Tensor],
    shape: tuple[int, ...],
    dtype: torch.dtype,
) -> None:
    made = make(shape, dtype)
    assert made.shape == shape
    assert made.dtype == dtype
    assert made.is_contiguous()
    assert torch.equal(made.fill_(7), torch.full(shape, 7, dtype=dtype))


@pytest.mark.parametrize(
    "tensor",
    [
        torch.rand(LARGE),
        torch.rand(LARGE).to(memory_format=torch.channels_last),
        torch.rand(LARGE).permute(2, 0, 3, 1),
        torch.rand(LARGE)[:, ::2],
        torch.rand(1, 60, 70).expand(50, 60, 70),
        torch.rand(700, 700, dtype=torch.bfloat16),
        torch.rand(4).to_sparse(),
        torch.tensor(3),
    ],
    ids=["plain", "channels_last", "permuted", "gaps", "expanded", "bfloat16", "sparse", "number"],
)
def test_copies_are_equal_in_values_and_layout_and_nothing_else(tensor: torch.Tensor) -> None:
    copy = copied(tensor.requires_grad_(tensor.is_floating_point()))
    assert not copy.requires_grad
    assert copy.dtype == tensor.dtype
    assert torch.equal(copy.to_dense(), tensor.detach().to_dense())
    if tensor.layout == torch.strided:
        assert copy.stride() == tensor.detach().clone().stride()
        assert copy.data_ptr() != tensor.data_ptr()
        assert copy.untyped_storage().nbytes() == copy.numel() * copy.itemsize


@pytest.mark.parametrize(
    "tensor",
    [torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last), torch.rand(4).to_sparse()],
    ids=["channels_last", "sparse"],
)
def test_copies_of_a_gpu_are_locked_in_memory_of_the_host(
    monkeypatch: pytest.MonkeyPatch, tensor: torch.Tensor
) -> None:
    asked: list[dict[str, Any]] = []

    def empty_like(like: torch.Tensor, **how: Any) -> torch.Tensor:
        asked.append(how)
        return torch.empty_strided(like.shape, like.stride())

    monkeypatch.setattr("project.memory.is_on_gpu", lambda _: True)
    monkeypatch.setattr(torch, "empty_like", empty_like)
    copy = copied(tensor.requires_grad_())
    assert not copy.requires_grad
    assert torch.equal(copy.to_dense(), tensor.detach().to_dense())
    strided = tensor.layout == torch.strided
    assert asked == ([{"device": "cpu", "pin_memory": True}] if strided else [])


def test_memory_is_used_again_once_nobody_holds_it() -> None:
    first = reused(LARGE, torch.float32).fill_(1)
    place = first.data_ptr()
    holds: list[Callable[[torch.Tensor], Any]] = [
        lambda tensor: tensor[1],
        lambda tensor: tensor.numpy()[1],
        lambda tensor: tensor.view(torch.int32),
    ]
    for hold in holds:
        part = hold(first)
        del first
        second = reused(LARGE, torch.float32).fill_(2)
        assert second.data_ptr() != place
        assert float(torch.as_tensor(part).view(torch.float32).max()) == 1
        del part, second
        first = reused(LARGE, torch.float32).fill_(1)
        place = first.data_ptr()
    del first
    kept = {reused(LARGE, torch.float32).data_ptr() for _ in range(5)}
    assert kept == {place}


def test_memory_of_a_thread_is_not_given_to_others() -> None:
    place = reused(LARGE, torch.float32).data_ptr()
    with ThreadPoolExecutor(1) as other:
        theirs = other.submit(reused, LARGE, torch.float32).result()
    assert theirs.data_ptr() != place


def test_what_feeds_a_backward_pass_is_not_overwritten() -> None:
    weight = torch.ones(LARGE, requires_grad=True)
    loss = (weight * reused(LARGE, torch.float32).fill_(3)).sum()
    reused(LARGE, torch.float32).fill_(9)
    torch.autograd.backward(loss)
    assert weight.grad is not None
    assert torch.equal(weight.grad, torch.full(LARGE, 3.0))
