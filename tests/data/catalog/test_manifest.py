from hashlib import blake2b
from pathlib import Path

import pyarrow as pa
import pytest

from project.data.catalog.manifest import MANIFEST_SCHEMA, Manifest, digest

ROW = {"path": "a/1.jpg", "label": "a", "content_hash": "00", "state": "ok"}


def manifest(*rows: dict[str, str]) -> Manifest:
    full = [dict.fromkeys(MANIFEST_SCHEMA.names) | row for row in rows]
    return Manifest(Path("photos"), pa.Table.from_pylist(full, MANIFEST_SCHEMA))


def test_usable_and_bad_rows_are_told_apart() -> None:
    both = manifest(ROW, ROW | {"path": "b", "state": "empty file"})

    assert both.usable()["path"].to_pylist() == ["a/1.jpg"]
    assert both.bad()["path"].to_pylist() == ["b"]


@pytest.mark.parametrize("column", ["path", "label", "split", "content_hash"])
def test_fingerprint_depends_on_what_training_sees(column: str) -> None:
    assert manifest(ROW).fingerprint() == manifest(ROW).fingerprint()
    assert manifest(ROW).fingerprint() != manifest(ROW | {column: "other"}).fingerprint()


def test_fingerprint_depends_on_order() -> None:
    other = ROW | {"path": "b"}

    assert manifest(ROW, other).fingerprint() != manifest(other, ROW).fingerprint()


def test_digest_is_blake2b_of_all_pieces() -> None:
    assert digest([b"a", b"b"]) == blake2b(b"ab", digest_size=16).hexdigest()
