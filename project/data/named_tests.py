"""Sets of photos that a run is tested on besides its test split, each under a name."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa

from project.data.catalog.catalog import Catalog, Split, frozen_catalog, leak_remark
from project.data.catalog.manifest import digest
from project.data.catalog.split_file import split_csv
from project.data.sources import Source
from project.data.sources.listing import SPLITS
from project.errors import ConfigError, DataError

PREFIX = "test_"
"""Stands before the name of a set wherever the name of a split might stand."""

_NAME = re.compile(r"[A-Za-z0-9_]+")


def named_sources(
    tests: Mapping[str, Any], source_at: Callable[[str | Path], Source]
) -> dict[str, Source]:
    """Finds out where the photos of each set are.

    Args:
        tests: Folder or complete source by name, as configured.
        source_at: Makes a source of a folder, of the kind that training has.

    Returns:
        Source by the set's name with `PREFIX`, in the order of the configuration.

    Raises:
        ConfigError: A name cannot be one, or what it stands for is neither folder nor source.
    """
    found = {}
    for name, given in tests.items():
        _check_name(str(name))
        if isinstance(given, str | Path):
            found[f"{PREFIX}{name}"] = source_at(given)
        elif hasattr(given, "root") and hasattr(given, "listing"):
            found[f"{PREFIX}{name}"] = given
        else:
            raise ConfigError(
                f"data.tests.{name}: expected a folder of photos, or a complete source by its "
                f"_target_ and arguments, got {given!r}. Give it a path; or its root and no "
                "_partial_."
            )
    return found


def named_catalog(
    split: str, source: Source, classes: Sequence[str], reading: Mapping[str, Any]
) -> Catalog:
    """Lists, verifies and labels the photos of a set.

    Args:
        split: The set's name with `PREFIX`.
        source: Where its photos are. One with splits of its own counts with its test split, one
            without as a whole.
        classes: The class list of training; classes without photos are allowed.
        reading: More arguments of `project.data.catalog.catalog.frozen_catalog`.

    Returns:
        The catalog; the rows of its test split are the set.

    Raises:
        DataError: The photos cannot be used, have other classes, or none is for testing.
    """
    try:
        return frozen_catalog(source, classes, "test", **reading)
    except DataError as error:
        raise DataError(f"data.tests.{split.removeprefix(PREFIX)}: {error}") from error


@dataclass(frozen=True, eq=False)
class AllPhotos:
    """What a run learns from and what it is measured on.

    Attributes:
        catalog: The photos with the three splits.
        tests: The named test sets, by name with `PREFIX`.
    """

    catalog: Catalog
    tests: Mapping[str, Catalog]

    @cached_property
    def fingerprint(self) -> str:
        """Digest of all of it; the catalog's own where there are no named sets."""
        if not self.tests:
            return self.catalog.fingerprint
        named = [f"{split}\0{self.tests[split].fingerprint}" for split in sorted(self.tests)]
        return digest(["\n".join([self.catalog.fingerprint, *named]).encode()])

    @cached_property
    def leaks(self) -> dict[str, list[tuple[str, str]]]:
        """Paths in train and in a named set with the same bytes, by set, where there are any."""
        in_train: dict[str, int] = {}
        if not self.tests:
            return {}
        for row in self.catalog.indices("train").tolist():
            in_train.setdefault(self.catalog.content_hash[row].as_py(), row)
        found = {
            split: [
                (self.catalog.relative_path(in_train[content]), tested.relative_path(row))
                for row in tested.indices("test").tolist()
                if (content := tested.content_hash[row].as_py()) in in_train
            ]
            for split, tested in self.tests.items()
        }
        return {split: pairs for split, pairs in found.items() if pairs}

    def remarks(self) -> list[str]:
        """What a reader of the named sets' results should know, one sentence each."""
        return [
            leak_remark(split, pairs, self.tests[split].root) for split, pairs in self.leaks.items()
        ]

    def counts(self) -> dict[str, dict[str, int]]:
        """Photos of each class, by split and named set."""
        counts = {split: self.catalog.counts(split) for split in get_args(Split)}
        return counts | {split: tested.counts("test") for split, tested in self.tests.items()}

    def relative_path(self, split: str, row: int) -> str:
        """Path of a photo below its root.

        Args:
            split: Where it is from: a split, or a named set.
            row: In the catalog of that.
        """
        return self.tests.get(split, self.catalog).relative_path(row)

    def listed(self, split: str) -> bytes:
        """Which photos a split or a named set has, as a CSV file.

        Args:
            split: Its name. The file of a split is that of all of them; that of a named set has its
                name in the column ``split``.
        """
        tested = self.tests.get(split)
        if tested is None:
            return self.catalog.splits_csv()
        columns: dict[str, Any] = {
            "path": tested.paths,
            "label": pa.array(tested.classes).take(pa.array(tested.labels)),
            "split": pa.repeat(split, len(tested)),
            "group": tested.groups,
            "content_hash": tested.content_hash,
        }
        return split_csv(pa.table(columns).take(pa.array(tested.indices("test"))))


def _check_name(name: str) -> None:
    if name in SPLITS or not _NAME.fullmatch(name):
        raise ConfigError(
            f"data.tests.{name}: expected a name of letters (a to z), digits and _, and none of "
            f"{', '.join(SPLITS)}, got {name!r}. Rename the test set."
        )
