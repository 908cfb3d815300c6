import multiprocessing
import pickle
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from project.data.catalog.shared import shared_numbers, shared_strings

MANY = 200_000


def words(number: int) -> pa.Array:
    return pa.array([None if word % 3 == 0 else f"grüße/{word}.jpg" for word in range(number)])


@pytest.mark.parametrize("shape", [(0,), (4,), (0, 2), (MANY,), (MANY, 4)])
@pytest.mark.parametrize("dtype", [np.int64, np.int8])
def test_numbers_stay_the_same(shape: tuple[int, ...], dtype: type[np.generic]) -> None:
    column = np.arange(np.prod(shape)).astype(dtype).reshape(shape)
    there = shared_numbers(column)
    assert there.dtype == column.dtype
    np.testing.assert_array_equal(there, column)


def test_numbers_that_do_not_lie_in_one_piece_stay_the_same() -> None:
    column = np.arange(3 * MANY).reshape(3, MANY).T[::2]
    np.testing.assert_array_equal(shared_numbers(column), column)


@pytest.mark.parametrize(
    "column",
    [
        words(0),
        words(7),
        words(MANY),
        words(MANY)[1001:],
        words(MANY).slice(13, MANY // 2),
        pa.nulls(MANY, pa.string()),
        words(MANY).cast(pa.large_string()),
    ],
    ids=["none", "few", "many", "the last", "those between", "nulls", "large"],
)
def test_strings_stay_the_same(column: pa.Array) -> None:
    there = shared_strings(column)
    there.validate(full=True)
    assert there.equals(column)
    assert there.null_count == column.null_count
    assert pickle.loads(pickle.dumps(there)).equals(column)  # noqa: S301  # ours


def test_what_all_processes_see_cannot_be_changed() -> None:
    there = shared_numbers(np.zeros(MANY))
    with pytest.raises(ValueError, match="read-only"):
        there[0] = 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which pages a process has")
def test_a_forked_process_begins_with_none_of_it_and_gets_what_it_reads() -> None:
    column = shared_numbers(np.ones((64, 1 << 17)))  # 64 MiB
    asked, answers = multiprocessing.Pipe()

    def read() -> None:
        before = _mapped(column)
        column[3:5].sum()
        answers.send((before, _mapped(column)))

    reader = multiprocessing.get_context("fork").Process(target=read)
    reader.start()
    assert asked.poll(60)
    before, after = asked.recv()
    reader.join()
    assert _mapped(column) == 64 * 1024
    assert before == 0
    assert 2 * 1024 <= after <= 3 * 1024


def _mapped(column: NDArray[np.float64]) -> int:
    """KiB of a column that this process has."""
    address = column.__array_interface__["data"][0]
    inside = False
    for line in Path("/proc/self/smaps").read_text("ascii").splitlines():
        name, *rest = line.split()
        if "-" in name and not name.endswith(":"):
            first, last = (int(end, 16) for end in name.split("-"))
            inside = first <= address < last
        elif inside and name == "Rss:":
            return int(rest[0])
    raise AssertionError("the column lies nowhere")
