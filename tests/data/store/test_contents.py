import tracemalloc
from dataclasses import replace

import numpy as np
import PIL
import pyarrow as pa
import pytest

from project.data.catalog.catalog import Catalog
from project.data.store.contents import Contents
from tests.data.store.conftest import POLICY


def test_photos_of_equal_bytes_are_one_image(catalog: Catalog) -> None:
    contents = Contents.of(catalog, POLICY)
    paths = catalog.paths.to_pylist()
    once, again = paths.index("thing/once.png"), paths.index("thing/again.png")
    assert contents.slots[once] == contents.slots[again]
    assert len(contents.rows) == len(catalog) - 1
    assert (contents.slots[contents.rows] == np.arange(len(contents.rows))).all()


def test_order_split_and_names_of_the_photos_do_not_count(catalog: Catalog) -> None:
    other = replace(
        catalog,
        paths=catalog.paths[::-1],
        content_hash=catalog.content_hash[::-1],
        sizes=catalog.sizes[::-1],
        splits=np.zeros_like(catalog.splits),
        classes=("renamed",),
    )
    one, reverse = Contents.of(catalog, POLICY), Contents.of(other, POLICY)
    assert one.key == reverse.key
    assert (one.slots[::-1] == reverse.slots).all()
    assert (one.shapes == reverse.shapes).all()


def test_policy_photos_and_boxes_count(catalog: Catalog) -> None:
    boxed = replace(POLICY, boxed=True)
    boxes = np.tile(np.array([1, 2, 7, 5], np.int32), (len(catalog), 1))
    cropped = replace(catalog, boxes=boxes)
    fewer = replace(
        catalog,
        labels=catalog.labels[1:],
        content_hash=catalog.content_hash[1:],
        sizes=catalog.sizes[1:],
        boxes=catalog.boxes[1:],
    )
    keys = {
        Contents.of(catalog, POLICY).key,
        Contents.of(catalog, replace(POLICY, side=21)).key,
        Contents.of(catalog, replace(POLICY, interpolation="area")).key,
        Contents.of(catalog, boxed).key,
        Contents.of(cropped, boxed).key,
        Contents.of(fewer, POLICY).key,
    }
    assert len(keys) == 6
    assert Contents.of(cropped, POLICY).key in keys  # boxes that are not cut out


def test_another_decoder_makes_other_images(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = Contents.of(catalog, POLICY).key
    monkeypatch.setattr(PIL, "__version__", "1.0")
    assert Contents.of(catalog, POLICY).key != key


def test_two_boxes_of_a_photo_are_two_images(catalog: Catalog) -> None:
    boxes = np.tile(np.array([0, 0, 7, 5], np.int32), (len(catalog), 1))
    boxes[:, 0] = np.arange(len(catalog))
    contents = Contents.of(replace(catalog, boxes=boxes), replace(POLICY, boxed=True))
    assert len(contents.rows) == len(catalog)


def test_rows_are_numbers_in_arrays_not_objects(catalog: Catalog) -> None:
    count = 20_000
    rng = np.random.default_rng(0)
    many = replace(
        catalog,
        labels=np.zeros(count, np.int64),
        content_hash=pa.array([rng.bytes(16).hex() for _ in range(count)]),
        sizes=np.full((count, 2), 300, np.int32),
        boxes=np.full((count, 4), -1, np.int32),
    )
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    contents = Contents.of(many, POLICY)
    kept = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert len(contents.rows) == count
    assert kept < 40 * count  # 4 + 8 + 16 bytes; a Python object alone takes more


def test_only_images_that_are_needed_are_numbered(catalog: Catalog) -> None:
    needed = np.array([7, 3, 11])
    contents = Contents.of(catalog, POLICY, needed)
    assert sorted(contents.rows.tolist()) == [3, 7, 11]
    assert sorted(contents.slots[needed].tolist()) == [0, 1, 2]
    assert (np.delete(contents.slots, needed) == -1).all()
    assert contents.key == Contents.of(catalog, POLICY, needed[::-1]).key
    assert contents.key != Contents.of(catalog, POLICY).key
