"""Which photo is for training, which for choosing a checkpoint, which for the final number."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from project.data.catalog.carving import Photos, carve, rotate
from project.data.sources.listing import SPLITS, first_few
from project.errors import ConfigError, DataError

TRAIN, VAL, TEST = range(len(SPLITS))

_CURES = (
    "Add photos, merge or drop the class with data.class_map, or, if the data comes with splits, "
    "make new ones with data.resplit=true."
)


@dataclass(frozen=True, kw_only=True)
class SplitOptions:
    """How to split.

    Attributes:
        val_fraction: Share of the photos that becomes val where the source has none.
        test_fraction: Share that becomes test where the source has none; 0 for no test split.
        resplit: Whether to make new splits although the source has some.
        folds: Number of parts for cross-validation.
        fold: The part that is held out, from 0; None for no cross-validation.
        seed: Of the draw.

    Raises:
        ConfigError: A value is out of range.
    """

    val_fraction: float = 0.15
    test_fraction: float = 0.15
    resplit: bool = False
    folds: int = 5
    fold: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        fractions = (self.val_fraction, self.test_fraction)
        if min(fractions) < 0 or sum(fractions) >= 1:
            raise ConfigError(
                "Expected data.val_fraction and data.test_fraction of at least 0 that leave "
                f"something for training, got {fractions[0]} and {fractions[1]}."
            )
        if self.folds < 2:
            raise ConfigError(f"Expected data.folds to be 2 or more, got {self.folds}.")
        if self.fold is not None and not 0 <= self.fold < self.folds:
            raise ConfigError(
                f"Expected data.fold between 0 and {self.folds - 1} (data.folds={self.folds}), "
                f"got {self.fold}."
            )


def assign_splits(
    table: pa.Table, labels: NDArray[np.int64], classes: Sequence[str], options: SplitOptions
) -> NDArray[np.int8]:
    """Gives every photo its split.

    Splits of the source are kept, and those that it lacks are cut out of its train split. With
    a fold, the held-out part is test, unless the source has a test split: then that stays, and
    the held-out part is val. Each class keeps its share in each split as nearly as whole photos
    (or whole groups) allow. The result depends on paths, labels, groups and seed, but not on
    the order of the rows.

    Args:
        table: Has the columns ``path``, ``split`` and ``group``. Rows with one path are crops of
            one photo; like a group, they stay together.
        labels: Class numbers, int64 (N,).
        classes: Class names.
        options: Fractions, folds and seed.

    Returns:
        Codes of `project.data.sources.listing.SPLITS`, int8 (N,).

    Raises:
        ConfigError: No val split is wanted.
        DataError: The source's splits cannot be used, or some class cannot be in every split.
    """
    order = _by_path(table, labels)
    photos = Photos(
        paths=np.asarray(table["path"].to_pylist(), dtype=object),
        labels=labels,
        units=units(table),
        classes=tuple(classes),
        seed=options.seed,
    )
    given = np.full(len(labels), -1, np.int8) if options.resplit else given_splits(table)
    if (given >= 0).any():
        check_units(photos.units, given, table)
    splits = np.empty(len(labels), np.int8)
    splits[order] = _split(photos.take(order), given[order], options)
    check_every_class(labels, splits, classes)
    return splits


def given_splits(table: pa.Table) -> NDArray[np.int8]:
    """Reads the splits that the source gives.

    Args:
        table: Has the column ``split``.

    Returns:
        Codes of `project.data.sources.listing.SPLITS`, -1 in all rows if the source gives none,
        int8 (N,).

    Raises:
        DataError: Only some rows have a split, or none of them is train.
    """
    codes = pc.fill_null(pc.index_in(table["split"], value_set=pa.array(SPLITS)), -1)
    given: NDArray[np.int8] = codes.to_numpy().astype(np.int8)
    missing = np.flatnonzero(given < 0)
    if 0 < len(missing) < len(given):
        names = table["path"].take(missing[:5]).to_pylist()
        raise DataError(
            f"{len(missing):,} of {len(given):,} photos have no split while the others have one: "
            f"{first_few(names)}. Give them one, or make new splits with data.resplit=true."
        )
    return given


def check_units(units: NDArray[np.int64], splits: NDArray[np.int8], table: pa.Table) -> None:
    """Makes sure that no group lies in two splits.

    Args:
        units: Number of each row's group, int64 (N,).
        splits: Codes, int8 (N,).
        table: Has the columns ``path`` and ``group``, for the message.

    Raises:
        DataError: Some do.
    """
    low, high = np.full(units.max() + 1, len(SPLITS)), np.full(units.max() + 1, -1)
    np.minimum.at(low, units, splits)
    np.maximum.at(high, units, splits)
    torn = np.flatnonzero((low != high)[units])
    if len(torn):
        names = pc.coalesce(table["group"], table["path"]).take(torn).unique().to_pylist()
        raise DataError(
            f"{len(names):,} groups lie in two splits: {first_few(sorted(names))}. What is "
            "measured on photos of a group that was trained on says nothing about new groups. "
            "Make new splits with data.resplit=true, or correct the groups."
        )


def check_every_class(
    labels: NDArray[np.int64], splits: NDArray[np.int8], classes: Sequence[str]
) -> None:
    """Makes sure that every class is in every split.

    Args:
        labels: Class numbers, int64 (N,).
        splits: Codes, int8 (N,).
        classes: Class names.

    Raises:
        DataError: Some are not.
    """
    counts = np.zeros((len(SPLITS), len(classes)), np.int64)
    np.add.at(counts, (splits, labels), 1)
    used = counts.any(axis=1)
    problems = [
        f'"{name}" is missing in {" and ".join(_names(used & (counts[:, code] == 0)))} '
        f"({', '.join(f'{SPLITS[s]} {counts[s, code]:,}' for s in np.flatnonzero(used))})"
        for code, name in enumerate(classes)
        if not counts[used, code].all()
    ]
    if problems:
        raise DataError(
            f"Expected photos of every class in every split, but {'; '.join(problems)}. {_CURES}"
        )


def _names(mask: NDArray[np.bool_]) -> list[str]:
    return [name for name, chosen in zip(SPLITS, mask, strict=True) if chosen]


def units(table: pa.Table) -> NDArray[np.int64]:
    """Numbers what must stay together: groups, and for photos without one the photo itself."""
    paths = pd.Series(table["path"].to_pylist(), dtype=object)
    groups = pd.Series(table["group"].to_pylist(), dtype=object)
    # Prefixes keep a group apart from a photo of the same name.
    keys = ("group:" + groups).where(groups.notna(), "photo:" + paths)
    units = pd.factorize(keys, sort=True)[0]
    torn = pd.Series(units).groupby(paths).nunique() > 1
    if torn.any():
        raise DataError(
            f"Crops of one photo are in different groups: {first_few(list(torn.index[torn]))}. "
            "Give all crops of a photo the same group."
        )
    return units.astype(np.int64)


def _by_path(table: pa.Table, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Row numbers in the order of the paths; crops of one photo in that of their labels."""
    keys = pa.table({"path": table["path"], "label": labels})
    order = pc.sort_indices(keys, [("path", "ascending"), ("label", "ascending")])
    rows: NDArray[np.int64] = order.to_numpy().astype(np.int64)
    return rows


