import unicodedata
from pathlib import Path
from typing import Any

import pytest

from project.data.sources.class_folders import ClassFolders
from project.errors import ConfigError, DataError


def rows(root: Path, **options: Any) -> dict[str, tuple[str, str | None]]:
    listing = ClassFolders(root, **options).listing()
    return {row["path"]: (row["label"], row["split"]) for row in listing.to_pylist()}


def touch(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def test_first_folder_is_the_class_and_deeper_folders_belong_to_it(tmp_path: Path) -> None:
    touch(tmp_path, "hat/1.jpg", "hat/old/felt/2.PNG", "top/3.webp")

    assert rows(tmp_path) == {
        "hat/1.jpg": ("hat", None),
        "hat/old/felt/2.PNG": ("hat", None),
        "top/3.webp": ("top", None),
    }


def test_split_folders_are_recognised_under_their_many_names(tmp_path: Path) -> None:
    touch(tmp_path, "Training/hat/1.jpg", "validation/hat/2.jpg", "EVAL/hat/a/3.jpg")

    assert rows(tmp_path) == {
        "Training/hat/1.jpg": ("hat", "train"),
        "validation/hat/2.jpg": ("hat", "val"),
        "EVAL/hat/a/3.jpg": ("hat", "test"),
    }


def test_folders_without_images_do_not_count_as_split_or_class(tmp_path: Path) -> None:
    touch(tmp_path, "train/hat/1.jpg", "docs/readme.txt", "README.md")

    assert rows(tmp_path) == {"train/hat/1.jpg": ("hat", "train")}


def test_a_class_called_train_among_others_is_a_class(tmp_path: Path) -> None:
    touch(tmp_path, "train/1.jpg", "car/2.jpg")

    assert rows(tmp_path) == {"train/1.jpg": ("train", None), "car/2.jpg": ("car", None)}


def test_folders_called_test_and_val_without_train_are_classes(tmp_path: Path) -> None:
    touch(tmp_path, "test/1.jpg", "val/2.jpg")

    assert rows(tmp_path)["test/1.jpg"] == ("test", None)


def test_split_names_can_be_switched_off_or_extended(tmp_path: Path) -> None:
    touch(tmp_path, "train/hat/1.jpg", "ungesehen/hat/2.jpg")

    assert rows(tmp_path, split_names={})["train/hat/1.jpg"] == ("train", None)
    named = rows(tmp_path, split_names={"train": ["train"], "test": ["ungesehen"]})
    assert named["ungesehen/hat/2.jpg"] == ("hat", "test")


def test_split_folders_beside_others_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "train/hat/1.jpg", "test/hat/2.jpg", "extra/hat/3.jpg")

    with pytest.raises(DataError, match=r'"test", "train"\) beside folders .*\("extra"\)'):
        rows(tmp_path)
    assert len(rows(tmp_path, exclude=["extra/**"])) == 2


def test_names_in_any_script_with_spaces_and_quotes(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "외투")
    touch(tmp_path, "모자/내 사진.jpg", f"{decomposed}/1.jpg", 't-shirt "old"/it\'s 1.jpg')

    assert rows(tmp_path) == {
        "모자/내 사진.jpg": ("모자", None),
        f"{decomposed}/1.jpg": ("외투", None),
        't-shirt "old"/it\'s 1.jpg': ('t-shirt "old"', None),
    }


def test_groups_come_from_a_folder_or_a_pattern(tmp_path: Path) -> None:
    touch(tmp_path, "train/left/kitchen/a1.jpg", "train/right/garden/b2.jpg")

    by_level = ClassFolders(tmp_path, group_level=0).listing()["group"].to_pylist()
    by_pattern = ClassFolders(tmp_path, group_pattern=r"/([ab])\d").listing()["group"].to_pylist()

    assert by_level == ["kitchen", "garden"]
    assert by_pattern == ["a", "b"]


def test_two_ways_to_tell_the_group_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"group_level and data\.source\.group_pattern both"):
        ClassFolders(tmp_path, group_level=0, group_pattern="(a)")


def test_photos_without_class_folders_are_said_to_lack_them(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "2.jpg")

    with pytest.raises(DataError, match="holds 2 images but no class folders"):
        rows(tmp_path)


@pytest.mark.parametrize("loose", ["preview.jpg", "train/preview.jpg"])
def test_photos_beside_class_folders_are_listed(tmp_path: Path, loose: str) -> None:
    touch(tmp_path, "train/hat/1.jpg", loose)

    with pytest.raises(DataError, match=rf'1 images below .* lie in no class folder: "{loose}"'):
        rows(tmp_path)


def test_missing_root_is_an_error_when_listing(tmp_path: Path) -> None:
    source = ClassFolders(tmp_path / "nothing")

    with pytest.raises(DataError, match="does not exist"):
        source.listing()
