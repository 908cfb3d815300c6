from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from project.data.catalog.splits import SplitOptions, assign_splits
from project.data.sources.listing import SPLITS, listing_table
from project.errors import ConfigError, DataError

Row = tuple[str, str, str | None, str | None]


def rows(
    split: str | None = None, groups: Sequence[str | None] | None = None, **counts: int
) -> list[Row]:
    """Photos in class folders: ``rows("train", hat=3)``."""
    names = [
        (f"{split}/{label}/{i:03d}.jpg", label) for label, n in counts.items() for i in range(n)
    ]
    return [
        (path, label, split, None if groups is None else groups[i])
        for i, (path, label) in enumerate(names)
    ]


def assigned(photos: Sequence[Row], **options: Any) -> dict[str, str]:
    paths, labels, splits, groups = map(list, zip(*photos, strict=True))
    classes = sorted(set(labels))
    codes = np.array([classes.index(label) for label in labels])
    table = listing_table(paths, labels, splits, groups)
    found = assign_splits(table, codes, classes, SplitOptions(**options))
    return {path: SPLITS[code] for path, code in zip(paths, found, strict=True)}


def counted(photos: Sequence[Row], found: dict[str, str]) -> dict[tuple[str, str], int]:
    return dict(Counter((label, found[path]) for path, label, _, _ in photos))


def test_without_splits_all_three_are_made() -> None:
    photos = rows(hat=20, top=100)

    found = assigned(photos)

    assert counted(photos, found) == {
        ("hat", "train"): 14,
        ("hat", "val"): 3,
        ("hat", "test"): 3,
        ("top", "train"): 70,
        ("top", "val"): 15,
        ("top", "test"): 15,
    }


def test_splits_of_the_source_are_kept() -> None:
    photos = [*rows("train", hat=4, top=4), *rows("val", hat=1, top=2), *rows("test", hat=2, top=1)]

    assert assigned(photos) == {path: split for path, _, split, _ in photos}


@pytest.mark.parametrize(("given", "missing"), [("test", "val"), ("val", "test")])
def test_the_split_that_the_source_lacks_is_cut_out_of_train(given: str, missing: str) -> None:
    photos = [*rows("train", hat=20, top=40), *rows(given, hat=2, top=3)]

    found = assigned(photos, val_fraction=0.25, test_fraction=0.25)

    assert counted(photos, found) == {
        ("hat", "train"): 15,
        ("hat", missing): 5,
        ("hat", given): 2,
        ("top", "train"): 30,
        ("top", missing): 10,
        ("top", given): 3,
    }
    assert all(found[path] == given for path, _, split, _ in photos if split == given)


def test_a_lone_train_split_is_cut_in_three() -> None:
    photos = rows("train", hat=20, top=20)

    assert set(assigned(photos).values()) == set(SPLITS)


def test_no_test_split_is_made_when_none_is_wanted() -> None:
    assert set(assigned(rows(hat=9, top=9), test_fraction=0).values()) == {"train", "val"}


def test_resplit_forgets_the_splits_of_the_source() -> None:
    photos = [*rows("train", hat=20, top=20), *rows("val", hat=20), *rows("test", top=20)]

    found = assigned(photos, resplit=True)

    assert Counter(found.values()) == {"train": 56, "val": 12, "test": 12}


def test_result_does_not_depend_on_the_order_of_rows() -> None:
    photos = rows(groups=[f"g{i % 17}" for i in range(120)], hat=60, top=60)
    for options in ({}, {"fold": 1}):
        for some in (photos, [(p, label, s, None) for p, label, s, _ in photos]):
            shuffled = [some[i] for i in np.random.default_rng(0).permutation(len(some))]

            assert assigned(some, **options) == assigned(shuffled, **options)


def test_seed_changes_the_split() -> None:
    photos = rows(hat=30, top=30)

    assert assigned(photos, seed=1) == assigned(photos, seed=1)
    assert assigned(photos, seed=1) != assigned(photos, seed=2)


def test_folds_rotate_the_test_part_and_cut_val_out_of_the_rest() -> None:
    photos = rows(hat=20, top=40)

    found = [assigned(photos, fold=fold, folds=4, val_fraction=0.2) for fold in range(4)]

    for path, *_ in photos:
        assert sum(one[path] == "test" for one in found) == 1
    for one in found:
        assert counted(photos, one) == {
            ("hat", "test"): 5,
            ("hat", "val"): 3,
            ("hat", "train"): 12,
            ("top", "test"): 10,
            ("top", "val"): 6,
            ("top", "train"): 24,
        }


def test_folds_rotate_the_val_part_when_the_source_has_a_test_split() -> None:
    photos = [*rows("train", hat=8, top=8), *rows("val", hat=2, top=2), *rows("test", hat=3, top=3)]

    found = [assigned(photos, fold=fold) for fold in range(5)]

    for path, _, split, _ in photos:
        assert [one[path] for one in found].count("val") == (0 if split == "test" else 1)
        assert split != "test" or {one[path] for one in found} == {"test"}


