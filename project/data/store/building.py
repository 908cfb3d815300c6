"""Makes the file of an image store."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from project.data.cores import available_cores
from project.data.progress import with_progress
from project.data.store.contents import Contents
from project.data.store.decoding import DecodingStore
from project.data.store.folder import partial
from project.data.store.layout import Description, checksum, head, planned

_CHUNK = 64  # images that a thread takes at a time, at most


class Build:
    """Images that are to be written to a file.

    Args:
        contents: Which.
        decoding: Where they come from.
    """

    def __init__(self, contents: Contents, decoding: DecodingStore) -> None:
        policy = decoding.policy
        self.description = Description(
            key=contents.key,
            root=str(decoding.catalog.root.resolve()),
            images=len(contents.rows),
            side=policy.side,
            interpolation=policy.interpolation,
            boxed=policy.boxed,
        )
        self._index, self.size = planned(self.description, contents.shapes)
        self._rows = contents.rows
        self._decoding = decoding

    def publish(self, file: Path) -> None:
        """Makes the file, which is there whole or not at all. The caller holds its lock.

        Raises:
            DataError: A photo cannot be decoded, or has changed since the scan.
            OSError: The file cannot be written.
        """
        temporary = partial(file)
        try:
            with temporary.open("wb") as stream:
                self.write(stream.fileno())
                os.fsync(stream.fileno())
            temporary.replace(file)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def write(self, descriptor: int) -> None:
        """Decodes all photos in threads, each of which holds one image at a time.

        Pillow works without Python's lock, so that threads scale.

        Raises:
            DataError: A photo cannot be decoded, or has changed since the scan.
            OSError: The file cannot be written.
        """
        _reserve(descriptor, self.size)
        threads = available_cores()
        chunk = max(1, min(_CHUNK, len(self._rows) // (8 * threads)))
        starts = range(0, len(self._rows), chunk)

        def put(start: int) -> range:
            slots = range(start, min(start + chunk, len(self._rows)))
            for slot in slots:
                self._put(descriptor, slot)
            return slots

        written = _in_threads(put, starts, threads)
        for _ in with_progress(written, len(self._rows), "Caching photos"):
            pass
        os.pwrite(descriptor, head(self.description, self._index), 0)

    def _put(self, descriptor: int, slot: int) -> None:
        pixels = self._decoding.unchanged(int(self._rows[slot]))
        entry = self._index[slot]
        assert pixels.shape[:2] == (entry["height"], entry["width"]), "the scan measured it"
        entry["checksum"] = checksum(pixels)
        _write_all(descriptor, pixels, int(entry["offset"]))


def _in_threads(put: Callable[[int], range], starts: range, threads: int) -> Iterator[int]:
    """Yields what is done; an interruption cancels what has not begun."""
    with ThreadPoolExecutor(threads) as pool:
        for slots in pool.map(put, starts):
            yield from slots


def _reserve(descriptor: int, size: int) -> None:
    """Takes the room at once, so that a disk that is too full shows before the work is done."""
    if hasattr(os, "posix_fallocate"):  # not on macOS
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.ftruncate(descriptor, size)


def _write_all(descriptor: int, pixels: NDArray[np.uint8], offset: int) -> None:
    rest = pixels.data.cast("B")
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        rest, offset = rest[written:], offset + written
