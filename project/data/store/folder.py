"""The files of image stores in a folder: which there are, and which have to go."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from project.data.store.layout import Description, described
from project.errors import DataError

GIGABYTE = 1e9

_SUFFIX, _LOCK, _PARTIAL, _DAMAGED = ".images", ".lock", ".partial", ".damaged"
_SPARE = 1e9  # bytes of the disk that are left to others


class Stored(NamedTuple):
    """A file of images.

    Attributes:
        file: Where it is.
        size: Bytes.
        last_used: When a run has last opened it, seconds since 1970.
    """

    file: Path
    size: int
    last_used: float

    def description(self) -> Description | None:
        """What it says of itself; None if it cannot be used."""
        try:
            return described(self.file)
        except (OSError, DataError):
            return None


def images_folder(cache_dir: Path) -> Path:
    """Where files of images are kept."""
    return cache_dir / "images"


def images_file(cache_dir: Path, key: str) -> Path:
    """Where the images of a key are kept."""
    return images_folder(cache_dir) / f"{key}{_SUFFIX}"


def partial(file: Path) -> Path:
    """Where a file is written, before it takes its place."""
    return file.with_suffix(_PARTIAL)


def building_lock(file: Path) -> FileLock:
    """Held by whoever makes a file."""
    return FileLock(file.with_suffix(_LOCK))


def stored(folder: Path) -> list[Stored]:
    """Finds the files of images, those first that were used longest ago."""
    return sorted(_files(folder, _SUFFIX), key=lambda one: (one.last_used, one.file))


def remove(file: Path) -> bool:
    """Removes a file of images, unless a process uses it; returns whether it is gone."""
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)  # to lock it on network disks, too
    except FileNotFoundError:
        return True
    except PermissionError:  # another user's
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def remove_leftovers(folder: Path) -> list[Stored]:
    """Removes what killed builds have left, and damaged files that nobody uses any more.

    Returns:
        What is gone.
    """
    damaged = [one for one in _files(folder, _DAMAGED) if remove(one.file)]
    return damaged + [one for one in _files(folder, _PARTIAL) if _remove_unless_built(one.file)]


def set_aside(file: Path, inode: int) -> bool:
    """Takes a damaged file out of use; processes that have it open keep it.

    Args:
        file: Its name.
        inode: Its number; a new file of that name is left alone.

    Returns:
        Whether it was there.
    """
    try:
        if file.stat().st_ino != inode:
            return False
        file.rename(file.with_suffix(_DAMAGED))
    except OSError:  # another process was faster, or the folder is to be read only
        return False
    return True


def make_room(folder: Path, needed: int, limit_gb: float) -> str | None:
    """Removes files, those first that were used longest ago, until another one finds room.

    Args:
        folder: Of the files; there already.
        needed: Bytes of the new file.
        limit_gb: Gigabytes that all files together may take.

    Returns:
        Why there is no room, or None if there is. Nothing is removed in vain.
    """
    limit = limit_gb * GIGABYTE
    if needed > limit:
        return (
            f"they take {gigabytes(needed)}, and data.cache_limit_gb={limit_gb:g}. Raise it, or "
            "lower data.store_side"
        )
    remove_leftovers(folder)
    files = stored(folder)
    free = shutil.disk_usage(folder).free
    excess = max(sum(one.size for one in files) + needed - limit, needed + _SPARE - free)
    removed = evict(files, excess)
    if sum(one.size for one in removed) < excess:
        return (
            f'they take {gigabytes(needed)}, and "{folder}" has no such room: {gigabytes(free)} of '
            f"the disk are free, and other runs use what is there. Raise data.cache_limit_gb="
            f"{limit_gb:g}, or set paths.cache to another disk"
        )
    return None


def evict(files: Sequence[Stored], excess: float) -> list[Stored]:
    """Removes the first of some files until that many bytes are gone; not those in use.

    Returns:
        What is gone; nothing if all files together are too small.
    """
    removed: list[Stored] = []
    if sum(one.size for one in files) < excess:
        return removed
    for one in files:
        if sum(gone.size for gone in removed) >= excess:
            break
        if remove(one.file):
            removed.append(one)
    return removed


def gigabytes(size: float) -> str:
    """Bytes as people read them.

    Example:
        >>> gigabytes(1_234_567_890), gigabytes(12_345)
        ('1.23 GB', '12.3 kB')
    """
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size / 1e3:.3g} kB"


def _files(folder: Path, suffix: str) -> list[Stored]:
    found = []
    for file in folder.glob(f"*{suffix}"):
        with contextlib.suppress(FileNotFoundError):  # removed meanwhile
            status = file.stat()
            found.append(Stored(file, status.st_size, status.st_mtime))
    return found


def _remove_unless_built(file: Path) -> bool:
    """Removes a file that is not whole, unless a process is at it; returns whether it is gone."""
    try:
        with building_lock(file).acquire(timeout=0):
            file.unlink(missing_ok=True)
    except Timeout:
        return False
    return True
