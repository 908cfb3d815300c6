"""Files that are there whole or not at all."""

import contextlib
import errno
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from project.errors import RunError

_ANOTHER_PLACE = "choose another place with paths.output=<folder>"
_WHAT_TO_DO = {
    errno.ENOSPC: f"Free some space, or {_ANOTHER_PLACE}.",
    errno.EDQUOT: f"Free some of your quota, or {_ANOTHER_PLACE}.",
    errno.EACCES: f"Allow writing there, or {_ANOTHER_PLACE}.",
    errno.EPERM: f"Allow writing there, or {_ANOTHER_PLACE}.",
    errno.EROFS: f"The file system is read-only: {_ANOTHER_PLACE}.",
    errno.ENOTDIR: f"A part of this path is a file, not a folder: {_ANOTHER_PLACE}.",
    errno.EEXIST: f"A part of this path is a file, not a folder: {_ANOTHER_PLACE}.",
    errno.ENAMETOOLONG: f"Shorten the name of the run, or {_ANOTHER_PLACE}.",
}


@contextlib.contextmanager
def explained(path: Path, task: str = "write") -> Iterator[None]:
    """Turns what the operating system refuses into an answer for the user.

    Args:
        path: What is being written or made.
        task: The verb of the message, as in "cannot write <path>".

    Raises:
        RunError: The operating system refused; names the path, the cause and a cure.
    """
    try:
        yield
    except OSError as error:
        cause = error.strerror or str(error)
        cure = _WHAT_TO_DO.get(error.errno or 0, f"Check the disk, or {_ANOTHER_PLACE}.")
        raise RunError(f"cannot {task} {path}: {cause}. {cure}") from error


def replace_bytes(path: Path, data: bytes, partial: Path | None = None) -> None:
    """Puts a file in place in one step, so that no reader ever sees a part of it.

    What the path held before stays until the new content is safe on disk, and stays for good if it
    cannot be written.

    Args:
        path: Where the file goes.
        data: All of its content.
        partial: Folder for what a process that is killed leaves, in the same file system, because a
            rename across file systems is a copy that can tear; None: that of the file.

    Raises:
        OSError: The disk is full, or the place cannot be written.
    """
    temporary = (partial or path.parent) / f".{uuid.uuid4().hex}.tmp"
    try:
        with temporary.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_bytes(path: Path, data: bytes) -> None:
    """Does what `replace_bytes` does for a file of a run; missing parent folders are made.

    Args:
        path: Where the file goes.
        data: All of its content.

    Raises:
        RunError: The disk is full, or the place cannot be written.
    """
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_bytes(path, data)


def write_text(path: Path, text: str) -> None:
    r"""Does what `write_bytes` does for text, as UTF-8 with ``\n`` line ends.

    Args:
        path: Where the file goes.
        text: All of its content.

    Raises:
        RunError: The disk is full, or the place cannot be written.
    """
    write_bytes(path, text.encode("utf-8"))
