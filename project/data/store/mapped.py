"""Images out of a file that all processes map into their memory."""

import contextlib
import fcntl
import logging
import os
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from project.data.resampling import Pixels
from project.data.store.decoding import DecodingStore
from project.data.store.folder import set_aside
from project.data.store.layout import Index, checksum, mapped, read
from project.errors import DataError

log = logging.getLogger(__name__)


class MappedStore:
    """Images of a file, each checked when this process first reads it.

    As long as the store exists, here or in a forked process, the file is locked against eviction.

    Args:
        file: See `project.data.store.layout`.
        key: What the file must hold; see `project.data.store.contents`.
        slots: The image of each catalog row, -1 for those that are decoded, int32 (N,).
        decoding: Gives the same images, should some be damaged.
        descriptor: Of a file without a name, which is closed with the store.

    Raises:
        DataError: The file cannot be used; the message is the short reason.
        OSError: It cannot be read, or is not there.
    """

    def __init__(
        self,
        file: Path,
        key: str,
        slots: NDArray[np.int32],
        decoding: DecodingStore,
        descriptor: int | None = None,
    ) -> None:
        self.file = file
        self._key = key
        self._slots = slots
        self._decoding = decoding
        buffer, self._inode = _opened(file)
        description, index = read(buffer)
        if description.key != key:
            raise DataError("it holds other photos")
        self._offsets, self._heights, self._widths, self._checksums = _columns(index)
        self._pixels = np.frombuffer(buffer, np.uint8)
        self._checked = np.zeros(len(index), np.bool_)
        self._told = False
        if descriptor is not None:
            weakref.finalize(self, os.close, descriptor)

    def __getitem__(self, row: int) -> Pixels:
        """The image of a catalog row, uint8 RGB (h, w, 3), to be read only."""
        slot = self._slots[row]
        if slot < 0:
            return self._decoding[row]
        height, width = int(self._heights[slot]), int(self._widths[slot])
        start = int(self._offsets[slot])
        pixels = self._pixels[start : start + height * width * 3]
        if not self._checked[slot]:
            if checksum(pixels) != self._checksums[slot]:
                self._complain(row)
                return self._decoding[row]  # slower, but the same image
            self._checked[slot] = True
        return pixels.reshape(height, width, 3)

    def intact(self) -> bool:
        """Checks all images at once."""
        for row in np.flatnonzero(self._slots >= 0).tolist():
            _ = self[row]
        return bool(self._checked.all())

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Other processes that were not forked map the file themselves."""
        return _reopened, (self.file, self._key, self._slots, self._decoding)

    def _complain(self, row: int) -> None:
        """Has the next run make the file anew; of all its processes, the one that does says so."""
        if self._told:
            return
        self._told = True
        if set_aside(self.file, self._inode):
            then = "the next run makes the cache anew"
        elif self._is_in_place():
            then = "this cache cannot be made anew"
        else:
            return
        log.warning(
            'The image cache "%s" is damaged (image of %s). Damaged images are decoded from their '
            "photos now, and %s.",
            self.file,
            self._decoding.catalog.relative_path(row),
            then,
        )

    def _is_in_place(self) -> bool:
        """Whether it still has its name, as in memory and in folders that are to be read only."""
        try:
            return self.file.stat().st_ino == self._inode
        except OSError:
            return False


def _opened(file: Path) -> tuple[memoryview, int]:
    """Maps a file, locks it against eviction and marks it as just used; also its inode."""
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        with contextlib.suppress(OSError):  # a cache that others may only read
            os.utime(descriptor)
        return mapped(descriptor), os.fstat(descriptor).st_ino
    finally:
        os.close(descriptor)


def _columns(index: Index) -> tuple[NDArray[Any], ...]:
    return tuple(index[name] for name in ("offset", "height", "width", "checksum"))


def _reopened(
    file: Path, key: str, slots: NDArray[np.int32], decoding: DecodingStore
) -> MappedStore | DecodingStore:
    try:
        return MappedStore(file, key, slots, decoding)
    except (OSError, DataError):  # removed meanwhile, by hand: slower, but the same images
        return decoding
