"""What is known of every listed photo after the scan."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from project.data.sources.listing import LISTING_SCHEMA

OK = "ok"
"""State of a photo that decodes; any other state is the reason why it does not."""

MANIFEST_SCHEMA = pa.schema(
    [
        *LISTING_SCHEMA,
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("content_hash", pa.string()),
        pa.field("perceptual_hash", pa.string()),
        pa.field("state", pa.string(), nullable=False),
    ]
)
"""The listing's columns and what the scan found; sizes and hashes are null where it failed."""


@dataclass(frozen=True, eq=False)
class Manifest:
    """Photos below one folder, each verified or marked as unusable.

    Attributes:
        root: Folder that the paths are relative to.
        table: Table of `MANIFEST_SCHEMA`, in the order of the listing.
    """

    root: Path
    table: pa.Table

    def usable(self) -> pa.Table:
        """The rows whose photos decode."""
        return self.table.filter(pc.equal(self.table["state"], OK))

    def bad(self) -> pa.Table:
        """The rows whose photos cannot be used."""
        return self.table.filter(pc.not_equal(self.table["state"], OK))

    def fingerprint(self) -> str:
        """Digest of paths, labels, splits, boxes and contents, in order."""
        return table_fingerprint(self.table)


def table_fingerprint(table: pa.Table) -> str:
    """Digests what decides about a training run's data.

    Args:
        table: Has the columns of `LISTING_SCHEMA` and ``content_hash``.

    Returns:
        32 hexadecimal digits.
    """
    names = ("path", "label", "split", "x", "y", "w", "h", "content_hash")
    rows = zip(*(table[name].to_pylist() for name in names), strict=True)
    return digest(repr(row).encode("utf-8") for row in rows)


def digest(pieces: Iterable[bytes]) -> str:
    """Hashes bytes to what serves as an identity here.

    Args:
        pieces: What to hash, in order.

    Returns:
        32 hexadecimal digits (BLAKE2b, 128 bits).
    """
    total = hashlib.blake2b(digest_size=16)
    for piece in pieces:
        total.update(piece)
    return total.hexdigest()
