"""Zip archives from the web to folders that are either complete or absent."""

import http.client
import shutil
import tempfile
import urllib.request
import zipfile
from math import ceil
from pathlib import Path, PurePosixPath

from filelock import FileLock

from project.data.progress import with_progress

TIMEOUT_SECONDS = 60
"""How long a server may stay silent."""

PIECE_BYTES = 1024 * 1024


class DownloadFailed(Exception):  # noqa: N818  # caught and told to the user by the caller
    """The server, the archive or the disk said no; the message is the reason."""


def fetch_archive(url: str, folder: Path) -> None:
    """Downloads a zip archive and unpacks the one folder that it holds.

    Processes that ask for the same folder wait for the first one.

    Args:
        url: Where the archive is; ``http`` or ``https``.
        folder: Where its contents shall be; missing or empty.

    Raises:
        DownloadFailed: Nothing was left at ``folder``.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{folder.name}.lock"):
            if folder.is_dir() and any(folder.iterdir()):
                return
            with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as tmp:
                archive, unpacked = Path(tmp, "archive.zip"), Path(tmp, "unpacked")
                _download(url, archive)
                _unpack(archive, unpacked)
                if folder.is_dir():
                    folder.rmdir()
                unpacked.rename(folder)
    except (OSError, ValueError, http.client.HTTPException, zipfile.BadZipFile) as error:
        raise DownloadFailed(str(error) or type(error).__name__) from error


def _download(url: str, file: Path) -> None:
    if not url.startswith(("http://", "https://")):
        raise ValueError(f'expected an address with http:// or https://, got "{url}"')
    with (
        urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response,  # noqa: S310  # checked
        file.open("wb") as sink,
    ):
        pieces = iter(lambda: response.read(PIECE_BYTES), b"")
        length = response.headers.get("Content-Length")  # GitHub does not tell it
        total = ceil(int(length) / PIECE_BYTES) if length else None
        for piece in with_progress(pieces, total, "Downloading", unit="MiB"):
            sink.write(piece)


def _unpack(archive: Path, folder: Path) -> None:
    """Unpacks all members without their common top folder."""
    with zipfile.ZipFile(archive) as contents:
        for member in contents.infolist():
            parts = PurePosixPath(member.filename).parts
            if member.filename.startswith("/") or ".." in parts or "\\" in member.filename:
                raise ValueError(f'the archive holds the unsafe path "{member.filename}"')
            target = folder.joinpath(*parts[1:])
            if member.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with contents.open(member) as source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink)
