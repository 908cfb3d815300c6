import pickle
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from project.data.catalog.catalog import Catalog, Split, build_catalog, frozen_catalog
from project.data.sources.class_folders import ClassFolders
from project.data.sources.label_table import LabelTable
from project.errors import ConfigError, DataError

Write = Callable[..., Path]


@pytest.fixture
def build(photo_root: Path, tmp_path: Path) -> Callable[..., Catalog]:
    def call(**options: Any) -> Catalog:
        source = ClassFolders(photo_root)
        return build_catalog(source, cache_dir=tmp_path / "cache", progress=False, **options)

    return call


@pytest.fixture
def freeze(photo_root: Path, tmp_path: Path) -> Callable[..., Catalog]:
    def call(*args: Any, **options: Any) -> Catalog:
        source = ClassFolders(photo_root)
        cache = tmp_path / "cache"
        return frozen_catalog(source, *args, cache_dir=cache, progress=False, **options)

    return call


def as_rows(catalog: Catalog) -> list[tuple[str, str, int]]:
    return [
        (catalog.relative_path(i), catalog.classes[catalog.labels[i]], int(catalog.splits[i]))
        for i in range(len(catalog))
    ]


def test_photos_are_listed_labelled_and_split(
    write_classes: Write, build: Callable[..., Catalog]
) -> None:
    root = write_classes(hat=10, top=20)

    catalog = build(val_fraction=0.2, test_fraction=0.1)

    assert len(catalog) == 30
    assert catalog.classes == ("hat", "top")
    assert catalog.counts("train") == {"hat": 7, "top": 14}
    assert catalog.counts("val") == {"hat": 2, "top": 4}
    assert catalog.counts("test") == {"hat": 1, "top": 2}
    assert sorted(i for s in ("train", "val", "test") for i in catalog.indices(s)) == [*range(30)]
    assert catalog.path(3) == root / "hat/003.png"
    assert catalog.box(3) is None
    assert (catalog.skipped, catalog.leaks, catalog.remarks()) == ({}, [], [])


def test_class_map_and_order_are_applied(
    write_classes: Write, build: Callable[..., Catalog]
) -> None:
    write_classes(shirt=4, dress=4, longsleeve=4, hat=4)

    catalog = build(
        class_map={"shirt": "top", "longsleeve": "top", "dress": None}, classes=["top", "hat"]
    )

    assert catalog.classes == ("top", "hat")
    assert (
        sum(catalog.counts("train").values())
        + len(catalog.indices("val"))
        + len(catalog.indices("test"))
        == 12
    )
    assert not any("dress" in path for path, _, _ in as_rows(catalog))


def test_photos_of_dropped_classes_need_not_be_readable(
    write_classes: Write, build: Callable[..., Catalog]
) -> None:
    root = write_classes(hat=4, top=4, junk=1)
    (root / "junk/000.png").write_bytes(b"junk")

    assert len(build(class_map={"junk": None})) == 8


def test_all_unusable_photos_are_listed_at_once(
    write_classes: Write, build: Callable[..., Catalog]
) -> None:
    root = write_classes(hat=30, top=4)
    for i in range(21):
        (root / f"hat/{i:03d}.png").write_bytes(b"" if i else b"text")

    with pytest.raises(DataError) as caught:
        build()

    lines = str(caught.value).splitlines()
    assert lines[0] == f'21 of 34 images below "{root}" cannot be used:'
    assert lines[1:3] == ["  hat/000.png: not an image", "  hat/001.png: empty file"]
    assert lines[21] == "  and 1 more"
    assert lines[22].endswith("set data.on_bad_image=skip to go on without them.")


def test_unusable_photos_can_be_skipped_and_are_counted(
    write_classes: Write, build: Callable[..., Catalog]
) -> None:
    root = write_classes(hat=5, top=5)
    (root / "hat/001.png").write_bytes(b"")

    catalog = build(on_bad_image="skip")

    assert catalog.skipped == {"hat/001.png": "empty file"}
    assert len(catalog) == 9


def test_skipping_everything_is_an_error(
    write_classes: Write, build: Callable[..., Catalog]
) -> None:
    root = write_classes(hat=1, top=1)
    for name in ("hat", "top"):
        (root / name / "000.png").write_bytes(b"")

    with pytest.raises(DataError, match="2 of 2 images"):
        build(on_bad_image="skip")


def test_a_class_that_is_unusable_as_a_whole_is_not_forgotten(
    write_classes: Write, build: Callable[..., Catalog]
) -> None:
    root = write_classes(hat=1, top=5, shoes=5)
    (root / "hat/000.png").write_bytes(b"")

    with pytest.raises(DataError, match='"hat" is missing in train and val and test'):
        build(on_bad_image="skip")