def _split(photos: Photos, given: NDArray[np.int8], options: SplitOptions) -> NDArray[np.int8]:
    splits = given.copy() if (given >= 0).any() else np.zeros_like(given)
    _check_train(splits)
    if options.fold is not None:
        keep_test = bool((splits == TEST).any())
        pool = np.flatnonzero(splits != TEST)
        held_out = rotate(photos.take(pool), options.folds, options.fold)
        splits[pool] = np.where(held_out, VAL if keep_test else TEST, TRAIN)
    fractions = _missing_fractions(splits, options)
    train = np.flatnonzero(splits == TRAIN)
    if fractions:
        splits[train] = carve(photos.take(train), fractions)
    return splits


def _check_train(splits: NDArray[np.int8]) -> None:
    if not (splits == TRAIN).any():
        found = " and ".join(SPLITS[code] for code in np.unique(splits))
        raise DataError(
            f"The source has photos for {found} but none for train. Name its train split in "
            "data.source.split_names, or make new splits with data.resplit=true."
        )


def _missing_fractions(splits: NDArray[np.int8], options: SplitOptions) -> dict[int, float]:
    """Shares of train that are to become the splits that do not exist."""
    fractions = {}
    if not (splits == TEST).any() and options.test_fraction:
        fractions[TEST] = options.test_fraction
    if not (splits == VAL).any():
        if not options.val_fraction:
            raise ConfigError(
                "Expected data.val_fraction above 0: there is no val split yet, and the best "
                "checkpoint is chosen on it."
            )
        fractions[VAL] = options.val_fraction
    return fractions
