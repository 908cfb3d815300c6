"""Photos that a CSV or Parquet table names and labels."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from unicodedata import normalize

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from project.data.sources.listing import (
    BOX_COLUMNS,
    absolute,
    existing_folder,
    first_few,
    listing_table,
)
from project.data.sources.split_names import SPLIT_NAMES, split_lookup
from project.errors import ConfigError, DataError, suggestion


class LabelTable:
    """Photos listed in a table, one row an image or one row a crop of an image.

    Every value is taken as text, as it stands: the class ``007`` or ``NA`` stays that.

    Args:
        root: Folder that the paths in the table are relative to.
        table: A ``.csv`` or ``.parquet`` file; looked for below root, then where the command
            was started.
        path_column: Column of the paths.
        label_column: Column of the class names.
        split_column: Column of the splits, if the table has them.
        group_column: Column of the groups, if it has them; an empty value is no group.
        box_columns: Columns of left, top, width and height of the crop box, in pixels of the
            upright image, if it has them; four empty values are no box.
        split_names: For each split, what it may be called in the table.

    Raises:
        ConfigError: There are not four box columns, or split_names is wrong.
    """

    def __init__(
        self,
        root: str | Path,
        table: str | Path,
        path_column: str = "path",
        label_column: str = "label",
        split_column: str | None = None,
        group_column: str | None = None,
        box_columns: Sequence[str] | None = None,
        split_names: Mapping[str, Sequence[str]] = SPLIT_NAMES,
    ) -> None:
        if box_columns is not None and len(box_columns) != len(BOX_COLUMNS):
            raise ConfigError(
                "Expected four names in data.source.box_columns (left, top, width, height), got "
                f"{list(box_columns)}."
            )
        self.root = absolute(root)
        self._table = Path(table).expanduser()
        self._path = path_column
        self._label = label_column
        self._split = split_column
        self._group = group_column
        self._boxes = list(box_columns or ())
        self._split_of = split_lookup(split_names)

    def listing(self) -> pa.Table:
        """Lists the photos; see `project.data.sources.listing.Source.listing`."""
        root = existing_folder(self.root)
        columns = self._read(self._existing_table())
        paths, labels = columns[self._path], columns[self._label]
        self._check_paths(paths)
        self._check_no_gaps(paths, labels)
        return listing_table(
            [_as_on_disk(root, path) for path in paths],
            labels,
            None if self._split is None else [self._canonical(s) for s in columns[self._split]],
            None if self._group is None else [group or None for group in columns[self._group]],
            self._box_arrays(columns, paths),
        )

    def _existing_table(self) -> Path:
        places = [self.root / self._table, self._table.absolute()]
        for place in places:
            if place.is_file():
                return place
        raise DataError(
            f'The table "{self._table}" does not exist; looked for '
            f"{first_few(list(map(str, places)))}. Set data.source.table."
        )

    def _read(self, file: Path) -> dict[str, list[str]]:
        """Reads the columns that are wanted, as text, with empty text for what is missing."""
        kind = file.suffix.lower()
        if kind not in {".csv", ".parquet"}:
            raise DataError(f'Expected a .csv or .parquet file as data.source.table, got "{file}".')
        try:
            if kind == ".csv":
                frame = pd.read_csv(file, dtype=str, keep_default_na=False)
                table = pa.Table.from_pandas(frame, preserve_index=False)
            else:
                table = pq.read_table(file)
        except (OSError, ValueError) as error:  # of pandas, pyarrow and the codec alike
            raise DataError(f'"{file}" cannot be read as {kind[1:]}: {error}.') from error
        wanted = [self._path, self._label, self._split, self._group, *self._boxes]
        return {name: _text(table, name, file) for name in wanted if name is not None}

    def _check_paths(self, paths: Sequence[str]) -> None:
        if not paths:
            raise DataError(f'The table "{self._table}" has no rows.')
        outside = [path for path in paths if path.startswith("/") or ".." in path.split("/")]
        if outside:
            raise DataError(
                f'Expected paths relative to data.root="{self.root}" in "{self._table}", got '
                f"{first_few(outside)}. Set data.root to the folder above all photos."
            )

    def _check_no_gaps(self, paths: Sequence[str], labels: Sequence[str]) -> None:
        gaps = [
            f"row {row}"
            for row, pair in enumerate(zip(paths, labels, strict=True), 1)
            if not all(pair)
        ]
        if gaps:
            raise DataError(
                f'{len(gaps):,} rows of "{self._table}" lack a path or a label: '
                f"{first_few(gaps)}. Fill them in or remove the rows."
            )

    def _canonical(self, name: str) -> str | None:
        if name and name.casefold() not in self._split_of:
            raise DataError(
                f'Expected one of {", ".join(self._split_of)} in column "{self._split}" of '
                f'"{self._table}", got "{name}".{suggestion(name, self._split_of)} '
                "Name it in data.source.split_names."
            )
        return self._split_of[name.casefold()] if name else None

    def _box_arrays(
        self, columns: Mapping[str, list[str]], paths: Sequence[str]
    ) -> list[pa.Array] | None:
        frame = pd.DataFrame({"path": paths})
        for column, name in zip(BOX_COLUMNS, self._boxes, strict=False):
            frame[column] = self._integers(columns[name], name)
        self._check_repeats(frame)
        if not self._boxes:
            return None
        box = frame[list(BOX_COLUMNS)]
        partial = box.isna().any(axis=1) & box.notna().any(axis=1)
        misplaced = (box[["x", "y"]] < 0).any(axis=1) | (box[["w", "h"]] <= 0).any(axis=1)
        wrong = frame[partial | misplaced]
        if len(wrong):
            raise DataError(
                f'{len(wrong):,} boxes of "{self._table}" are not four numbers with left and top '
                f"of at least 0 and width and height above 0: {first_few(list(wrong['path']))}."
            )
        return [pa.Array.from_pandas(box[column]) for column in BOX_COLUMNS]

    def _integers(self, values: Sequence[str], name: str) -> pd.Series:
        numbers = pd.to_numeric(pd.Series(values, dtype=str).replace("", None), errors="coerce")
        wrong = [
            value
            for value, number in zip(values, numbers, strict=True)
            if value and (pd.isna(number) or number % 1 or abs(number) >= 2**31)
        ]
        if wrong:
            raise DataError(
                f'Expected whole pixels in column "{name}" of "{self._table}", got '
                f"{first_few(wrong)}."
            )
        return numbers.astype("Int32")

    def _check_repeats(self, frame: pd.DataFrame) -> None:
        repeated = frame[frame.duplicated()]
        if len(repeated):
            cure = " with the same box" if self._boxes else ""
            raise DataError(
                f'{len(repeated):,} rows of "{self._table}" name a photo again{cure}: '
                f"{first_few(list(repeated['path'].unique()))}. Remove the rows, or name the "
                "columns of their crop boxes in data.source.box_columns."
            )


def _text(table: pa.Table, name: str, file: Path) -> list[str]:
    if name not in table.column_names:
        raise DataError(
            f'"{file}" has no column "{name}"; it has {first_few(table.column_names, 20)}.'
            f"{suggestion(name, table.column_names)} Name its columns in data.source.path_column, "
            "label_column, split_column, group_column and box_columns."
        )
    values: list[str] = pc.fill_null(table[name].cast(pa.string()), "").to_pylist()
    return values


def _as_on_disk(root: Path, path: str) -> str:
    """Finds the spelling of a path on disk, which may be the other Unicode form."""
    if path.isascii() or (root / path).exists():
        return path
    spellings = (normalize("NFC", path), normalize("NFD", path))
    return next((s for s in spellings if (root / s).exists()), path)
