"""What earlier scans of a folder found, so that only new and changed files are opened."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from project.data.catalog.manifest import digest
from project.errors import DataError

VERSION = 1
"""Raise it when the decoder or the hashes change, so that every file is verified anew."""


class Checked(NamedTuple):
    """One file as the scan found it.

    Attributes:
        size: Bytes.
        mtime_ns: Time of last change, nanoseconds.
        content_hash: Of the bytes; None if they could not be read, and then nothing is cached.
        width: Pixels, after orientation; None if unusable.
        height: Pixels, after orientation; None if unusable.
        perceptual_hash: See `project.data.decode.Probe`; None if unusable.
        state: ``ok`` or why not.
    """

    size: int
    mtime_ns: int
    content_hash: str | None
    width: int | None
    height: int | None
    perceptual_hash: str | None
    state: str


_SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("content_hash", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("perceptual_hash", pa.string()),
        ("state", pa.string()),
    ]
)


class ScanCache:
    """One Parquet file for a photo folder, shared by all runs and guarded by a lock.

    Args:
        cache_dir: Folder of the caches.
        root: The photo folder.
        max_pixels: The size limit, on which the verdict on a file depends.
    """

    def __init__(self, cache_dir: Path, root: Path, max_pixels: int) -> None:
        key = digest([f"{root.resolve()}\0{max_pixels}\0{VERSION}".encode()])
        self.file = cache_dir / f"scan-{key}.parquet"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other processes waiting until the scan is done.

        Raises:
            DataError: The folder of caches cannot be written.
        """
        lock = FileLock(self.file.with_suffix(".lock"))
        with self._explained():
            self.file.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def load(self) -> dict[str, Checked]:
        """Reads what is known; nothing if there is no cache or it is damaged.

        Returns:
            Path to what was found there.
        """
        try:
            table = pq.read_table(self.file, schema=_SCHEMA)
        except (OSError, pa.ArrowException):
            return {}
        paths, *columns = (column.to_pylist() for column in table.columns)
        return dict(zip(paths, map(Checked, *columns), strict=True))

    def save(self, known: Mapping[str, Checked]) -> None:
        """Replaces the cache in one step.

        Args:
            known: Path to what was found there.

        Raises:
            DataError: The folder of caches cannot be written.
        """
        rows = [(path, *checked) for path, checked in known.items() if checked.content_hash]
        columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in _SCHEMA]
        partial = self.file.with_suffix(".partial")  # one at a time: we hold the lock
        with self._explained():
            pq.write_table(pa.table(columns, schema=_SCHEMA), partial)
            partial.replace(self.file)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DataError(
                f'The scan of the photos cannot be kept in "{self.file.parent}": '
                f"{error.strerror or error}. Set paths.cache to a folder that can be written."
            ) from error
