import unicodedata
from pathlib import Path

import pytest

from project.data.sources.listing import LISTING_SCHEMA, existing_folder, first_few, listing_table
from project.errors import DataError


def test_labels_and_groups_are_composed_but_paths_stay_as_on_disk() -> None:
    decomposed = unicodedata.normalize("NFD", "모자")

    table = listing_table([f"{decomposed}/1.jpg"], [decomposed], None, [decomposed])

    assert table.schema == LISTING_SCHEMA
    assert table.to_pylist() == [
        {"path": f"{decomposed}/1.jpg", "label": "모자", "split": None, "group": "모자"}
        | dict.fromkeys("xywh")
    ]


def test_missing_folder_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"at \".*/nothing\", but it does not exist\. Set data\.root"
    ):
        existing_folder(tmp_path / "nothing")


def test_file_instead_of_a_folder_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "photos.zip").touch()

    with pytest.raises(DataError, match="but it is a file"):
        existing_folder(tmp_path / "photos.zip")


def test_home_folder_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    assert existing_folder("~") == tmp_path


def test_first_few_counts_what_it_leaves_out() -> None:
    assert first_few([str(i) for i in range(1500)], 1) == '"0" and 1,499 more'
