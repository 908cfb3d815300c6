"""Stratified parts of a set of photos, with groups kept whole."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from hashlib import blake2b
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from project.data.sources.listing import SPLITS
from project.errors import DataError

if TYPE_CHECKING:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

ATTEMPTS = 20
"""How many arrangements of groups are tried."""

CLOSE_ENOUGH = 0.01
"""Mean deviation from the wanted fractions, over classes, at which the search stops."""


@dataclass(frozen=True, eq=False)
class Photos:
    """What a split depends on, sorted by path.

    Attributes:
        paths: Relative paths, str (N,).
        labels: Class numbers, int64 (N,).
        units: Numbers of what must stay together, in the order of their names, int64 (N,).
        classes: Class names.
        seed: Of the draw.
    """

    paths: NDArray[np.object_]
    labels: NDArray[np.int64]
    units: NDArray[np.int64]
    classes: Sequence[str]
    seed: int

    def take(self, rows: NDArray[np.int64]) -> Self:
        """Some of the photos.

        Args:
            rows: Which, int64 (M,).

        Returns:
            The same with M rows.
        """
        return type(self)(
            self.paths[rows], self.labels[rows], self.units[rows], self.classes, self.seed
        )

    def shares(self, part: NDArray[np.bool_]) -> NDArray[np.float64]:
        """How much of each class that occurs is in a part.

        Args:
            part: Whether each photo is in it, bool (N,).

        Returns:
            From 0 to 1, float64 (number of classes that occur,).
        """
        total = np.bincount(self.labels)
        inside = np.bincount(self.labels[part], minlength=len(total))
        return inside[total > 0] / total[total > 0]

    def parted(self, part: NDArray[np.bool_], needed: int) -> bool:
        """Whether a part has every class and leaves enough groups of each.

        Args:
            part: Whether each photo is in it, bool (N,).
            needed: Groups of each class that must be left.

        Returns:
            Whether that is so.
        """
        left = self.units_per_class(~part)[np.unique(self.labels)]
        return bool(self.shares(part).all() and (left >= needed).all())

    def units_per_class(self, part: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """Counts distinct units.

        Args:
            part: Whether each photo counts, bool (N,); None for all.

        Returns:
            int64 (number of classes,).
        """
        rows = slice(None) if part is None else part
        keys = np.unique(self.labels[rows] * (self.units.max() + 1) + self.units[rows])
        counts = np.bincount(keys // (self.units.max() + 1), minlength=len(self.classes))
        return counts.astype(np.int64)

    @property
    def grouped(self) -> bool:
        """Whether any unit holds more than one row."""
        return len(np.unique(self.units)) < len(self.units)

    def drawn(self) -> NDArray[np.int64]:
        """Rows in a random order that is a matter of each path alone.

        New photos or classes therefore leave the order of the others as it was.
        """
        draws = [
            blake2b(f"{self.seed}\0{path}".encode(), digest_size=8).digest() for path in self.paths
        ]
        return np.argsort(np.frombuffer(b"".join(draws), dtype=">u8"), kind="stable")

    def require(self, parts: int, what: str) -> None:
        """Makes sure that no class has fewer units than there are parts.

        Args:
            parts: How many parts each class must be in.
            what: Names the parts, for the message.

        Raises:
            DataError: A class has too few.
        """
        counts = self.units_per_class()
        few = [code for code in np.unique(self.labels) if counts[code] < parts]
        if few:
            unit = "groups" if self.grouped else "photos"
            listed = ", ".join(f'"{self.classes[code]}" has {counts[code]}' for code in few)
            raise DataError(
                f"Expected at least {parts} {unit} of each class for {what}, but {listed}. Add "
                f"{unit}, merge or drop the class with data.class_map, or ask for fewer parts "
                "(data.test_fraction=0 makes no test split, data.folds sets the folds)."
            )


def carve(photos: Photos, fractions: Mapping[int, float]) -> NDArray[np.int8]:
    """Cuts parts out of photos, leaving the rest for train.

    Args:
        photos: The photos.
        fractions: Split code to its share of each class, in (0, 1).

    Returns:
        Split codes, int8 (N,); at least one photo of each class in each part and in train.

    Raises:
        DataError: A class has too few photos or groups.
    """
    codes = [0, *fractions]
    names = ", ".join(SPLITS[code] for code in sorted(codes))
    photos.require(len(codes), f"the splits {names}")
    if photos.grouped:
        return _carve_groups(photos, fractions)
    splits = np.zeros(len(photos.labels), np.int8)
    order = photos.drawn()
    labels = photos.labels[order]
    for label in np.unique(labels):
        rows = order[labels == label]
        sizes = quotas(len(rows), [1 - sum(fractions.values()), *fractions.values()])
        splits[rows] = np.repeat(np.array(codes, np.int8), sizes)
    return splits


def quotas(total: int, fractions: Sequence[float]) -> list[int]:
    """Rounds shares to whole numbers by the largest remainder, each at least 1.

    Args:
        total: What to share out; at least as many as there are fractions.
        fractions: Shares that add up to 1.

    Returns:
        Whole numbers that add up to ``total``.

    Example:
        >>> quotas(10, [0.7, 0.15, 0.15])
        [7, 2, 1]
        >>> quotas(3, [0.9, 0.05, 0.05])
        [1, 1, 1]
    """
    exact = np.array(fractions) * total
    sizes = np.floor(exact + 1e-9).astype(int)  # 1e-9: 0.7 * 10 may fall short of 7
    largest_first = np.argsort(sizes - exact, kind="stable")
    sizes[largest_first[: total - sizes.sum()]] += 1
    while (sizes == 0).any():
        sizes[sizes.argmax()] -= 1
        sizes[sizes.argmin()] += 1
    return [int(size) for size in sizes]


def rotate(photos: Photos, folds: int, fold: int) -> NDArray[np.bool_]:
    """Selects one of k parts for cross-validation.

    Args:
        photos: The photos.
        folds: Number of parts.
        fold: Which part, from 0.

    Returns:
        Whether each photo is in the part, bool (N,). The parts of all folds are disjoint, and
        together they are all photos.

    Raises:
        DataError: A class has too few photos or groups.
    """
    photos.require(folds, f"data.folds={folds}")
    if photos.grouped:
        parts = _balanced_groups(photos, folds)
    else:
        from sklearn.model_selection import StratifiedKFold  # noqa: PLC0415 - slow; few runs do

        splitter = StratifiedKFold(folds, shuffle=True, random_state=photos.seed % 2**32)
        parts = _numbered(splitter, photos)
    chosen: NDArray[np.bool_] = parts == fold
    return chosen


def _balanced_groups(photos: Photos, folds: int) -> NDArray[np.int64]:
    """Finds the arrangement into folds that is nearest to equal shares of every class."""
    best, smallest = None, np.inf
    for parts in _arrangements(photos, folds):
        shares = np.stack([photos.shares(parts == fold) for fold in range(folds)])
        deviation = float(np.abs(shares - 1 / folds).mean())
        if shares.all() and deviation < smallest:
            best, smallest = parts, deviation
        if smallest < CLOSE_ENOUGH:
            break
    if best is None:
        raise _no_arrangement(f"data.folds={folds}")
    return best


def _carve_groups(photos: Photos, fractions: Mapping[int, float]) -> NDArray[np.int8]:
    """Cuts one part after the other, each out of what the ones before have left."""
    splits = np.zeros(len(photos.labels), np.int8)
    remaining, left = np.arange(len(splits)), 1.0
    for done, (code, fraction) in enumerate(fractions.items()):
        part = _nearest_part(photos.take(remaining), fraction / left, len(fractions) - done)
        splits[remaining[part]] = code
        remaining, left = remaining[~part], left - fraction
    return splits


def _nearest_part(photos: Photos, fraction: float, needed: int) -> NDArray[np.bool_]:
    """Finds whole groups that are nearest to a fraction of every class.

    At least ``needed`` groups of each class remain. Where small parts miss a class, larger ones
    are tried.
    """
    share = Fraction(fraction).limit_denominator(10)
    choices = [(share.numerator, share.denominator)]
    choices += [(1, folds) for folds in range(share.denominator - 1, 1, -1)]
    for numerator, folds in choices:
        best, smallest = None, np.inf
        for parts in _arrangements(photos, folds):
            for start in range(folds):
                part = (parts - start) % folds < numerator
                deviation = float(np.abs(photos.shares(part) - fraction).mean())
                if deviation < smallest and photos.parted(part, needed):
                    best, smallest = part, deviation
            if smallest < CLOSE_ENOUGH:
                break
        if best is not None:
            return best
    raise _no_arrangement("the splits")


def _arrangements(photos: Photos, folds: int) -> Iterator[NDArray[np.int64]]:
    """Yields group-wise stratified numberings of the photos, int64 (N,) in [0, folds)."""
    most = min(np.bincount(photos.labels).max(), len(np.unique(photos.units)))
    if not 2 <= folds <= most:  # scikit-learn accepts no others
        return
    from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415 - slow; few runs do

    for attempt in range(ATTEMPTS):
        seed = int(np.random.SeedSequence([photos.seed % 2**32, attempt]).generate_state(1)[0])
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        yield _numbered(splitter, photos, photos.units)


def _numbered(
    splitter: "StratifiedKFold | StratifiedGroupKFold",
    photos: Photos,
    units: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    parts = np.empty(len(photos.labels), np.int64)
    with warnings.catch_warnings():
        # It warns of classes with fewer photos than folds; what we require is checked elsewhere.
        warnings.filterwarnings("ignore", message="The least populated class")
        for number, (_, rows) in enumerate(splitter.split(parts, photos.labels, units)):
            parts[rows] = number
    return parts


def _no_arrangement(what: str) -> DataError:
    return DataError(
        f"Found no way to keep groups whole and have every class in each part of {what}. Use "
        "smaller groups, larger fractions or fewer folds, or merge classes with data.class_map."
    )
