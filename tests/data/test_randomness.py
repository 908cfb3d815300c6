import numpy as np
import pytest

from project.data.randomness import Stream, generator


def test_equal_keys_give_equal_numbers() -> None:
    first, second = (generator(Stream.CROP, 3, 1, 4, 0).random(8) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("stream", "seed", "key"),
    [
        (Stream.AUGMENTATION, 3, (1, 4, 0)),
        (Stream.CROP, 4, (1, 4, 0)),
        (Stream.CROP, 3, (2, 4, 0)),
        (Stream.CROP, 3, (1, 5, 0)),
        (Stream.CROP, 3, (1, 4, 1)),
        (Stream.CROP, 3, (1, 4)),
    ],
    ids=["stream", "seed", "epoch", "index", "copy", "length"],
)
def test_any_other_key_gives_other_numbers(stream: Stream, seed: int, key: tuple[int, ...]) -> None:
    reference = generator(Stream.CROP, 3, 1, 4, 0).random(8)
    assert not np.array_equal(generator(stream, seed, *key).random(8), reference)


def test_neighbouring_keys_are_not_correlated() -> None:
    draws = np.array([generator(Stream.CROP, 0, 0, index, 0).random(2) for index in range(4000)])
    assert abs(np.corrcoef(draws[:-1, 0], draws[1:, 0])[0, 1]) < 0.05  # 3 standard errors
    assert abs(draws.mean() - 0.5) < 0.02
