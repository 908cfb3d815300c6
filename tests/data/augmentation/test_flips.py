import numpy as np
import torch
from torch import Tensor

from project.data.augmentation import HorizontalFlip, VerticalFlip
from project.data.augmentation.transform import BatchTransform, apply


def flipped(transform: BatchTransform, images: Tensor, which: list[int]) -> Tensor:
    draws = torch.zeros(len(images), 1)
    draws[which] = 1
    return apply([transform], images, draws)


def test_left_and_right_are_swapped_exactly(images: Tensor) -> None:
    changed = flipped(HorizontalFlip(), images, [0, 3]).numpy()
    np.testing.assert_array_equal(changed[[0, 3]], images.numpy()[[0, 3], :, :, ::-1])
    np.testing.assert_array_equal(changed[[1, 2]], images.numpy()[[1, 2]])


def test_top_and_bottom_are_swapped_exactly(images: Tensor) -> None:
    changed = flipped(VerticalFlip(), images, [5]).numpy()
    np.testing.assert_array_equal(changed[5], images.numpy()[5, :, ::-1])
    np.testing.assert_array_equal(changed[4], images.numpy()[4])


def test_flipping_twice_changes_nothing(images: Tensor) -> None:
    everything = torch.ones(8, 2)
    assert torch.equal(apply([HorizontalFlip(), HorizontalFlip()], images, everything), images)