def test_missing_files_of_a_table_are_listed_at_once(write_photos: Write, tmp_path: Path) -> None:
    root = write_photos("1.png")
    frame = pd.DataFrame({"path": ["1.png", "2.png", "3.png"], "label": ["a", "b", "a"]})
    frame.to_csv(root / "labels.csv", index=False)

    with pytest.raises(DataError, match=r"2\.png: missing file\n  3\.png: missing file"):
        build_catalog(LabelTable(root, "labels.csv"), cache_dir=tmp_path / "cache", progress=False)


def test_boxes_and_groups_arrive(write_photos: Write, tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(8)]
    root = write_photos(*names)
    frame = pd.DataFrame(
        {
            "path": [*names, names[0]],
            "label": ["a", "b"] * 4 + ["a"],
            "who": ["anna", *[""] * 7, "anna"],
            "x": [1, *[""] * 7, 2],
            "y": [2, *[""] * 7, 2],
            "w": [3, *[""] * 7, 3],
            "h": [4, *[""] * 7, 4],
        }
    )
    frame.to_csv(root / "labels.csv", index=False)
    source = LabelTable(root, "labels.csv", group_column="who", box_columns=["x", "y", "w", "h"])

    catalog = build_catalog(source, cache_dir=tmp_path / "cache", progress=False)

    assert [catalog.box(i) for i in range(3)] == [(1, 2, 3, 4), (2, 2, 3, 4), None]
    assert catalog.splits[0] == catalog.splits[1]
    assert catalog.groups.to_pylist()[:3] == ["anna", "anna", None]
    assert catalog.boxes[2].tolist() == [-1] * 4


def test_same_bytes_in_train_and_elsewhere_are_reported(
    write_classes: Write, build: Callable[..., Catalog]
) -> None:
    root = write_classes("train/", hat=3, top=3)
    write_classes("val/", hat=2, top=2)
    write_classes("test/", hat=2, top=2)
    shutil.copy(root / "train/hat/001.png", root / "val/hat/copy.png")
    shutil.copy(root / "train/hat/001.png", root / "test/top/copy.png")
    shutil.copy(root / "train/hat/001.png", root / "train/hat/copy.png")

    catalog = build()
    assert catalog.leaks == [
        ("train/hat/001.png", "test/top/copy.png"),
        ("train/hat/001.png", "val/hat/copy.png"),
    ]
    said = "2 images of val or test are also in train, byte for byte; for example"
    assert catalog.remarks() == [f"{said} test/top/copy.png is train/hat/001.png."]


def test_one_class_is_refused(write_classes: Write, build: Callable[..., Catalog]) -> None:
    write_classes(hat=9)

    with pytest.raises(DataError, match='two classes, got only "hat"'):
        build()


def test_written_split_is_read_back_exactly(
    write_classes: Write, build: Callable[..., Catalog], tmp_path: Path
) -> None:
    write_classes(hat=9, top=9)
    first = build(seed=3)
    (tmp_path / "splits.csv").write_bytes(first.splits_csv())

    second = build(seed=4, split_file=tmp_path / "splits.csv")

    assert as_rows(first) == as_rows(second)
    assert first.fingerprint == second.fingerprint != build(seed=4).fingerprint


@pytest.mark.parametrize("options", [{"fold": 0}, {"resplit": True}])
def test_split_file_excludes_other_ways_to_split(
    write_classes: Write, build: Callable[..., Catalog], options: dict[str, Any]
) -> None:
    write_classes(hat=9, top=9)

    with pytest.raises(ConfigError, match=r"data\.resplit and data\.fold have no effect"):
        build(split_file="splits.csv", **options)


def test_split_file_must_have_every_class_everywhere(
    write_classes: Write, build: Callable[..., Catalog], tmp_path: Path
) -> None:
    write_classes(hat=1, top=1)
    (tmp_path / "s.csv").write_text("path,split\nhat/000.png,train\ntop/000.png,val\n")

    with pytest.raises(DataError, match='"hat" is missing in val'):
        build(split_file=tmp_path / "s.csv")


def test_fingerprint_depends_on_classes_and_contents(
    write_classes: Write, build: Callable[..., Catalog]
) -> None:
    write_classes(hat=4, top=4)
    first = build().fingerprint

    assert build().fingerprint == first
    assert build(classes=["top", "hat"]).fingerprint != first
    shutil.copy(build().root / "hat/000.png", build().root / "hat/001.png")
    assert build().fingerprint != first


