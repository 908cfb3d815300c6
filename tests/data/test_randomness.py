import numpy as np
import pytest
from scipy.stats import chisquare, kstest

from project.data.randomness import Stream, generator, named_uniforms, philox, uniforms

KEYS = np.stack([np.full(5000, 3), np.arange(5000), np.zeros(5000, int)], axis=1)
ONES = 0xFFFFFFFF


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


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ([0, 0, 0, 0], [0, 0], [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([ONES] * 4, [ONES] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
    ids=["zeros", "ones", "pi"],
)
def test_philox_gives_the_published_answers(
    counter: list[int], key: list[int], expected: list[int]
) -> None:
    words = philox(np.array(counter, np.uint64)[:, None], np.array(key, np.uint64)[:, None])
    assert words[:, 0].tolist() == expected


def test_philox_of_many_keys_is_each_on_its_own() -> None:
    rng = np.random.default_rng(0)
    counters = rng.integers(0, 2**32, (4, 1, 7)).astype(np.uint64)
    keys = rng.integers(0, 2**32, (2, 3, 1)).astype(np.uint64)
    together = philox(counters, keys)
    assert together.shape == (4, 3, 7)
    alone = philox(counters[:, :, 4:5], keys[:, 2:])
    np.testing.assert_array_equal(together[:, 2:, 4:5], alone)


def test_uniforms_of_a_key_do_not_depend_on_the_others() -> None:
    whole = uniforms(Stream.CROP, 1, KEYS[:64], 6)
    np.testing.assert_array_equal(uniforms(Stream.CROP, 1, KEYS[[5]], 6)[0], whole[5])
    np.testing.assert_array_equal(uniforms(Stream.CROP, 1, KEYS[:64], 3), whole[:, :3])
    assert uniforms(Stream.CROP, 1, KEYS[:64], 0).shape == (64, 0)
    assert uniforms(Stream.CROP, 1, KEYS[:0], 6).shape == (0, 6)


@pytest.mark.parametrize(
    ("stream", "seed", "key", "name"),
    [
        (Stream.AUGMENTATION, 3, [1, 4, 0], ""),
        (Stream.CROP, 4, [1, 4, 0], ""),
        (Stream.CROP, 3, [2, 4, 0], ""),
        (Stream.CROP, 3, [1, 5, 0], ""),
        (Stream.CROP, 3, [1, 4, 1], ""),
        (Stream.CROP, 3, [4, 1, 0], ""),
        (Stream.CROP, 3, [1, 4], ""),
        (Stream.CROP, 3, [1, 4, 0, 0], ""),
        (Stream.CROP, 3, [1, 4, 0], "flip"),
    ],
    ids=["stream", "seed", "epoch", "index", "copy", "order", "shorter", "longer", "name"],
)
def test_any_other_key_gives_other_uniforms(
    stream: Stream, seed: int, key: list[int], name: str
) -> None:
    reference = uniforms(Stream.CROP, 3, np.array([[1, 4, 0]]), 8)
    assert not np.intersect1d(uniforms(stream, seed, np.array([key]), 8, name), reference).size


def test_no_key_of_a_large_set_comes_twice() -> None:
    epochs, rows, copies = (a.ravel() for a in np.meshgrid(range(20), range(2000), range(5)))
    numbers = uniforms(Stream.CROP, 0, np.stack([epochs, rows, copies], axis=1), 3)
    assert len(np.unique(numbers, axis=0)) == len(epochs)


def test_names_draw_what_they_would_draw_alone() -> None:
    both = named_uniforms(Stream.CROP, 1, KEYS[:9], {"flip": 1, "color": 6, "none": 0})
    for name, count in (("flip", 1), ("color", 6), ("none", 0)):
        alone = uniforms(Stream.CROP, 1, KEYS[:9], count, name)
        np.testing.assert_array_equal(both[name], alone)


def test_uniforms_are_uniform_and_fit_in_single_precision() -> None:
    numbers = uniforms(Stream.CROP, 7, KEYS, 9)
    assert numbers.min() >= 0
    assert numbers.astype(np.float32).max() < 1
    np.testing.assert_array_equal(numbers.astype(np.float32), numbers)
    for column in numbers.T:
        assert kstest(column, "uniform").pvalue > 0.001


def test_neighbours_in_any_direction_are_independent() -> None:
    numbers = uniforms(Stream.CROP, 7, KEYS, 9, "a")
    others = (
        numbers[1:, 0],  # the next image
        numbers[:, 1],  # the next word of a block
        numbers[:, 4],  # the next block
        uniforms(Stream.CROP, 7, KEYS + np.array([1, 0, 0]), 1, "a")[:, 0],
        uniforms(Stream.CROP, 7, KEYS + np.array([0, 0, 1]), 1, "a")[:, 0],
        uniforms(Stream.CROP, 8, KEYS, 1, "a")[:, 0],
        uniforms(Stream.CROP, 7, KEYS, 1, "b")[:, 0],
        uniforms(Stream.MIXING, 7, KEYS, 1, "a")[:, 0],
    )
    for other in others:
        cells = np.histogram2d(numbers[: len(other), 0], other, bins=10, range=[[0, 1]] * 2)[0]
        assert chisquare(cells.ravel()).pvalue > 0.001
