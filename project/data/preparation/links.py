"""One photo brought to its place, by a copy or a link, and verified there."""

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from project.data.catalog.manifest import digest
from project.errors import DataError

Link = Literal["copy", "hard", "symbolic"]

_CHUNK = 1 << 22  # bytes that are read at once
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)
_NO_LINK = (*_READ_ONLY, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS)


def bring(source: Path, target: Path, link: Link, content_hash: str, partial: Path) -> bool:
    """Brings a photo to its place, unless it is there.

    Args:
        source: The photo.
        target: Its place; what else is there gives way in one step.
        link: By which means.
        content_hash: Of the photo's bytes when it was scanned.
        partial: A name that nobody else uses, in the file system of the target.

    Returns:
        Whether anything had to be done.

    Raises:
        DataError: The photo has changed since the scan, or the file system refused.
    """
    if is_there(source, target, link, content_hash):
        return False
    with explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
    _make(source, partial, link)
    if not is_there(source, partial, link, content_hash):
        partial.unlink()
        raise DataError(
            f'"{source}" is not what the scan found, as it has changed since. Leave the photos '
            "alone while they are prepared, and start the same command again."
        )
    with explained(target):
        partial.replace(target)
        partial.unlink(missing_ok=True)  # to rename a link to the file that it is does nothing
    return True


def is_there(source: Path, target: Path, link: Link, content_hash: str) -> bool:
    """Verifies a photo in its place: a copy by its bytes, a link by what it leads to.

    Args:
        source: The photo.
        target: Its place.
        link: By which means it came there.
        content_hash: Of the bytes.
    """
    try:
        if link == "symbolic":
            return target.readlink() == source and target.exists()
        status = target.lstat()
        if link == "hard":
            return os.path.samestat(status, source.stat())
        return (
            stat.S_ISREG(status.st_mode)
            and status.st_size == source.stat().st_size
            and _digest_of(target) == content_hash
        )
    except OSError:  # nothing there, or nothing that can be read
        return False


@contextmanager
def explained(place: Path) -> Iterator[None]:
    """Turns what the file system refuses into an answer.

    Args:
        place: What is being written.

    Raises:
        DataError: It refused; names the place, the cause and a cure.
    """
    try:
        yield
    except OSError as error:
        cause = error.strerror or str(error)
        raise DataError(f'"{place}" cannot be written: {cause}. {_cure(error.errno)}') from error


def _make(source: Path, target: Path, link: Link) -> None:
    if link == "copy":
        _copy(source, target)
    elif link == "hard":
        _link(source, target)
    else:
        with explained(target):
            target.symlink_to(source)


def _copy(source: Path, target: Path) -> None:
    try:
        stream = source.open("rb")
    except OSError as error:
        raise DataError(
            f'"{source}" cannot be read: {error.strerror}. It could when photos were scanned; make '
            "it readable, and start the same command again."
        ) from error
    with stream, explained(target), target.open("xb") as copy:
        shutil.copyfileobj(stream, copy, _CHUNK)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)  # of what a link leads to, not of the link
    except OSError as error:
        if error.errno == errno.EXDEV:
            why = f'"{source}" and "{target.parent}" are on different file systems'
        elif error.errno in _NO_LINK:
            why = f'"{source}" may not have another name there ({error.strerror})'
        else:
            with explained(target):
                raise
        raise DataError(
            f"link=hard: {why}. Take link=copy, or link=symbolic if the photos stay where they are."
        ) from error


def _digest_of(file: Path) -> str:
    with file.open("rb") as stream:
        return digest(iter(lambda: stream.read(_CHUNK), b""))


def _cure(number: int | None) -> str:
    if number in _NO_SPACE:
        return (
            "Free some space and start the same command again, which goes on; or take link=hard or "
            "link=symbolic, which need none, in another folder."
        )
    if number in _READ_ONLY:
        return "Allow writing there, or set to=<folder> to another place."
    return "Set to=<folder> to another place."
