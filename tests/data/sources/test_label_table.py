import unicodedata
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from project.data.sources.label_table import LabelTable
from project.errors import ConfigError, DataError


def table(root: Path, content: dict[str, list[Any]], name: str = "labels.csv") -> Path:
    frame = pd.DataFrame(content)
    if name.endswith(".csv"):
        frame.to_csv(root / name, index=False)
    else:
        frame.to_parquet(root / name)
    return root / name


def test_labels_stay_text(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text('path,label\na.jpg,007\nb.jpg,NA\n"c, d.jpg",t "old"\n')

    listing = LabelTable(tmp_path, "labels.csv").listing()

    assert listing["path"].to_pylist() == ["a.jpg", "b.jpg", "c, d.jpg"]
    assert listing["label"].to_pylist() == ["007", "NA", 't "old"']
    assert listing["split"].null_count == listing["group"].null_count == 3


def test_byte_order_mark_of_a_spreadsheet_is_no_part_of_the_column_name(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("path,label\na.jpg,모자\n", encoding="utf-8-sig")

    assert LabelTable(tmp_path, "labels.csv").listing()["label"].to_pylist() == ["모자"]


@pytest.mark.parametrize("name", ["labels.csv", "labels.parquet"])
def test_all_columns_are_read_from_either_format(tmp_path: Path, name: str) -> None:
    content: dict[str, list[Any]] = {
        "file": ["a.jpg", "a.jpg", "b.jpg"],
        "kind": [1, 2, 1],
        "part": ["Train", "train", "dev"],
        "person": ["anna", "anna", None],
        "left": [0, 5, None],
        "top": [0, 5, None],
        "width": [4, 4, None],
        "height": [4, 4, None],
    }
    table(tmp_path, content, name)

    listing = LabelTable(
        tmp_path,
        name,
        path_column="file",
        label_column="kind",
        split_column="part",
        group_column="person",
        box_columns=["left", "top", "width", "height"],
    ).listing()

    assert listing["label"].to_pylist() == ["1", "2", "1"]
    assert listing["split"].to_pylist() == ["train", "train", "val"]
    assert listing["group"].to_pylist() == ["anna", "anna", None]
    assert listing.select(list("xywh")).to_pylist() == [
        {"x": 0, "y": 0, "w": 4, "h": 4},
        {"x": 5, "y": 5, "w": 4, "h": 4},
        dict.fromkeys("xywh"),
    ]


def test_table_is_looked_for_below_root_and_then_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "root").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    source = LabelTable(tmp_path / "root", "labels.csv")

    with pytest.raises(DataError, match=r"labels.csv\" does not exist; looked for .*root.*here"):
        source.listing()
    table(tmp_path / "here", {"path": ["a.jpg"], "label": ["here"]})
    assert source.listing()["label"].to_pylist() == ["here"]
    table(tmp_path / "root", {"path": ["a.jpg"], "label": ["root"]})
    assert source.listing()["label"].to_pylist() == ["root"]


def test_path_is_spelt_as_on_disk(tmp_path: Path) -> None:
    composed, decomposed = "모자.jpg", unicodedata.normalize("NFD", "모자.jpg")
    (tmp_path / decomposed).touch()
    table(tmp_path, {"path": [composed, "없음.jpg"], "label": ["a", "b"]})

    assert LabelTable(tmp_path, "labels.csv").listing()["path"].to_pylist() == [
        decomposed,
        "없음.jpg",
    ]


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (
            {"path": ["a"], "lable": ["x"]},
            {},
            r'no column "label"; it has "path", "lable"\. Did you mean "lable"\?',
        ),
        ({"path": [], "label": []}, {}, "has no rows"),
        ({"path": ["a", ""], "label": ["x", "y"]}, {}, '1 rows .* lack a path or a label: "row 2"'),
        ({"path": ["a", "b"], "label": ["", "y"]}, {}, 'lack a path or a label: "row 1"'),
        ({"path": ["/data/a.jpg"], "label": ["x"]}, {}, 'relative to data.root=.*"/data/a.jpg"'),
        ({"path": ["../a.jpg"], "label": ["x"]}, {}, r'relative to data.root=.*"\.\./a.jpg"'),
        (
            {"path": ["a"], "label": ["x"], "split": ["trian"]},
            {"split_column": "split"},
            r'column "split" .* got "trian"\. Did you mean "train"\?',
        ),
        (
            {"path": ["a", "a", "b"], "label": ["x", "y", "x"]},
            {},
            '1 rows .* name a photo again: "a"',
        ),
    ],
)
def test_wrong_tables_are_refused(
    tmp_path: Path, content: dict[str, list[Any]], options: dict[str, Any], message: str
) -> None:
    table(tmp_path, content)

    with pytest.raises(DataError, match=message):
        LabelTable(tmp_path, "labels.csv", **options).listing()


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ([(0, 0, 4, 4), (0, 0, 4, 4)], 'again with the same box: "a"'),
        ([(0, 0, 4, 4), (-1, 0, 4, 4)], "1 boxes .* are not four numbers"),
        ([(0, 0, 4, 4), (1, 0, 0, 4)], "1 boxes .* are not four numbers"),
        ([(0, 0, 4, 4), (1, 0, "", 4)], "1 boxes .* are not four numbers"),
        ([(0, 0, 4, 4), (1, 0, "wide", 4)], 'whole pixels in column "w" .* got "wide"'),
        ([(0, 0, 4, 4), (1, 0, 2.5, 4)], 'whole pixels in column "w" .* got "2.5"'),
        ([(0, 0, 4, 4), (1, 0, 10**12, 4)], 'whole pixels in column "w" .* got "1000000000000"'),
    ],
)
def test_wrong_boxes_are_refused(
    tmp_path: Path, boxes: list[tuple[Any, ...]], message: str
) -> None:
    columns = dict(zip("xywh", map(list, zip(*boxes, strict=True)), strict=True))
    table(tmp_path, {"path": ["a", "a"], "label": ["x", "x"], **columns})

    with pytest.raises(DataError, match=message):
        LabelTable(tmp_path, "labels.csv", box_columns=list("xywh")).listing()


def test_box_columns_must_be_four(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"four names in data\.source\.box_columns"):
        LabelTable(tmp_path, "labels.csv", box_columns=["x", "y"])


def test_other_formats_are_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.xlsx").touch()

    with pytest.raises(DataError, match=r"Expected a \.csv or \.parquet file"):
        LabelTable(tmp_path, "labels.xlsx").listing()


@pytest.mark.parametrize("name", ["labels.csv", "labels.parquet"])
def test_unreadable_tables_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\xff\xfe\x00nonsense")

    with pytest.raises(DataError, match="cannot be read as"):
        LabelTable(tmp_path, name).listing()
