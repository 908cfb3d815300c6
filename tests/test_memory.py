import pytest
import torch

from project.memory import copied, empty

LARGE = (3, 50, 60, 70)  # 2.5 megabytes of float32


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.uint8, torch.int64])
@pytest.mark.parametrize("shape", [(2, 3), LARGE, (), (0, 4)])
def test_tensors_have_shape_and_type_and_can_be_filled(
    shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    made = empty(shape, dtype)
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
