"""Random numbers that belong to a sample, never to the worker that happens to draw them.

Every draw is keyed by where it is used (a stream) and by (seed, epoch, image index, copy number).
Nothing else enters, so that the number of workers, their scheduling, a restart in mid-epoch or the
number of ranks cannot change a single pixel.
"""

import zlib
from collections.abc import Mapping
from enum import IntEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_WORDS = 4  # of a Philox counter, 32 bits each
_ROUNDS = 10
_HALF, _MASK = np.uint64(32), np.uint64(0xFFFFFFFF)
_FACTORS = np.array([0xD2511F53, 0xCD9E8D57], np.uint64)
_WEYL = np.array([0x9E3779B9, 0xBB67AE85], np.uint64)


class Stream(IntEnum):
    """What a generator is for: two streams of one sample are independent."""

    ORDER = 0
    CROP = 1
    OVERSAMPLING = 2
    AUGMENTATION = 3
    MIXING = 4


def generator(stream: Stream, seed: int, *key: int) -> np.random.Generator:
    """The random number generator of one key.

    Costs about 15 microseconds.

    Args:
        stream: What the numbers are for.
        seed: Seed of the run, not negative.
        *key: Epoch, image index, copy number or any other non-negative integers.

    Returns:
        A generator in its initial state: equal keys give equal numbers, others independent ones.

    Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3" (Philox).

    Example:
        >>> a, b = (generator(Stream.CROP, 1, 0, 7, 0).random() for _ in range(2))
        >>> a == b, a == generator(Stream.CROP, 1, 0, 7, 1).random()
        (True, False)
    """
    entropy = np.random.SeedSequence([int(stream), seed, *key])
    return np.random.Generator(np.random.Philox(entropy))


def uniforms(
    stream: Stream, seed: int, keys: NDArray[np.int64], count: int, name: str = ""
) -> NDArray[np.float64]:
    """Uniform numbers for many keys at once.

    Costs two to three microseconds a key, in batches of 64, where `generator` costs fifteen.

    Args:
        stream: What the numbers are for.
        seed: Seed of the run, not negative.
        keys: One key a row, int64 (B, K), K up to 4, each number from 0 to 2^32 - 1.
        count: Numbers a key.
        name: Of what draws, where several draw from one stream.

    Returns:
        float64 (B, count) in [0, 1), multiples of 2^-24, which float32 holds as they are. Row b
        follows from stream, seed, name and ``keys[b]`` alone, and does not change with ``count``.

    Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3" (Philox4x32-10).

    Example:
        >>> keys = np.array([[0, 7, 0], [0, 8, 0]])
        >>> both = uniforms(Stream.CROP, 1, keys, 2)
        >>> bool((uniforms(Stream.CROP, 1, keys[1:], 2) == both[1:]).all())
        True
    """
    return named_uniforms(stream, seed, keys, {name: count})[name]


def named_uniforms(
    stream: Stream, seed: int, keys: NDArray[np.int64], counts: Mapping[str, int]
) -> dict[str, NDArray[np.float64]]:
    """`uniforms` for several names, in one go.

    Args:
        stream: What the numbers are for.
        seed: Seed of the run, not negative.
        keys: One key a row, int64 (B, K), K up to 4, each number from 0 to 2^32 - 1.
        counts: Numbers a key by name.

    Returns:
        float64 (B, count) in [0, 1) by name; those of one name do not depend on the others.
    """
    assert keys.shape[1] <= _WORDS, "a key has as many numbers as Philox counts with"
    counter = np.zeros((_WORDS, 1, len(keys)), np.uint64)
    counter[: keys.shape[1], 0] = keys.T
    assert not (counter >> _HALF).any(), "a number of a key is a word of 32 bits"
    # The whole counter holds the key, so no two keys share a block; the block is in Philox's key.
    blocks = [(name, block) for name, n in counts.items() for block in range(-(-n // _WORDS))]
    if not blocks:
        return {name: np.empty((len(keys), 0)) for name in counts}
    own = [_philox_key(int(stream), seed, keys.shape[1], name, block) for name, block in blocks]
    words = philox(counter, np.array(own, np.uint64).T[..., None])
    numbers = (words >> np.uint64(8)).transpose(1, 0, 2).astype(np.float64) * 2.0**-24
    found: dict[str, NDArray[np.float64]] = {}
    start = 0
    for name, count in counts.items():
        stop = start - (-count // _WORDS)
        found[name] = numbers[start:stop].reshape((stop - start) * _WORDS, len(keys))[:count].T
        start = stop
    return found


def philox(counter: NDArray[np.uint64], key: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The function Philox4x32-10: a bijection of counters, another one for each key.

    Args:
        counter: Four words of 32 bits along the first axis, uint64 (4, ...).
        key: Two words of 32 bits along the first axis, uint64 (2, ...), to be broadcast.

    Returns:
        Four words of 32 bits along the first axis, uint64 (4, ...).

    Source: Salmon et al. 2011, section 4.3.
    """
    even, odd = counter[0::2], counter[1::2]
    factors, weyl = (a.reshape(2, *[1] * (key.ndim - 1)) for a in (_FACTORS, _WEYL))
    for turn in range(_ROUNDS):
        product = even * factors
        even = (product >> _HALF)[::-1] ^ odd ^ ((key + weyl * np.uint64(turn)) & _MASK)
        odd = (product & _MASK)[::-1]
    words: NDArray[np.uint64] = np.stack([even[0], odd[0], even[1], odd[1]])
    return words


def name_number(name: str) -> int:
    """A number that stands for a name in a key."""
    return zlib.crc32(name.encode())


@lru_cache(maxsize=1024)
def _philox_key(stream: int, seed: int, length: int, name: str, block: int) -> tuple[int, int]:
    """Hashes what is not part of the counter."""
    entropy = [stream, seed, length, name_number(name), block]
    first, second = np.random.SeedSequence(entropy).generate_state(2, np.uint32)
    return int(first), int(second)
