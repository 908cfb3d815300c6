import numpy as np
import pytest

from project.data.augmentation import rand_augment
from project.data.augmentation.samplewise import Samplewise
from project.errors import ConfigError

IMAGE = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize("magnitude", [0, 1, 5, 10])
def test_rand_augment_keeps_size_and_type_at_every_magnitude(magnitude: int) -> None:
    transform = Samplewise("it", rand_augment(num_ops=14, magnitude=magnitude))
    changed = transform(IMAGE, np.random.default_rng(1))
    assert changed.shape == IMAGE.shape
    assert changed.dtype == np.uint8


def test_rand_augment_changes_more_at_a_higher_magnitude() -> None:
    smooth = np.tile(np.arange(0, 256, 8, dtype=np.uint8)[:, None, None], (1, 32, 3))

    def change(magnitude: int) -> float:
        transform = Samplewise("it", rand_augment(num_ops=2, magnitude=magnitude))
        changed = [transform(smooth, np.random.default_rng(s)).astype(int) for s in range(60)]
        return float(np.abs(np.array(changed) - smooth).mean())

    assert change(9) > 1.5 * change(2)


def test_rand_augment_refuses_what_it_cannot_do() -> None:
    with pytest.raises(ConfigError, match="magnitude: expected 0 to 10, got 11"):
        rand_augment(magnitude=11)
    with pytest.raises(ConfigError, match="num_ops: expected 1 to 14 operations, got 0"):
        rand_augment(num_ops=0)
