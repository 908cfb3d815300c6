"""Photos that are verified, labelled and split: what all later parts work on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from project.data.catalog.classes import apply_class_map, check_known, class_codes, class_list
from project.data.catalog.manifest import Manifest, digest, table_fingerprint
from project.data.catalog.scan import scan
from project.data.catalog.shared import shared_numbers, shared_strings
from project.data.catalog.split_file import split_csv, splits_from_file
from project.data.catalog.splits import (
    SplitOptions,
    assign_splits,
    check_every_class,
    check_units,
    given_splits,
    units,
)
from project.data.sources.listing import BOX_COLUMNS, SPLITS, Source, composed
from project.errors import ConfigError, DataError

Split = Literal["train", "val", "test"]

SPLITTING = ("val_fraction", "test_fraction", "resplit", "folds", "fold", "split_file")
"""Keys of ``data`` and arguments of `build_catalog` that decide the split, besides its seed."""

MAX_PIXELS = 178_956_970
"""Twice what Pillow warns at, and as much as it refuses by itself: some 13,000 x 13,000."""

_BAD_SHOWN = 20


@dataclass(frozen=True, eq=False)
class Catalog:
    """Usable photos with their class and split. Row numbers are the identity of a photo.

    All columns are arrays, so that worker processes share them instead of copying objects.

    Attributes:
        root: Folder that the paths are relative to.
        classes: Class names, in the order of the model's outputs.
        paths: Relative paths with ``/``, as on disk, sorted, string (N,).
        labels: Class numbers, int64 (N,).
        splits: Codes of `project.data.sources.listing.SPLITS`, int8 (N,).
        groups: What was kept in one split; null where photos stand alone, string (N,).
        boxes: Crop boxes (left, top, width, height) in pixels, -1 where there is none,
            int32 (N, 4).
        sizes: Height and width of the upright photos in pixels, int32 (N, 2).
        content_hash: Digest of each file's bytes, string (N,).
        perceptual_hash: See `project.data.decode.Probe`, string (N,).
        skipped: Photos that were left out because they cannot be used, and why.
        leaks: Pairs of paths with the same bytes, the first in train, the other in another split.
        fingerprint: Digest of all that training depends on.
    """

    root: Path
    classes: tuple[str, ...]
    paths: pa.Array
    labels: NDArray[np.int64]
    splits: NDArray[np.int8]
    groups: pa.Array
    boxes: NDArray[np.int32]
    sizes: NDArray[np.int32]
    content_hash: pa.Array
    perceptual_hash: pa.Array
    skipped: dict[str, str] = field(default_factory=dict)
    leaks: list[tuple[str, str]] = field(default_factory=list)
    fingerprint: str = ""

    def __len__(self) -> int:
        return len(self.labels)

    def indices(self, split: Split) -> NDArray[np.int64]:
        """Row numbers of a split, in order, int64 (number of photos in it,)."""
        return np.flatnonzero(self.splits == SPLITS.index(split))

    def counts(self, split: Split) -> dict[str, int]:
        """How many photos of each class a split has, in class order."""
        labels = self.labels[self.indices(split)]
        counts = np.bincount(labels, minlength=len(self.classes))
        return dict(zip(self.classes, counts.tolist(), strict=True))

    def relative_path(self, index: int) -> str:
        """Path of a photo below the root."""
        path: str = self.paths[index].as_py()
        return path

    def path(self, index: int) -> Path:
        """Where a photo is."""
        return self.root / self.relative_path(index)

    def box(self, index: int) -> tuple[int, int, int, int] | None:
        """Crop box of a photo (left, top, width, height), in pixels of the upright image."""
        x, y, w, h = self.boxes[index].tolist()
        return None if w < 0 else (x, y, w, h)

    def remarks(self) -> list[str]:
        """What a reader of the results should know about the split, one sentence each."""
        return [leak_remark("val or test", self.leaks)] if self.leaks else []

    def shared(self) -> "Catalog":
        """The same in memory of which a worker counts only the pages that it has read."""
        return replace(
            self,
            paths=shared_strings(self.paths),
            labels=shared_numbers(self.labels),
            splits=shared_numbers(self.splits),
            groups=shared_strings(self.groups),
            boxes=shared_numbers(self.boxes),
            sizes=shared_numbers(self.sizes),
            content_hash=shared_strings(self.content_hash),
            perceptual_hash=shared_strings(self.perceptual_hash),
        )

    def splits_csv(self) -> bytes:
        """The split as a file that ``data.split_file`` accepts."""
        table = pa.table(
            {
                "path": self.paths,
                "label": pa.array(self.classes).take(pa.array(self.labels)),
                "split": pa.array(SPLITS).take(pa.array(self.splits)),
                "group": self.groups,
                "content_hash": self.content_hash,
            }
        )
        return split_csv(table)


def build_catalog(
    source: Source,
    *,
    cache_dir: str | Path,
    class_map: Mapping[str, str | None] | None = None,
    classes: Sequence[str] | None = None,
    val_fraction: float = 0.15,
    test_fraction: float = 0.15,
    resplit: bool = False,
    folds: int = 5,
    fold: int | None = None,
    split_file: str | Path | None = None,
    on_bad_image: Literal["error", "skip"] = "error",
    max_pixels: int = MAX_PIXELS,
    seed: int = 0,
    workers: int | None = None,
    progress: bool = True,
) -> Catalog:
    """Lists, verifies, labels and splits photos for training.

    Args:
        source: Where the photos are.
        cache_dir: Where the scan keeps what it found.
        class_map: See `project.data.catalog.classes.apply_class_map`.
        classes: See `project.data.catalog.classes.class_list`.
        val_fraction: See `project.data.catalog.splits.SplitOptions`, like the next four.
        test_fraction: Share that becomes test where the source has none.
        resplit: Whether to ignore the source's splits.
        folds: Number of parts for cross-validation.
        fold: The part that is held out.
        split_file: CSV with ``path`` and ``split`` that fixes the split instead.
        on_bad_image: ``error`` lists all unusable photos and stops, ``skip`` leaves them out.
        max_pixels: Larger images are unusable.
        seed: Of the split.
        workers: Threads of the scan; None for one a core.
        progress: Whether the scan shows a bar.

    Returns:
        The catalog.

    Raises:
        ConfigError: Options contradict one another or are out of range.
        DataError: The photos, their labels or their splits cannot be used.
    """
    options = SplitOptions(
        val_fraction=val_fraction,
        test_fraction=test_fraction,
        resplit=resplit,
        folds=folds,
        fold=fold,
        seed=seed,
    )
    if split_file is not None and (resplit or fold is not None):
        raise ConfigError(
            "data.split_file fixes the split, so data.resplit and data.fold have no effect; set "
            "data.resplit=false and data.fold=null, or data.split_file=null."
        )
    listing = _mapped(source.listing(), class_map or {}, every_key=True)
    names = class_list(listing["label"].unique().to_pylist(), classes)
    manifest = scan(
        source.root, listing, cache_dir, max_pixels=max_pixels, workers=workers, progress=progress
    )
    table, skipped = _usable(manifest, on_bad_image)
    labels = class_codes(table["label"], names)
    if split_file is None:
        splits = assign_splits(table, labels, names, options)
    else:
        splits = splits_from_file(Path(split_file), table["path"], set(skipped))
        check_units(units(table), splits, table)
        check_every_class(labels, splits, names)
    return _catalog(source.root, table, names, splits, skipped)


def frozen_catalog(
    source: Source,
    classes: Sequence[str],
    split: Split,
    *,
    cache_dir: str | Path,
    class_map: Mapping[str, str | None] | None = None,
    split_file: str | Path | None = None,
    on_bad_image: Literal["error", "skip"] = "error",
    max_pixels: int = MAX_PIXELS,
    workers: int | None = None,
    progress: bool = True,
) -> Catalog:
    """Lists, verifies and labels photos for evaluating a finished run.

    Args:
        source: Where the photos are.
        classes: The run's class list; classes without photos are allowed.
        split: What is to be evaluated; a source without splits is that as a whole.
        cache_dir: Where the scan keeps what it found.
        class_map: See `project.data.catalog.classes.apply_class_map`; it may name absent classes.
        split_file: CSV with ``path`` and ``split``, such as the run's own, that fixes the split.
        on_bad_image: ``error`` lists all unusable photos and stops, ``skip`` leaves them out.
        max_pixels: Larger images are unusable.
        workers: Threads of the scan; None for one a core.
        progress: Whether the scan shows a bar.

    Returns:
        The catalog, with all splits of the source.

    Raises:
        DataError: The photos cannot be used, have other classes, or none is in the split.
    """
    names = tuple(map(composed, classes))
    listing = _mapped(source.listing(), class_map or {}, every_key=False)
    check_known(listing["label"].unique().to_pylist(), names)
    manifest = scan(
        source.root, listing, cache_dir, max_pixels=max_pixels, workers=workers, progress=progress
    )
    table, skipped = _usable(manifest, on_bad_image)
    if split_file is not None:
        splits = splits_from_file(Path(split_file), table["path"], set(skipped))
    else:
        splits = given_splits(table)
        splits[splits < 0] = SPLITS.index(split)
    if not (splits == SPLITS.index(split)).any():
        found = ", ".join(SPLITS[code] for code in np.unique(splits))
        raise DataError(
            f'Expected photos in the split "{split}" of "{source.root}", but it has only '
            f"{found}. Set data.split to one of these, or take photos that have it."
        )
    return _catalog(source.root, table, names, splits, skipped)


def _mapped(listing: pa.Table, class_map: Mapping[str, str | None], *, every_key: bool) -> pa.Table:
    """Applies the class map before the scan, so that photos of dropped classes stay closed."""
    labels = apply_class_map(listing["label"], class_map, every_key=every_key)
    column = listing.schema.get_field_index("label")
    mapped = listing.set_column(column, listing.field(column), labels)
    return mapped.filter(pc.is_valid(labels))


def _usable(manifest: Manifest, on_bad_image: str) -> tuple[pa.Table, dict[str, str]]:
    """Parts the rows into usable ones, sorted by path, and reasons for the others."""
    bad, usable = manifest.bad(), manifest.usable()
    reasons = dict(zip(bad["path"].to_pylist(), bad["state"].to_pylist(), strict=True))
    if reasons and (on_bad_image == "error" or not usable.num_rows):
        shown = [f"  {path}: {reason}" for path, reason in sorted(reasons.items())[:_BAD_SHOWN]]
        if len(reasons) > _BAD_SHOWN:
            shown.append(f"  and {len(reasons) - _BAD_SHOWN:,} more")
        raise DataError(
            f'{len(reasons):,} of {manifest.table.num_rows:,} images below "{manifest.root}" '
            "cannot be used:\n" + "\n".join(shown) + "\nRepair or remove them, or set "
            "data.on_bad_image=skip to go on without them."
        )
    keys = [(name, "ascending") for name in ("path", *BOX_COLUMNS, "label")]
    return usable.sort_by(keys), reasons


def _catalog(
    root: Path,
    table: pa.Table,
    classes: tuple[str, ...],
    splits: NDArray[np.int8],
    skipped: dict[str, str],
) -> Catalog:
    final = table.set_column(
        table.schema.get_field_index("split"), "split", pa.array(SPLITS).take(pa.array(splits))
    )
    boxes = [pc.fill_null(table[name], -1).to_numpy() for name in BOX_COLUMNS]
    return Catalog(
        root=root,
        classes=classes,
        paths=table["path"].combine_chunks(),
        labels=class_codes(table["label"], classes),
        splits=splits,
        groups=table["group"].combine_chunks(),
        boxes=np.stack(boxes, axis=1).astype(np.int32),
        sizes=np.stack([table[name].to_numpy() for name in ("height", "width")], axis=1),
        content_hash=table["content_hash"].combine_chunks(),
        perceptual_hash=table["perceptual_hash"].combine_chunks(),
        skipped=skipped,
        leaks=_leaks(final),
        fingerprint=digest([repr(classes).encode(), table_fingerprint(final).encode()]),
    ).shared()


def leak_remark(place: str, leaks: Sequence[tuple[str, str]], root: Path | None = None) -> str:
    """Says that photos which are measured on are learned from, too.

    Args:
        place: Where they are besides train.
        leaks: Pairs of paths with the same bytes, the first in train; at least one.
        root: Of the second path, where it is another than that of train.
    """
    inside, outside = leaks[0]
    return (
        f"{len(leaks)} images of {place} are also in train, byte for byte; for example "
        f"{outside}{f' of {root}' if root else ''} is {inside}."
    )


def _leaks(table: pa.Table) -> list[tuple[str, str]]:
    """Pairs photos of other splits with the first photo of train that has the same bytes."""
    rows = [table[name].to_pylist() for name in ("content_hash", "split", "path")]
    in_train: dict[str, str] = {}
    for content, split, path in zip(*rows, strict=True):
        if split == "train":
            in_train.setdefault(content, path)
    return [
        (in_train[content], path)
        for content, split, path in zip(*rows, strict=True)
        if split != "train" and content in in_train
    ]
