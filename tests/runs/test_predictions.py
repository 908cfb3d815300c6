from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from project.errors import RunError
from project.runs.directory import RunDirectory
from project.runs.predictions import Predictions, read_predictions, write_predictions

CLASSES = ["모자", 't-shirt "old"', "coats/winter"]
PATHS = ["모자/1.jpg", "t-shirts/a b.jpg", "coats/3.jpg", "coats/4.jpg"]
LOGITS = np.array(
    [[0.1, -2.0, 3.5], [1 / 3, 0.2, -1e-30], [7.0, 7.0, 0.0], [0.0, 0.0, np.inf]], dtype=np.float32
)


def predictions(order: list[int] | None = None) -> Predictions:
    order = order or [0, 1, 2, 3]
    return Predictions(
        index=np.array([2, 5, 11, 700])[order],
        paths=[PATHS[row] for row in order],
        labels=np.array([0, 1, -1, 2])[order],
        logits=LOGITS[order],
        classes=CLASSES,
    )


def test_predictions_come_back_bit_for_bit(run: RunDirectory) -> None:
    write_predictions(run, "test", predictions())
    back = read_predictions(run, "test")
    assert back.index.tolist() == [2, 5, 11, 700]
    assert back.paths == PATHS
    assert back.labels.tolist() == [0, 1, -1, 2]
    assert back.labels.dtype == np.int64
    assert back.logits.dtype == np.float32
    np.testing.assert_array_equal(back.logits, LOGITS)
    assert back.classes == CLASSES


def test_rows_lie_in_catalog_order_whatever_order_they_came_in(run: RunDirectory) -> None:
    write_predictions(run, "val", predictions())
    write_predictions(run, "test", predictions(order=[3, 1, 0, 2]))
    assert run.predictions("test").read_bytes() == run.predictions("val").read_bytes()


def test_another_tool_reads_names_and_numbers(run: RunDirectory) -> None:
    write_predictions(run, "test", predictions())
    frame = pd.read_parquet(run.predictions("test"))
    assert list(frame.columns) == [
        "index", "path", "label", "predicted",
        "logit/모자", 'logit/t-shirt "old"', "logit/coats/winter",
    ]  # fmt: skip
    assert frame["label"].fillna("?").tolist() == ["모자", 't-shirt "old"', "?", "coats/winter"]
    # The largest logit; of two equal ones the first.
    assert frame["predicted"].tolist() == ["coats/winter", "모자", "모자", "coats/winter"]


def test_no_photos_are_predictions_too(run: RunDirectory) -> None:
    none = np.array([], dtype=np.int64)
    logits = np.zeros((0, 3), dtype=np.float32)
    write_predictions(run, "test", Predictions(none, [], none, logits, CLASSES))
    assert read_predictions(run, "test").logits.shape == (0, 3)


def test_a_photo_that_was_counted_twice_is_refused(run: RunDirectory) -> None:
    with pytest.raises(RunError, match=r'photo of split "test" once, got photo 5 .* and 1 others'):
        write_predictions(run, "test", predictions(order=[0, 1, 1, 2, 3, 3]))
    assert not run.predictions("test").exists()


def test_missing_predictions_name_those_that_are_there(run: RunDirectory) -> None:
    write_predictions(run, "test", predictions())
    with pytest.raises(
        RunError, match=r'for split "val" at .* there are predictions for: test\. .*split=val`'
    ):
        read_predictions(run, "val")


def test_missing_predictions_of_an_empty_run(run: RunDirectory) -> None:
    with pytest.raises(RunError, match="there are predictions for: none"):
        read_predictions(run, "val")


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-50])


def foreign(path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), path)


def renamed(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.rename_columns([name.upper() for name in table.column_names]), path)


@pytest.mark.parametrize("damage", [torn, foreign, renamed])
def test_damaged_predictions_are_named(run: RunDirectory, damage: object) -> None:
    write_predictions(run, "test", predictions())
    assert callable(damage)
    damage(run.predictions("test"))
    with pytest.raises(
        RunError, match=r"test\.parquet, got a file that holds none .*evaluate run="
    ):
        read_predictions(run, "test")
