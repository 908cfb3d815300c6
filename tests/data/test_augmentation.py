import albumentations as A
import numpy as np
import pytest

from project.data.augmentation import Augmentation, rand_augment
from project.errors import ConfigError

IMAGE = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def nested() -> Augmentation:
    return Augmentation(
        {
            "flip": A.HorizontalFlip(p=0.5),
            "one_of": A.OneOf([A.ColorJitter(p=1), A.GaussNoise(p=1), A.Rotate(p=1)], p=1),
            "some": rand_augment(num_ops=2, magnitude=9),
        }
    )


def test_equal_generators_give_equal_images_also_in_another_instance() -> None:
    one, other = nested(), nested()
    other(IMAGE, np.random.default_rng(99))  # has a past
    for seed in range(20):
        expected = one(IMAGE, np.random.default_rng(seed))
        np.testing.assert_array_equal(other(IMAGE, np.random.default_rng(seed)), expected)


def test_different_generators_give_different_images() -> None:
    images = {nested()(IMAGE, np.random.default_rng(seed)).tobytes() for seed in range(20)}
    assert len(images) > 15


def test_nothing_to_do_leaves_the_image_as_it_is() -> None:
    nothing = Augmentation()
    assert not nothing
    assert nothing(IMAGE, np.random.default_rng(0)) is IMAGE


def test_something_that_is_no_transform_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'blur': expected an albumentations transform, got int"):
        Augmentation({"blur": 3})


@pytest.mark.parametrize("magnitude", [0, 1, 5, 10])
def test_rand_augment_keeps_size_and_type_at_every_magnitude(magnitude: int) -> None:
    chain = Augmentation({"it": rand_augment(num_ops=14, magnitude=magnitude)})
    changed = chain(IMAGE, np.random.default_rng(1))
    assert changed.shape == IMAGE.shape
    assert changed.dtype == np.uint8


def test_rand_augment_changes_more_at_a_higher_magnitude() -> None:
    smooth = np.tile(np.arange(0, 256, 8, dtype=np.uint8)[:, None, None], (1, 32, 3))

    def change(magnitude: int) -> float:
        chain = Augmentation({"it": rand_augment(num_ops=2, magnitude=magnitude)})
        changed = [chain(smooth, np.random.default_rng(s)).astype(int) for s in range(60)]
        return float(np.abs(np.array(changed) - smooth).mean())

    assert change(9) > 1.5 * change(2)


def test_rand_augment_refuses_what_it_cannot_do() -> None:
    with pytest.raises(ConfigError, match="magnitude: expected 0 to 10, got 11"):
        rand_augment(magnitude=11)
    with pytest.raises(ConfigError, match="num_ops: expected 1 to 14 operations, got 0"):
        rand_augment(num_ops=0)
