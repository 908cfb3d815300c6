from pathlib import Path

import numpy as np
import pytest

from project.data.decode import decode
from project.data.store.decoding import DecodingStore
from project.errors import DataError
from tests.data.store.conftest import LIMIT, POLICY, catalog_of, picture


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "photos" / "thing").mkdir(parents=True)
    for number in range(4):
        picture(number).save(tmp_path / "photos" / "thing" / f"{number}.png")
    return tmp_path / "photos"


def test_images_are_what_the_decoder_makes_of_the_photos(root: Path, tmp_path: Path) -> None:
    catalog = catalog_of(root, tmp_path)
    store = DecodingStore(catalog, POLICY, LIMIT)
    for row in range(4):
        expected = decode(catalog.path(row).read_bytes(), LIMIT, 20)
        np.testing.assert_array_equal(store[row], expected)
        np.testing.assert_array_equal(store.unchanged(row), expected)


def test_photos_that_cannot_be_read_are_named(root: Path, tmp_path: Path) -> None:
    store = DecodingStore(catalog_of(root, tmp_path), POLICY, LIMIT)
    (root / "thing" / "1.png").unlink()
    (root / "thing" / "2.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"1\.png\" cannot be read: No such file"):
        _ = store[1]
    with pytest.raises(DataError, match=r"2\.png\" cannot be decoded: empty file\."):
        _ = store[2]


def test_photos_that_have_changed_are_told_from_those_that_were_scanned(
    root: Path, tmp_path: Path
) -> None:
    store = DecodingStore(catalog_of(root, tmp_path), POLICY, LIMIT)
    picture(9).save(root / "thing" / "1.png")
    assert store[1].shape == (20, 24, 3)
    with pytest.raises(DataError, match=r"1\.png\".* changed since the photos were checked; start"):
        store.unchanged(1)
