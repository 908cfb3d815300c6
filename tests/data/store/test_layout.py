from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from project.data.store import layout
from project.data.store.layout import Description, described, head, planned, read
from project.errors import DataError

DESCRIPTION = Description("abc", "/photos/모자", 3, 20, "bilinear", boxed=False)
SHAPES = np.array([[20, 30], [25, 20], [1, 1]])


def written() -> bytearray:
    index, size = planned(DESCRIPTION, SHAPES)
    index["checksum"] = 5, 2**64 - 1, 7
    return bytearray(head(DESCRIPTION, index).ljust(size, b"\0"))


def test_what_is_written_is_read() -> None:
    description, index = read(memoryview(written()))
    assert description == DESCRIPTION
    assert index["checksum"].tolist() == [5, 2**64 - 1, 7]
    assert index["height"].tolist() == [20, 25, 1]
    assert index["width"].tolist() == [30, 20, 1]


def test_images_do_not_overlap_and_begin_where_copies_are_fast() -> None:
    index, size = planned(DESCRIPTION, SHAPES)
    ends = index["offset"] + SHAPES.prod(axis=1) * 3
    assert index["offset"][0] % 4096 == 0
    assert not (index["offset"] % 64).any()
    assert (ends[:-1] <= index["offset"][1:]).all()
    assert ends[-1] <= size < ends[-1] + 64
    assert len(head(DESCRIPTION, index)) <= index["offset"][0]


def test_a_long_folder_name_moves_the_rest() -> None:
    long = replace(DESCRIPTION, root="/x" * 4000)
    index, size = planned(long, SHAPES)
    data = head(long, index).ljust(size, b"\0")
    assert read(memoryview(data))[0] == long
    assert index["offset"][0] == 4096 * 3


@pytest.mark.parametrize(
    ("position", "reason"),
    [(0, "no image cache"), (8, "version"), (12, "header is damaged"), (16, "header is damaged"),
     (30, "header is damaged"), (60, "header is damaged"), (4096, "header is damaged"),
     (4096 + 50, "header is damaged")],
)  # fmt: skip
def test_every_flipped_bit_of_the_header_is_found(position: int, reason: str) -> None:
    data = written()
    data[position] ^= 1
    with pytest.raises(DataError, match=reason):
        read(memoryview(data))


def test_any_flipped_byte_before_the_pixels_is_found() -> None:
    rng = np.random.default_rng(0)
    end = 4096 + 3 * layout.INDEX.itemsize
    for position in rng.choice(end, 300, replace=False).tolist():
        data = written()
        data[position] ^= 0xFF
        with pytest.raises(DataError):
            read(memoryview(data))


def test_no_value_of_a_damaged_description_is_used() -> None:
    begin = written().index(b"{")
    for position in range(begin + len(DESCRIPTION.json())):
        for value in (*b'\0 ,.-e0149"{}[]x', 0xFF):
            data = written()
            if data[position] == value:
                continue
            data[position] = value
            with pytest.raises(DataError):
                read(memoryview(data))


@pytest.mark.parametrize(
    ("length", "reason"),
    [(10, "cut off"), (100, "header is damaged|cut off"), (4100, "cut off"), (9000, r"9,000 of")],
)
def test_torn_files_are_found(length: int, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        read(memoryview(written()[:length]))


def test_files_with_something_behind_are_found() -> None:
    data = written()
    with pytest.raises(DataError, match=rf"it has {len(data) + 1:,} of {len(data):,} bytes"):
        read(memoryview(data + b"\0"))


def test_files_of_another_version_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    data = written()
    then, now = layout.VERSION, layout.VERSION + 1
    monkeypatch.setattr(layout, "VERSION", now)
    with pytest.raises(DataError, match=f"it has version {then} of the format, and this is {now}"):
        read(memoryview(data))


def test_files_describe_themselves(tmp_path: Path) -> None:
    file = tmp_path / "a.images"
    file.write_bytes(written())
    assert described(file) == DESCRIPTION
    file.write_bytes(b"")
    with pytest.raises(DataError, match="cut off"):
        described(file)
