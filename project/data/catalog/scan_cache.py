"""What earlier scans of a folder found, so that only new and changed files are opened."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from project.data.catalog.manifest import digest

log = logging.getLogger(__name__)

VERSION = 2
"""Raise it when the decoder or the hashes change, so that every file is verified anew."""


class Status(NamedTuple):
    """What tells that a file has not been changed or replaced, without a look into it.

    Copying a folder, or mounting it anew, may change it where contents stay: they are read again.

    Attributes:
        size: Bytes; -1 if there is no such file.
        mtime_ns: Time of the last change of the contents, nanoseconds; copies keep it.
        ctime_ns: Time of the last change of contents or name, nanoseconds; nothing keeps it.
        inode: Number of the file.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


UNKNOWN = Status(-1, -1, -1, 0)


class Checked(NamedTuple):
    """One file as the scan found it.

    Attributes:
        status: Of the file, before it was read.
        content_hash: Of the bytes; None if they could not be read, and then nothing is cached.
        width: Pixels, after orientation; None if unusable.
        height: Pixels, after orientation; None if unusable.
        perceptual_hash: See `project.data.decode.Probe`; None if unusable.
        state: ``ok`` or why not.
    """

    status: Status
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
        ("ctime_ns", pa.int64()),
        ("inode", pa.uint64()),
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
        self._obstacle: OSError | None = None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other processes waiting until the scan is done; where nobody can write, nobody."""
        lock = FileLock(self.file.with_suffix(".lock"))
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except OSError as error:
            self._obstacle = error
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
        width = len(Status._fields)
        statuses = map(Status, *columns[:width])
        return dict(zip(paths, map(Checked, statuses, *columns[width:]), strict=True))

    def save(self, known: Mapping[str, Checked]) -> None:
        """Replaces the cache in one step, or says why it stays as it was.

        Args:
            known: Path to what was found there.
        """
        rows = [
            (path, *status, *found)
            for path, (status, *found) in known.items()
            if found[0] is not None
        ]
        columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in _SCHEMA]
        partial = self.file.with_suffix(".partial")  # one at a time: we hold the lock
        # Not waited for until it is safe on disk: what a crash tears is scanned anew.
        try:
            if self._obstacle is not None:
                raise self._obstacle
            pq.write_table(pa.table(columns, schema=_SCHEMA), partial)
            partial.replace(self.file)
        except OSError as error:
            log.warning(
                'The scan of the photos cannot be kept in "%s", and the next run does it again: '
                "%s. Set paths.cache to a folder that can be written.",
                self.file.parent,
                error.strerror or error,
            )

    def doubt(self) -> None:
        """Has the next scan read every file; what is known of their contents stays."""
        with self.locked():
            known = self.load()
            self.save({path: checked._replace(status=UNKNOWN) for path, checked in known.items()})
