import albumentations as A
import numpy as np
import pytest
import torch
from torch import Tensor

from project.data.augmentation import Augmentation, ColorJitter, HorizontalFlip
from project.data.augmentation.chain import Chain, Samples
from project.data.augmentation.transform import apply
from project.data.randomness import Stream
from project.errors import ConfigError

KEYS = np.stack([np.full(8, 2), np.arange(8), np.zeros(8, int)], axis=1)
EVERY = Samples(KEYS, np.ones(8, bool))


def chain(**transforms: object) -> Chain:
    return Chain(Augmentation(transforms).transforms, Stream.AUGMENTATION, 1)


def mixed() -> Chain:
    return chain(
        flip=HorizontalFlip(),
        blur=A.MedianBlur(p=0.5),
        color=ColorJitter(),
        noise=A.GaussNoise(p=1),
    )


def test_names_are_those_of_the_configuration() -> None:
    augmentation = Augmentation({"flip": HorizontalFlip(), "blur": A.Blur()})
    assert augmentation.names == ("flip", "blur")
    assert augmentation
    assert not Augmentation()


def test_something_that_is_no_transform_is_refused() -> None:
    expected = r"'blur': expected one of project\.data\.augmentation or of albumentations, got int"
    with pytest.raises(ConfigError, match=expected):
        Augmentation({"blur": 3})


def test_draws_of_a_transform_do_not_depend_on_the_others() -> None:
    color = ColorJitter()
    alone = chain(color=color).draw(EVERY)
    assert torch.equal(chain(flip=HorizontalFlip(), color=color).draw(EVERY)[:, 1:], alone)
    assert not torch.equal(chain(other=color).draw(EVERY), alone)


def test_draws_belong_to_the_sample_and_not_to_its_batch() -> None:
    whole = mixed().draw(EVERY)
    part = mixed().draw(Samples(KEYS[3:5], np.ones(2, bool)))
    assert torch.equal(whole[3:5], part)
    assert len(np.unique(whole.numpy(), axis=0)) == 8


def test_images_of_a_chain_do_not_depend_on_their_batch(images: Tensor) -> None:
    whole = mixed()(images, EVERY)
    for row in range(8):
        alone = mixed()(images[row : row + 1], Samples(KEYS[row : row + 1], np.ones(1, bool)))
        assert torch.equal(alone[0], whole[row])


def test_untouched_images_are_bit_by_bit_as_they_were(images: Tensor) -> None:
    touched = np.arange(8) % 2 == 0
    changed = mixed()(images, Samples(KEYS, touched))
    assert torch.equal(changed[1::2], images[1::2])
    assert all(not torch.equal(changed[row], images[row]) for row in range(0, 8, 2))


def test_order_is_the_configured_one(images: Tensor) -> None:
    dark = ColorJitter((0.2, 0.2), (1, 1), (1, 1), (0, 0))
    inverted = A.InvertImg(p=1)
    first = chain(dark=dark, invert=inverted)(images, EVERY)
    second = chain(invert=inverted, dark=dark)(images, EVERY)
    assert first.min() >= 255 - 51  # dark images, inverted
    assert second.max() <= 51


def test_cut_is_after_the_last_transform_of_single_images(images: Tensor) -> None:
    whole = chain(flip=HorizontalFlip(), blur=A.MedianBlur(p=1), color=ColorJitter())
    first, second = whole.split()
    assert [type(t).__name__ for t in first.batchwise] == ["HorizontalFlip"]
    assert [type(t).__name__ for t in second.batchwise] == ["ColorJitter"]
    assert first.runs_by_sample
    assert not second.runs_by_sample
    halfway = first(images, EVERY)
    assert torch.equal(second(halfway, EVERY), whole(images, EVERY))


def test_everything_is_before_the_cut_if_such_a_transform_follows() -> None:
    flip = chain(flip=HorizontalFlip())
    assert [len(part.batchwise) for part in flip.split()] == [0, 1]
    assert [len(part.batchwise) for part in flip.split(followed=True)] == [1, 0]


def test_chain_without_single_images_is_its_draws_applied(images: Tensor) -> None:
    both = chain(flip=HorizontalFlip(), color=ColorJitter())
    expected = apply(both.batchwise, images, both.draw(EVERY))
    assert torch.equal(both(images, EVERY), expected)
