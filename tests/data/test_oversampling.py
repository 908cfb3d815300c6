import albumentations as A
import numpy as np
import pytest
from numpy.typing import NDArray

from project.data.augmentation import Augmentation
from project.data.oversampling import Oversampling
from project.errors import ConfigError

IMAGE = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def color() -> Augmentation:
    return Augmentation({"jitter": A.HueSaturationValue(p=1)})


def variant(oversampling: Oversampling, *, epoch: int, copy: int) -> NDArray[np.uint8]:
    return oversampling(IMAGE, factor=4, seed=1, epoch=epoch, row=7, copy=copy)


def test_factors_follow_the_class_order_and_the_named_ones_win() -> None:
    factors = Oversampling(factor=4, factors={"outer": 8}).class_factors(["hat", "outer", "top"])
    assert factors.tolist() == [4, 8, 4]


def test_variant_0_is_the_untouched_image_if_kept() -> None:
    kept = Oversampling(factor=4, transforms=color())
    np.testing.assert_array_equal(variant(kept, epoch=0, copy=0), IMAGE)
    np.testing.assert_array_equal(variant(kept, epoch=0, copy=4), IMAGE)  # next pass of the pool
    replaced = Oversampling(factor=4, transforms=color(), keep_original=False)
    assert not np.array_equal(variant(replaced, epoch=0, copy=0), IMAGE)


def test_variants_differ_from_one_another() -> None:
    oversampling = Oversampling(factor=4, transforms=color())
    assert len({variant(oversampling, epoch=0, copy=c).tobytes() for c in range(4)}) == 4


def test_fixed_variants_stay_over_epochs_and_passes() -> None:
    fixed = Oversampling(factor=4, variants="fixed", transforms=color())
    first = variant(fixed, epoch=0, copy=2)
    np.testing.assert_array_equal(variant(fixed, epoch=5, copy=2), first)
    np.testing.assert_array_equal(variant(fixed, epoch=5, copy=6), first)


def test_fresh_variants_change_with_epoch_and_pass() -> None:
    fresh = Oversampling(factor=4, variants="fresh", transforms=color())
    first = variant(fresh, epoch=0, copy=2)
    assert not np.array_equal(variant(fresh, epoch=1, copy=2), first)
    assert not np.array_equal(variant(fresh, epoch=0, copy=6), first)
    np.testing.assert_array_equal(variant(fresh, epoch=0, copy=2), first)


def test_copies_are_exact() -> None:
    copies = Oversampling(factor=4)
    assert all(np.array_equal(variant(copies, epoch=0, copy=c), IMAGE) for c in range(4))


def test_unknown_classes_and_impossible_factors_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"no class is called 'outr'.*Did you mean \"outer\"\?"):
        Oversampling(factors={"outr": 4}).class_factors(["outer", "top"])
    with pytest.raises(ConfigError, match=r"expected factors of 1 .* got outer=0"):
        Oversampling(factors={"outer": 0})
