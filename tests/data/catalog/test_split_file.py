from pathlib import Path

import pyarrow as pa
import pytest

from project.data.catalog.split_file import split_csv, splits_from_file
from project.errors import DataError

PATHS = pa.chunked_array([["모자/1, 2.jpg", 't "old"/3.jpg'], ["NA"]])


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "splits.csv"
    file.write_text(text)
    return file


def test_what_is_written_is_read(tmp_path: Path) -> None:
    table = pa.table(
        {
            "path": PATHS,
            "label": ["모자", 't "old"', "NA"],
            "split": ["train", "val", "test"],
            "group": [None, "a\nb", "NA"],
            "content_hash": ["01", "02", "03"],
        }
    )
    (tmp_path / "splits.csv").write_bytes(split_csv(table))

    splits = splits_from_file(tmp_path / "splits.csv", PATHS, set())

    assert splits.tolist() == [0, 1, 2]
    assert splits.dtype == "int8"


def test_order_other_columns_and_crops_do_not_matter(tmp_path: Path) -> None:
    file = write(tmp_path, "who,split,path\nx,test,b\ny,train,a\ny,train,a\n")

    assert splits_from_file(file, pa.chunked_array([["a", "b", "a"]]), set()).tolist() == [0, 2, 0]


def test_photos_that_were_skipped_may_be_named(tmp_path: Path) -> None:
    file = write(tmp_path, "path,split\na,train\nb,test\n")

    assert splits_from_file(file, pa.chunked_array([["a"]]), {"b"}).tolist() == [0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,split\na,train\n", 'does not name 1 photos: "b"'),
        ("path,split\na,train\nb,val\nc,val\n", 'names but the data lacks 1 photos: "c"'),
        ("path,split\na,train\nb,valid\n", r'Expected train, val, test .* got "valid"'),
        ("path,split\na,train\na,val\nb,val\n", 'gives two splits to "a"'),
        ("file,split\na,train\n", r'the columns path and split .* got "file", "split"'),
        ("", "cannot be read: No columns"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        splits_from_file(write(tmp_path, text), pa.chunked_array([["a", "b"]]), set())


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.csv\" cannot be read: .*No such file"):
        splits_from_file(tmp_path / "nothing.csv", PATHS, set())
