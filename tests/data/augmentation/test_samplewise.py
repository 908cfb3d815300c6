import albumentations as A
import numpy as np
import pytest

from project.data.augmentation import rand_augment
from project.data.augmentation.samplewise import Samplewise
from project.errors import DataError

IMAGE = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def nested() -> Samplewise:
    one_of = A.OneOf([A.ColorJitter(p=1), A.GaussNoise(p=1), A.Rotate(p=1)], p=1)
    return Samplewise(
        "it", A.Sequential([A.HorizontalFlip(p=0.5), one_of, rand_augment(2, 9)], p=1)
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


@pytest.mark.parametrize(
    ("transform", "got"),
    [(A.CenterCrop(8, 8), r"uint8 and \[8, 8\]"), (A.ToFloat(), r"float32 and \[32, 32\]")],
    ids=["size", "type"],
)
def test_other_size_or_type_is_refused(transform: A.BasicTransform, got: str) -> None:
    with pytest.raises(
        DataError, match=rf"'crop': expected images to stay .*\[32, 32\].* got {got}"
    ):
        Samplewise("crop", transform)(IMAGE, np.random.default_rng(0))
