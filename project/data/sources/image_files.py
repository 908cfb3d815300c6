"""Image files below a folder, chosen by extension and by globs."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from project.data.sources.listing import composed, first_few
from project.errors import DataError

EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm"}
)
"""File name endings that are taken for images, in any case."""


def image_files(
    root: Path, include: Sequence[str] = ("**/*",), exclude: Sequence[str] = ()
) -> list[str]:
    """Lists image files, sorted. Hidden files and folders are skipped, links are followed.

    Args:
        root: Existing folder.
        include: Globs, of which one must match. ``*`` and ``?`` stay within one folder, ``**``
            spans folders, case does not matter; a glob without ``/`` is for the file name.
        exclude: Globs, of which none may match.

    Returns:
        Paths relative to the root, with ``/``, as they are on disk.

    Raises:
        DataError: Nothing is left, a folder cannot be read, or a name is not Unicode.
    """
    try:
        found = list(_walk(root, "", frozenset()))
    except OSError as error:
        raise DataError(f'"{error.filename}" cannot be listed: {error.strerror}.') from error
    images = [path for path in found if Path(path).suffix.lower() in EXTENSIONS]
    wanted, unwanted = _any_of(include), _any_of(exclude)
    chosen = sorted(p for p in images if wanted(p) and not unwanted(p))
    if not chosen:
        raise DataError(
            f'No images below "{root}": it holds {len(found):,} files, of which {len(images):,} '
            f"are images ({', '.join(sorted(EXTENSIONS))}), and the globs include="
            f"{list(include)}, exclude={list(exclude)} leave none. Check data.root and the globs."
        )
    _check_unicode(chosen)
    return chosen


def _walk(folder: Path, prefix: str, above: frozenset[tuple[int, int]]) -> Iterator[str]:
    """Yields files depth first; a link that leads back up is not followed again."""
    status = folder.stat()
    identity = (status.st_dev, status.st_ino)
    if identity in above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name == "__MACOSX":
                continue
            if entry.is_dir():
                yield from _walk(Path(entry.path), f"{prefix}{entry.name}/", above | {identity})
            else:
                yield prefix + entry.name


def _check_unicode(paths: Sequence[str]) -> None:
    bad = [path for path in paths if not path.isascii() and not _is_unicode(path)]
    if bad:
        shown = [path.encode("utf-8", "backslashreplace").decode() for path in bad]
        raise DataError(
            f"Expected file names in UTF-8, but {len(bad):,} are not: {first_few(shown)}. Rename "
            "them (`convmv -f latin1 -t utf8 --notest -r <folder>` does it in place)."
        )


def _is_unicode(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _any_of(globs: Sequence[str]) -> Callable[[str], bool]:
    """Whether any of some globs matches a path."""
    patterns = [re.compile(_regex(glob), re.DOTALL) for glob in globs]

    def matches(path: str) -> bool:
        folded = composed(path).casefold()
        return any(pattern.fullmatch(folded) for pattern in patterns)

    return matches


def _regex(glob: str) -> str:
    """Translates a glob; `fnmatch` lets ``*`` cross folders, `pathlib` does not know ``**``."""
    parts = composed(glob).casefold().split("/")
    if len(parts) == 1:
        parts = ["**", *parts]
    *folders, name = parts
    lead = "".join("(?:.+/)?" if part == "**" else _segment(part) + "/" for part in folders)
    return lead + (".*" if name == "**" else _segment(name))


def _segment(part: str) -> str:
    return re.escape(part).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
