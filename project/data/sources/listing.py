"""What every source of photos provides: a folder, and a listing of what lies in it."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from project.errors import DataError

SPLITS = ("train", "val", "test")
"""The three splits, in the order of their codes."""

BOX_COLUMNS = ("x", "y", "w", "h")
"""Left, top, width and height of a crop box, in pixels of the upright image."""

LISTING_SCHEMA = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("split", pa.string()),
        pa.field("group", pa.string()),
        *(pa.field(column, pa.int32()) for column in BOX_COLUMNS),
    ]
)
"""One row an image (or a crop of one): path relative to the root with ``/``, as it is on disk."""


class Source(Protocol):
    """A collection of labelled photos below one folder."""

    @property
    def root(self) -> Path:
        """The folder that the listed paths are relative to."""
        ...

    def listing(self) -> pa.Table:
        """Lists the photos without opening them.

        Returns:
            Table of `LISTING_SCHEMA`. ``split`` is one of `SPLITS` or null, ``group`` and the
            box are null where the source does not know them.

        Raises:
            DataError: The photos are missing or their labels cannot be told.
        """
        ...


def listing_table(
    paths: Sequence[str],
    labels: Sequence[str],
    splits: Sequence[str | None] | None = None,
    groups: Sequence[str | None] | None = None,
    boxes: Sequence[pa.Array] | None = None,
) -> pa.Table:
    """Puts columns together to a listing.

    Args:
        paths: One path an image, relative to the root.
        labels: Class names; brought to one Unicode form (NFC), as file systems differ in it.
        splits: Names of `SPLITS`, or None.
        groups: Names of groups; brought to NFC too.
        boxes: Four integer arrays, or None.

    Returns:
        Table of `LISTING_SCHEMA`.
    """
    nothing = [None] * len(paths)
    columns: list[object] = [
        paths,
        [composed(label) for label in labels],
        nothing if splits is None else splits,
        nothing if groups is None else [g if g is None else composed(g) for g in groups],
        *([nothing] * len(BOX_COLUMNS) if boxes is None else boxes),
    ]
    arrays = [
        column.cast(field.type) if isinstance(column, pa.Array) else pa.array(column, field.type)
        for column, field in zip(columns, LISTING_SCHEMA, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=LISTING_SCHEMA)


def composed(name: str) -> str:
    """Brings a name to Unicode's composed form (NFC), in which names compare as they look.

    Args:
        name: As a file system, a table or a configuration spells it.

    Returns:
        The same letters, composed.
    """
    return unicodedata.normalize("NFC", name)


def first_few(items: Sequence[str], limit: int = 5) -> str:
    """Quotes the first items of a list that may be long, for an error message.

    Args:
        items: What to show.
        limit: How many of them.

    Returns:
        Quoted items, followed by how many were left out.

    Example:
        >>> first_few(["a", "b", "c"], limit=2)
        '"a", "b" and 1 more'
    """
    shown = ", ".join(f'"{item}"' for item in items[:limit])
    return shown if len(items) <= limit else f"{shown} and {len(items) - limit:,} more"


def existing_folder(root: str | Path) -> Path:
    """Checks the folder that a source is configured with.

    Args:
        root: As configured; ``~`` is the home folder.

    Returns:
        The absolute path.

    Raises:
        DataError: There is no such folder.
    """
    folder = absolute(root)
    if not folder.is_dir():
        found = "it is a file" if folder.exists() else "it does not exist"
        raise DataError(f'Expected a folder of photos at "{folder}", but {found}. Set data.root.')
    return folder


def absolute(root: str | Path) -> Path:
    """Makes a configured path absolute, without following links.

    Args:
        root: As configured; ``~`` is the home folder.

    Returns:
        The absolute path.
    """
    return Path(root).expanduser().absolute()