def test_any_script_spaces_and_quotes_survive(
    write_photos: Write, build: Callable[..., Catalog], tmp_path: Path
) -> None:
    decomposed = unicodedata.normalize("NFD", "외투")
    names = ("모자", decomposed, 't-shirt "old"', "a, b; c'")
    root = write_photos(*(f"{name}/내 사진 {i}.png" for name in names for i in range(3)))

    catalog = build(class_map={"외투": "코트"})
    (tmp_path / "splits.csv").write_bytes(catalog.splits_csv())

    assert set(catalog.classes) == {"모자", "코트", 't-shirt "old"', "a, b; c'"}
    assert all(catalog.path(i).is_file() for i in range(12))
    assert (root / decomposed / "내 사진 0.png") in {catalog.path(i) for i in range(12)}
    same = build(class_map={"외투": "코트"}, split_file=tmp_path / "splits.csv")
    assert as_rows(same) == as_rows(catalog)


def test_catalog_travels_to_worker_processes(
    write_classes: Write, build: Callable[..., Catalog]
) -> None:
    write_classes(hat=4, top=4)
    catalog = build()

    assert as_rows(pickle.loads(pickle.dumps(catalog))) == as_rows(catalog)  # noqa: S301  # ours


def test_frozen_class_list_may_have_more_classes_than_the_data(
    write_classes: Write, freeze: Callable[..., Catalog]
) -> None:
    write_classes(top=2)

    catalog = freeze(["hat", "top"], "test")

    assert catalog.labels.tolist() == [1, 1]
    assert catalog.counts("test") == {"hat": 0, "top": 2}


def test_frozen_catalog_numbers_photos_as_the_run_did(
    write_classes: Write,
    build: Callable[..., Catalog],
    freeze: Callable[..., Catalog],
    tmp_path: Path,
) -> None:
    write_classes(hat=9, top=9, dress=2)
    class_map = {"dress": None}
    run = build(class_map=class_map)
    (tmp_path / "splits.csv").write_bytes(run.splits_csv())

    again = freeze(run.classes, "test", class_map=class_map, split_file=tmp_path / "splits.csv")

    assert again.indices("test").tolist() == run.indices("test").tolist()
    assert again.fingerprint == run.fingerprint


def test_frozen_catalog_keeps_the_splits_of_the_source(
    write_classes: Write, freeze: Callable[..., Catalog]
) -> None:
    write_classes("train/", hat=3)
    write_classes("test/", top=1)

    assert freeze(["hat", "top"], "test").counts("test") == {"hat": 0, "top": 1}
    with pytest.raises(DataError, match=r'in the split "val" of .* has only train, test'):
        freeze(["hat", "top"], "val")


def test_frozen_catalog_refuses_other_classes(
    write_classes: Write, freeze: Callable[..., Catalog]
) -> None:
    write_classes(hat=1, dress=1)

    with pytest.raises(DataError, match=r'"dress", which are not among "hat", "top"\. .*class_map'):
        freeze(["hat", "top"], "test")
    kept = freeze(["hat", "top"], "test", class_map={"dress": None, "skirt": "top"})
    assert len(kept) == 1


def test_frozen_catalog_lists_unusable_photos_too(
    write_classes: Write, freeze: Callable[..., Catalog]
) -> None:
    root = write_classes(hat=2)
    (root / "hat/000.png").write_bytes(b"")

    with pytest.raises(DataError, match=r"hat/000\.png: empty file"):
        freeze(["hat"], "test")
    assert len(freeze(["hat"], "test", on_bad_image="skip")) == 1


@pytest.mark.slow
@pytest.mark.photos
def test_real_photos_make_a_catalog(clothing: Path, tmp_path: Path) -> None:
    class_map: dict[str, str | None] = {"outwear": "outer", "dress": None}
    class_map |= dict.fromkeys(("longsleeve", "shirt", "t-shirt"), "top")
    class_map |= dict.fromkeys(("pants", "shorts", "skirt"), "bottom")
    classes = ["hat", "outer", "top", "bottom", "shoes"]
    options: dict[str, Any] = {"cache_dir": tmp_path, "class_map": class_map, "classes": classes}

    first = build_catalog(ClassFolders(clothing), **options)
    second = build_catalog(ClassFolders(clothing), **options)
    remade = build_catalog(ClassFolders(clothing / "train"), **options)

    counts: dict[Split, list[int]] = {
        "train": [123, 184, 1540, 782, 198],
        "val": [14, 24, 159, 86, 26],
    }
    for split, expected in counts.items():
        assert first.counts(split) == dict(zip(classes, expected, strict=True))
    assert first.skipped == {}
    assert first.fingerprint == second.fingerprint
    total = np.array(counts["train"])
    tested = np.array(list(remade.counts("test").values()))
    assert np.abs(tested - 0.15 * total).max() <= 1
