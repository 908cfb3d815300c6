import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from project.data.catalog.catalog import build_catalog
from project.data.named_tests import AllPhotos, named_catalog, named_sources
from project.data.sources import ClassFolders
from project.errors import ConfigError, DataError

Read = Callable[..., AllPhotos]


@pytest.fixture
def read(write_classes: Callable[..., Path], tmp_path: Path) -> Read:
    """``read(a=folder)`` scans photos of hats and tops, and the named sets."""
    root = write_classes("train/", hat=3, top=4)
    write_classes("val/", hat=1, top=1)
    write_classes("test/", hat=1, top=2)
    reading: dict[str, Any] = {"cache_dir": tmp_path / "cache", "progress": False}

    def photos(**tests: object) -> AllPhotos:
        catalog = build_catalog(ClassFolders(root), **reading)
        sources = named_sources(tests, ClassFolders)
        sets = {s: named_catalog(s, at, catalog.classes, reading) for s, at in sources.items()}
        return AllPhotos(catalog, sets)

    return photos


@pytest.fixture
def others(write_classes: Callable[..., Path], photo_root: Path, tmp_path: Path) -> Path:
    """Two sets of photos, `a` and `b`, that training has not seen."""
    for name, counts in (("a", {"hat": 2}), ("b", {"hat": 1, "top": 2})):
        shutil.move(write_classes(f"{name}/", **counts) / name, tmp_path / "others" / name)
    return tmp_path / "others"


def test_sets_are_counted_beside_the_splits(read: Read, others: Path) -> None:
    photos = read(a=others / "a", b=ClassFolders(others / "b"))
    assert photos.counts() == {
        "train": {"hat": 3, "top": 4},
        "val": {"hat": 1, "top": 1},
        "test": {"hat": 1, "top": 2},
        "test_a": {"hat": 2, "top": 0},
        "test_b": {"hat": 1, "top": 2},
    }
    assert photos.relative_path("test_b", 1) == "top/000.png"
    assert photos.relative_path("test", 0) == "test/hat/000.png"


def test_fingerprint_is_of_all_photos_whatever_the_order_of_the_sets(
    read: Read, others: Path
) -> None:
    plain, a = read(), read(a=others / "a")
    assert plain.fingerprint == plain.catalog.fingerprint == a.catalog.fingerprint
    both = read(a=others / "a", b=others / "b").fingerprint
    assert both == read(b=others / "b", a=others / "a").fingerprint
    assert len({plain.fingerprint, a.fingerprint, both, read(b=others / "a").fingerprint}) == 4
    shutil.copy(others / "a" / "hat" / "001.png", others / "a" / "hat" / "000.png")
    assert read(a=others / "a").fingerprint != a.fingerprint


def test_sets_are_listed_like_the_split(read: Read, others: Path) -> None:
    photos = read(a=others / "a")
    heading, *rows = photos.listed("test_a").decode().splitlines()
    assert heading == "path,label,split,group,content_hash"
    assert [row.split(",")[:3] for row in rows] == [
        ["hat/000.png", "hat", "test_a"],
        ["hat/001.png", "hat", "test_a"],
    ]
    assert photos.listed("val") == photos.catalog.splits_csv()


def test_photos_of_train_in_a_set_are_leaks_and_those_of_test_are_not(
    read: Read, others: Path, photo_root: Path
) -> None:
    shutil.copy(photo_root / "train" / "top" / "002.png", others / "b" / "top" / "x.png")
    shutil.copy(photo_root / "test" / "top" / "001.png", others / "b" / "top" / "y.png")
    photos = read(a=others / "a", b=others / "b")
    assert photos.leaks == {"test_b": [("train/top/002.png", "top/x.png")]}
    said = "1 images of test_b are also in train, byte for byte; for example top/x.png of"
    assert photos.remarks() == [f"{said} {others}/b is train/top/002.png."]
    assert read(a=others / "a").remarks() == read().remarks() == []


@pytest.mark.parametrize("name", ["train", "val", "test", "a-b", "a b", "", "모자", "a/b"])
def test_names_that_cannot_be_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"expected a name of letters \(a to z\), digits and _"):
        named_sources({name: "photos"}, ClassFolders)


@pytest.mark.parametrize("place", [5, None, partial(ClassFolders, include=["*.png"])])
def test_what_is_neither_a_folder_nor_a_source_is_refused(place: object) -> None:
    with pytest.raises(ConfigError, match=r"data\.tests\.a: expected a folder of photos, or a com"):
        named_sources({"a": place}, ClassFolders)


def test_errors_say_which_set_is_wrong(read: Read, others: Path) -> None:
    (others / "a" / "scarf").mkdir()
    shutil.copy(others / "a" / "hat" / "000.png", others / "a" / "scarf")
    with pytest.raises(DataError, match=r'data\.tests\.a: The data has the classes "scarf"'):
        read(a=others / "a")


def test_set_with_splits_but_no_photos_to_test_on_is_refused(read: Read, photo_root: Path) -> None:
    shutil.rmtree(photo_root / "test")
    source = ClassFolders(photo_root)
    with pytest.raises(DataError, match=r'data\.tests\.a: Expected photos in the split "test" of'):
        named_catalog("test_a", source, ["hat", "top"], {"cache_dir": photo_root.parent})
