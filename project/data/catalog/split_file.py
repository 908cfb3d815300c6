"""The split of a run as a file, for later runs and other tools."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from project.data.sources.listing import SPLITS, first_few
from project.errors import DataError, suggestion


def split_csv(table: pa.Table) -> bytes:
    """Writes a split as CSV.

    Args:
        table: Has the columns ``path``, ``label``, ``split``, ``group`` and ``content_hash``.

    Returns:
        Contents of a file with these columns, UTF-8.
    """
    text = io.StringIO()
    table.select(["path", "label", "split", "group", "content_hash"]).to_pandas().to_csv(
        text, index=False
    )
    return text.getvalue().encode()


def splits_from_file(file: Path, paths: pa.ChunkedArray, skipped: set[str]) -> NDArray[np.int8]:
    """Reads the split of each photo out of a file.

    Args:
        file: CSV with the columns ``path`` and ``split``; others are ignored.
        paths: Paths of the photos, (N,).
        skipped: Paths of photos that cannot be used; the file may name them.

    Returns:
        Codes of `project.data.sources.listing.SPLITS`, int8 (N,).

    Raises:
        DataError: The file is not there or not such a table, or it does not name exactly the
            photos that there are.
    """
    codes = _read(file)
    present = set(paths.unique().to_pylist())
    missing = sorted(present - codes.keys())
    unknown = sorted(codes.keys() - present - skipped)
    for names, problem in ((missing, "does not name"), (unknown, "names but the data lacks")):
        if names:
            raise DataError(
                f'data.split_file="{file}" {problem} {len(names):,} photos: {first_few(names)}. '
                "Use the photos, data.class_map and globs that the file was written with, or set "
                "data.split_file=null."
            )
    table = pa.array(codes.keys(), pa.string()), pa.array(codes.values(), pa.int8())
    splits: NDArray[np.int8] = pc.take(table[1], pc.index_in(paths, value_set=table[0])).to_numpy()
    return splits


def _read(file: Path) -> dict[str, int]:
    try:
        frame = pd.read_csv(file, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise DataError(f'data.split_file="{file}" cannot be read: {error}.') from error
    absent = [column for column in ("path", "split") if column not in frame]
    if absent:
        raise DataError(
            f'Expected the columns path and split in data.split_file="{file}", got '
            f"{first_few(list(frame.columns), 20)}."
        )
    unknown = sorted(set(frame["split"]) - set(SPLITS))
    if unknown:
        raise DataError(
            f'Expected {", ".join(SPLITS)} in column split of data.split_file="{file}", got '
            f"{first_few(unknown)}.{suggestion(unknown[0], SPLITS)}"
        )
    rows = frame[["path", "split"]].drop_duplicates()
    twice = rows["path"][rows["path"].duplicated()]
    if len(twice):
        raise DataError(
            f'data.split_file="{file}" gives two splits to {first_few(sorted(set(twice)))}.'
        )
    return dict(zip(rows["path"], map(SPLITS.index, rows["split"]), strict=True))
