import numpy as np
import pytest
import torch
from torch import Tensor

from project.data.augmentation import Augmentation, ColorJitter
from project.data.augmentation.chain import Chain
from project.data.oversampling import Oversampling
from project.data.randomness import Stream
from project.errors import ConfigError

IMAGE = torch.randint(0, 256, (1, 16, 16, 3), dtype=torch.uint8).permute(0, 3, 1, 2)


def color() -> Augmentation:
    return Augmentation({"jitter": ColorJitter(hue=(-0.5, 0.5))})


def variant(oversampling: Oversampling, *, epoch: int, copy: int) -> Tensor:
    samples = oversampling.samples(np.array([[epoch, 7, copy]]), np.array([4]))
    chain = Chain(oversampling.transforms.transforms, Stream.OVERSAMPLING, 1)
    return chain(IMAGE, samples)


def test_factors_follow_the_class_order_and_the_named_ones_win() -> None:
    factors = Oversampling(factor=4, factors={"outer": 8}).class_factors(["hat", "outer", "top"])
    assert factors.tolist() == [4, 8, 4]


def test_variant_0_is_the_untouched_image_if_kept() -> None:
    kept = Oversampling(factor=4, transforms=color())
    assert torch.equal(variant(kept, epoch=0, copy=0), IMAGE)
    assert torch.equal(variant(kept, epoch=0, copy=4), IMAGE)  # next pass of the pool
    replaced = Oversampling(factor=4, transforms=color(), keep_original=False)
    assert not torch.equal(variant(replaced, epoch=0, copy=0), IMAGE)


def test_variants_differ_from_one_another() -> None:
    oversampling = Oversampling(factor=4, transforms=color())
    assert len({variant(oversampling, epoch=0, copy=c).numpy().tobytes() for c in range(4)}) == 4


def test_fixed_variants_stay_over_epochs_and_passes() -> None:
    fixed = Oversampling(factor=4, variants="fixed", transforms=color())
    first = variant(fixed, epoch=0, copy=2)
    assert torch.equal(variant(fixed, epoch=5, copy=2), first)
    assert torch.equal(variant(fixed, epoch=5, copy=6), first)


def test_fresh_variants_change_with_epoch_and_pass() -> None:
    fresh = Oversampling(factor=4, variants="fresh", transforms=color())
    first = variant(fresh, epoch=0, copy=2)
    assert not torch.equal(variant(fresh, epoch=1, copy=2), first)
    assert not torch.equal(variant(fresh, epoch=0, copy=6), first)
    assert torch.equal(variant(fresh, epoch=0, copy=2), first)


def test_each_image_has_the_variants_of_its_class() -> None:
    oversampling = Oversampling(transforms=color())
    keys = np.array([[3, 5, 4], [3, 6, 4], [3, 7, 5]])
    samples = oversampling.samples(keys, np.array([1, 4, 4]))
    assert samples.touched.tolist() == [False, False, True]
    assert samples.keys.tolist() == [[0, 5, 0], [0, 6, 0], [0, 7, 1]]


def test_copies_are_exact() -> None:
    copies = Oversampling(factor=4)
    assert all(torch.equal(variant(copies, epoch=0, copy=c), IMAGE) for c in range(4))


def test_unknown_classes_and_impossible_factors_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"no class is called 'outr'.*Did you mean \"outer\"\?"):
        Oversampling(factors={"outr": 4}).class_factors(["outer", "top"])
    with pytest.raises(ConfigError, match=r"expected factors of 1 .* got outer=0"):
        Oversampling(factors={"outer": 0})
    with pytest.raises(ConfigError, match=r"variants=fresh .* mean nothing for exact copies"):
        Oversampling(variants="fresh")
