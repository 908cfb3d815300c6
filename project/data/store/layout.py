"""The file of an image store: a header, an index, and pixels as they are in memory.

First come a mark, the version, the length of a description, the number of images and a digest of
both and of all that follows up to the pixels; then the description as JSON; on a new page the
index, one entry an image; and on a new page the pixels. All numbers are little-endian.
"""

import json
import mmap
import struct
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from project.errors import DataError

VERSION = 3
"""Raise it when the decoder or this layout changes: files of other versions are made anew."""

INDEX = np.dtype([("offset", "<i8"), ("height", "<i4"), ("width", "<i4"), ("checksum", "<u8")])
"""Where an image begins in the file, its size in pixels, and the XXH3 digest of its bytes."""

Index = np.ndarray[Any, np.dtype[np.void]]

_MARK = b"EVENHAND"
_PREFIX = struct.Struct("<8sI12s16s")
_EXTENT = struct.Struct("<IQ")  # bytes of the description, images
_PAGE = 4096  # bytes
_LINE = 64  # bytes: copies of images begin at the start of a cache line


@dataclass(frozen=True)
class Description:
    """What a file says of itself.

    Attributes:
        key: Of its contents; see `project.data.store.contents`.
        root: The folder of the photos that it was made from.
        images: How many there are.
        side: See `project.data.store.policy.Policy`, like the next two.
        interpolation: Resampling filter.
        boxed: Whether crop boxes have been cut out.
    """

    key: str
    root: str
    images: int
    side: int
    interpolation: str
    boxed: bool

    def json(self) -> bytes:
        """As it is written."""
        return json.dumps(asdict(self)).encode()


def planned(description: Description, shapes: NDArray[np.int64]) -> tuple[Index, int]:
    """Places images in a file.

    Args:
        description: Of the file.
        shapes: Height and width of each image, (M, 2).

    Returns:
        The index, whose checksums are still 0, and the size of the file in bytes.
    """
    index: Index = np.zeros(len(shapes), INDEX)
    index["height"], index["width"] = shapes.T
    sizes = shapes.prod(axis=1) * 3
    ends = _rounded(_index_start(len(description.json())) + index.nbytes, _PAGE) + _rounded(
        sizes, _LINE
    ).cumsum(dtype=np.int64)
    index["offset"] = ends - _rounded(sizes, _LINE)
    return index, int(ends[-1])


def head(description: Description, index: Index) -> bytes:
    """What a file begins with, up to the end of the index."""
    text = description.json()
    rest = text.ljust(_index_start(len(text)) - _PREFIX.size, b"\0") + index.tobytes()
    extent = _EXTENT.pack(len(text), len(index))
    return _PREFIX.pack(_MARK, VERSION, extent, _digest(extent, rest)) + rest


def read(buffer: memoryview) -> tuple[Description, Index]:
    """Checks and reads what a file begins with.

    Args:
        buffer: The whole file.

    Returns:
        The description, and the index as a view into the file.

    Raises:
        DataError: The file cannot be used; the message is the short reason.
    """
    if len(buffer) < _PREFIX.size:
        raise DataError("it is cut off")
    mark, version, extent, digest = _PREFIX.unpack_from(buffer)
    if mark != _MARK:
        raise DataError("it is no image cache")
    if version != VERSION:
        raise DataError(f"it has version {version} of the format, and this is {VERSION}")
    length, images = _EXTENT.unpack(extent)
    start = _index_start(length)
    end = start + images * INDEX.itemsize
    if len(buffer) < end:
        raise DataError("it is cut off")
    if _digest(extent, buffer[_PREFIX.size : end]) != digest:
        raise DataError("its header is damaged")
    description = Description(**json.loads(bytes(buffer[_PREFIX.size : _PREFIX.size + length])))
    index: Index = np.frombuffer(buffer[start:end], INDEX)
    size = planned(description, np.stack([index["height"], index["width"]], 1).astype(np.int64))[1]
    if len(buffer) != size:
        raise DataError(f"it has {len(buffer):,} of {size:,} bytes")
    return description, index


def described(file: Path) -> Description:
    """Reads what a file says of itself.

    Raises:
        DataError: It cannot be used; the message is the short reason.
        OSError: It cannot be read.
    """
    with file.open("rb") as stream:
        return read(mapped(stream.fileno()))[0]


def mapped(descriptor: int) -> memoryview:
    """Maps a whole file into memory, to be read.

    The map has its own copy of the descriptor, so that what is locked through it stays locked for
    as long as the map or a copy of it in a forked process exists.

    Raises:
        DataError: The file is empty.
        OSError: It cannot be mapped.
    """
    try:
        return memoryview(mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ))
    except ValueError as error:
        raise DataError("it is cut off") from error


def checksum(pixels: NDArray[np.uint8]) -> int:
    """The digest of an image, 64 bits. Reads some ten gigabytes a second."""
    return xxhash.xxh3_64_intdigest(pixels.data)


def _index_start(length: int) -> int:
    """Where the index begins behind a description of so many bytes."""
    return int(_rounded(_PREFIX.size + length, _PAGE))


def _digest(extent: bytes, rest: bytes | memoryview) -> bytes:
    digest = xxhash.xxh3_128(extent)
    digest.update(rest)
    return digest.digest()


def _rounded(size: Any, unit: int) -> Any:
    """Rounds bytes up to whole units."""
    return -(-size // unit) * unit