def test_groups_lie_in_one_split() -> None:
    groups = [f"person {i % 13}" for i in range(130)]
    photos = rows(groups=groups, hat=65, top=65)

    for options in ({}, {"fold": 2, "folds": 3}):
        found = assigned(photos, **options)

        splits = [{found[p] for p, _, _, g in photos if g == group} for group in set(groups)]
        assert all(len(split) == 1 for split in splits)
        assert len({split for (split,) in splits}) == 3


def test_groups_of_train_stay_whole_when_a_split_is_cut_out_of_it() -> None:
    groups = [f"g{i % 8}" for i in range(40)]
    photos = [
        *rows("train", groups, hat=20, top=20),
        *rows("test", ["x"] * 4, hat=2, top=2),
    ]

    found = assigned(photos)

    for group in {*groups, "x"}:
        assert len({found[p] for p, _, _, g in photos if g == group}) == 1


def test_photos_without_a_group_stand_alone() -> None:
    groups = ["g", "g", "g", *[None] * 37]
    photos = rows(groups=groups, hat=20, top=20)

    found = assigned(photos)

    assert len({found[p] for p, _, _, g in photos if g == "g"}) == 1
    assert Counter(found.values())["val"] == 6


def test_a_group_is_no_photo_of_the_same_name() -> None:
    photos: list[Row] = rows(hat=9, top=9)
    named = [*photos[:-1], (*photos[-1][:3], photos[0][0])]

    assert assigned(named) == assigned(photos)


def test_crops_of_one_photo_lie_in_one_split() -> None:
    photos: list[Row] = [
        (f"{i:02d}.jpg", label, None, None) for i in range(30) for label in ("hat", "top")
    ]
    codes = np.array([0, 1] * 30)
    table = listing_table([p for p, *_ in photos], [label for _, label, _, _ in photos])

    found = assign_splits(table, codes, ["hat", "top"], SplitOptions()).reshape(30, 2)

    assert (found[:, 0] == found[:, 1]).all()
    assert set(found[:, 0]) == {0, 1, 2}


@pytest.mark.parametrize(
    ("photos", "options", "message"),
    [
        (
            rows(hat=2, top=9),
            {},
            'at least 3 photos of each class for the splits train, val, test, but "hat" has 2',
        ),
        (rows(hat=4, top=9), {"fold": 0}, r"5 photos of each class for data\.folds=5, .* has 4"),
        (
            rows(hat=2, top=9),
            {"fold": 0, "folds": 2},
            'at least 2 photos of each class for the splits train, val, but "hat" has 1',
        ),
        (
            [*rows("train", hat=3), *rows("val", hat=3, top=1), *rows("test", hat=3)],
            {},
            r'"top" is missing in train and test \(train 0, val 1, test 0\)\. Add photos, merge',
        ),
        (
            [*rows("train", hat=3, top=2), *rows("val", hat=3), *rows("test", hat=3, top=1)],
            {},
            r'"top" is missing in val \(train 2, val 0, test 1\)\. .*data\.resplit=true',
        ),
        (
            [*rows("val", hat=3, top=2), *rows("test", hat=3, top=3)],
            {},
            "photos for val and test but none for train",
        ),
        (
            [*rows("train", hat=3, top=2), *rows(None, hat=3)],
            {},
            r'3 of 8 photos have no split while .*"None/hat/000\.jpg"',
        ),
        (
            [
                *rows("train", ["anna"] * 4, hat=2, top=2),
                *rows("val", ["anna", "b"], hat=1, top=1),
            ],
            {},
            r'1 groups lie in two splits: "anna"\. .*data\.resplit=true',
        ),
        (
            [("a.jpg", "hat", "train", None), ("a.jpg", "top", "test", None)],
            {},
            r'1 groups lie in two splits: "a\.jpg"',
        ),
        (
            [("a.jpg", "hat", None, "x"), ("a.jpg", "top", None, "y")],
            {},
            r'Crops of one photo are in different groups: "a\.jpg"',
        ),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_splits_that_cannot_be_are_refused(
    photos: list[Row], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        assigned(photos, **options)


def test_val_is_required() -> None:
    with pytest.raises(ConfigError, match=r"data\.val_fraction above 0: there is no val split"):
        assigned(rows(hat=9, top=9), val_fraction=0)


def test_val_of_the_source_needs_no_fraction() -> None:
    photos = [*rows("train", hat=9, top=9), *rows("val", hat=2, top=2)]

    assert set(assigned(photos, val_fraction=0, test_fraction=0).values()) == {"train", "val"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"val_fraction": -0.1}, "Expected data.val_fraction and data.test_fraction"),
        ({"val_fraction": 0.5, "test_fraction": 0.5}, "got 0.5 and 0.5"),
        ({"folds": 1}, "Expected data.folds to be 2 or more, got 1"),
        ({"folds": 5, "fold": 5}, r"data\.fold between 0 and 4 \(data\.folds=5\), got 5"),
        ({"fold": -1}, "got -1"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SplitOptions(**options)


def test_table_may_come_in_chunks() -> None:
    table = listing_table([f"{i}.jpg" for i in range(12)], ["a", "b"] * 6)
    chunked = pa.concat_tables([table.slice(0, 5), table.slice(5)])
    codes = np.array([0, 1] * 6)

    found, expected = (
        assign_splits(t, codes, ["a", "b"], SplitOptions()) for t in (chunked, table)
    )

    assert found.tolist() == expected.tolist()
