import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from project.data.catalog.catalog import Catalog, build_catalog
from project.data.preparation.placement import placed, placed_csv
from project.data.sources import ClassFolders, FileNames, LabelTable, Source
from project.errors import DataError

Write = Callable[..., Path]


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Catalog]:
    """``read(source, **options)`` gives a catalog without a test split."""

    def catalog(source: Source, **options: object) -> Catalog:
        given = {"test_fraction": 0.0, "val_fraction": 0.4, "progress": False, **options}
        return build_catalog(source, cache_dir=tmp_path / "cache", **given)  # type: ignore[arg-type]

    return catalog


def targets(catalog: Catalog) -> dict[str, str]:
    return {photo.source: photo.target for photo in placed(catalog)}


def test_photos_go_below_their_split_and_class(
    read: Callable[..., Catalog], write_classes: Write
) -> None:
    catalog = read(ClassFolders(write_classes(hat=3, top=4)))
    for row, (source, target) in enumerate(targets(catalog).items()):
        split = ("train", "val", "test")[catalog.splits[row]]
        assert target == f"{split}/{source}"


def test_folders_below_the_class_stay_and_groups_with_them(
    read: Callable[..., Catalog], write_photos: Write
) -> None:
    root = write_photos(*(f"{c}/{p}/{n}.png" for c in ("a", "b") for p in "xyz" for n in (1, 2)))
    found = targets(read(ClassFolders(root, group_level=0), val_fraction=0.3))
    assert all(target.endswith(source) for source, target in found.items())
    splits = {source.split("/")[1]: target.split("/")[0] for source, target in found.items()}
    assert sorted(splits.values()) == ["train", "train", "val"]
    assert all(t.split("/")[0] == splits[s.split("/")[1]] for s, t in found.items())


def test_split_folders_of_the_source_are_not_repeated(
    read: Callable[..., Catalog], write_classes: Write
) -> None:
    write_classes("training/", hat=2, top=2)
    root = write_classes("valid/", hat=1, top=1)
    assert targets(read(ClassFolders(root)))["valid/top/000.png"] == "val/top/000.png"


def test_renamed_and_merged_classes_keep_the_folder_that_tells_them_apart(
    read: Callable[..., Catalog], write_classes: Write
) -> None:
    root = write_classes(hat=3, shirt=3, jacket=3)
    catalog = read(ClassFolders(root), class_map={"shirt": "top", "jacket": "top"})
    found = targets(catalog)
    assert found["hat/000.png"].removeprefix("train/").removeprefix("val/") == "hat/000.png"
    assert all("/top/shirt/" in t for s, t in found.items() if s.startswith("shirt"))


@pytest.mark.parametrize("twin", ["valid/hat/000.png", "train/hat/000.PNG"])
def test_photos_that_would_have_one_name_are_told_apart(
    read: Callable[..., Catalog], write_photos: Write, twin: str
) -> None:
    root = write_photos("train/hat/000.png", twin, "valid/hat/1.png", "train/hat/2.png")
    write_photos(*(f"{split}/top/{split}{n}.png" for split in ("train", "valid") for n in (1, 2)))
    found = targets(read(ClassFolders(root), resplit=True, seed=3))
    names = [target.casefold() for target in found.values()]
    assert len(set(names)) == len(found) == 8
    again = targets(read(ClassFolders(root), resplit=True, seed=3))
    assert again == found


def test_names_with_labels_become_folders(
    read: Callable[..., Catalog], write_photos: Write
) -> None:
    root = write_photos(*(f"{c}.{n}.png" for c in ("cat", "dog") for n in range(3)))
    found = targets(read(FileNames(root, pattern=r"(?P<label>\w+)\.\d+")))
    assert {t.partition("/")[2] for t in found.values()} == {f"{s[:3]}/{s}" for s in found}


@pytest.mark.parametrize("name", [".hidden", "a/b", "__MACOSX"])
def test_classes_that_no_folder_can_be_named_after_are_refused(
    read: Callable[..., Catalog], write_classes: Write, name: str
) -> None:
    catalog = read(ClassFolders(write_classes(hat=2, top=2)), class_map={"hat": name})
    with pytest.raises(DataError, match=f'class names that folders can have, got "{name}"'):
        placed(catalog)


def table(root: Path, rows: list[dict[str, object]]) -> LabelTable:
    pd.DataFrame(rows).to_csv(root / "labels.csv", index=False)
    boxes = ["x", "y", "w", "h"] if "x" in rows[0] else None
    return LabelTable(
        root, "labels.csv", path_column="path", label_column="label", box_columns=boxes
    )


def test_boxes_cannot_become_folders(read: Callable[..., Catalog], write_classes: Write) -> None:
    root = write_classes(hat=3, top=3)
    rows: list[dict[str, object]] = [
        {"path": f"{label}/00{n}.png", "label": label, "x": 0, "y": 0, "w": 5, "h": 5}
        for label in ("hat", "top")
        for n in range(3)
    ]
    with pytest.raises(DataError, match=r"have crop boxes .* Take write=split_file"):
        placed(read(table(root, rows)))


def test_files_that_no_folder_would_show_are_refused(
    read: Callable[..., Catalog], write_classes: Write
) -> None:
    root = write_classes(hat=3, top=3)
    (root / "hat" / "000.png").rename(root / "hat" / "noending")
    rows: list[dict[str, object]] = [
        {"path": file.relative_to(root).as_posix(), "label": file.parent.name}
        for file in sorted(root.glob("*/*"))
    ]
    with pytest.raises(DataError, match=r'photos to end in .*, got "hat/noending"'):
        placed(read(table(root, rows)))


def test_listing_has_the_new_paths(read: Callable[..., Catalog], write_classes: Write) -> None:
    catalog = read(ClassFolders(write_classes(hat=3, top=4)))
    lines = placed_csv(catalog, placed(catalog)).decode().splitlines()
    assert lines[0] == "path,label,split,group,content_hash"
    assert len(lines) == 8
    assert all(re.match(r"(train|val)/(hat|top)/00\d\.png,", line) for line in lines[1:])
