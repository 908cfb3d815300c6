from collections.abc import Sequence

import numpy as np
import pytest

from project.data.catalog.carving import Photos, carve, quotas, rotate
from project.errors import DataError

TRAIN, VAL, TEST = 0, 1, 2


def photos(labels: Sequence[int], units: Sequence[int] | None = None, seed: int = 0) -> Photos:
    return Photos(
        paths=np.array([f"{i:05d}.jpg" for i in range(len(labels))], dtype=object),
        labels=np.array(labels, np.int64),
        units=np.arange(len(labels)) if units is None else np.array(units, np.int64),
        classes=[f"class {code}" for code in range(max(labels) + 1)],
        seed=seed,
    )


@pytest.mark.parametrize(
    ("total", "fractions", "expected"),
    [
        (100, [0.7, 0.15, 0.15], [70, 15, 15]),
        (10, [0.7, 0.3], [7, 3]),
        (9, [0.7, 0.15, 0.15], [6, 2, 1]),  # 6.3, 1.35, 1.35: the first of two equal remainders
        (7, [0.5, 0.25, 0.25], [3, 2, 2]),  # 3.5, 1.75, 1.75
        (3, [0.98, 0.01, 0.01], [1, 1, 1]),
        (5, [0.98, 0.01, 0.01], [3, 1, 1]),
        (2, [0.01, 0.99], [1, 1]),
    ],
)
def test_quotas_are_the_largest_remainders_but_at_least_one(
    total: int, fractions: list[float], expected: list[int]
) -> None:
    assert quotas(total, fractions) == expected


def test_each_class_is_cut_in_the_same_proportion() -> None:
    some = photos([0] * 100 + [1] * 40 + [2] * 3)

    splits = carve(some, {TEST: 0.15, VAL: 0.25})

    counts = [np.bincount(splits[some.labels == code]).tolist() for code in range(3)]
    assert counts == [[60, 25, 15], [24, 10, 6], [1, 1, 1]]


def test_a_new_class_leaves_the_parts_of_the_others_as_they_were() -> None:
    before = carve(photos([0] * 20 + [1] * 20), {TEST: 0.2})
    after = carve(photos([0] * 20 + [1] * 20 + [2] * 20), {TEST: 0.2})

    assert after[:40].tolist() == before.tolist()


def test_seed_decides_about_the_parts() -> None:
    labels = [0, 1] * 50

    first, again, other = (carve(photos(labels, seed=s), {VAL: 0.5}) for s in (0, 0, 1))

    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()


def test_which_photos_are_drawn_has_nothing_to_do_with_their_order_on_disk() -> None:
    picks = np.array([carve(photos([0] * 40, seed=s), {VAL: 0.25}) for s in range(200)])

    # 0.25 +- 4.5 standard errors of 200 draws
    assert np.abs(picks.mean(axis=0) - 0.25).max() < 0.138


@pytest.mark.parametrize("seed", [0, 7, 2**40, -3])
def test_folds_are_disjoint_complete_and_stratified(seed: int) -> None:
    some = photos([0] * 50 + [1] * 10 + [2] * 5, seed=seed)

    parts = np.array([rotate(some, 5, fold) for fold in range(5)])

    assert (parts.sum(axis=0) == 1).all()
    for part in parts:
        assert np.bincount(some.labels[part]).tolist() == [10, 2, 1]


def grouped(seed: int = 0, n_groups: int = 40) -> Photos:
    """Three unequal classes; groups of 1 to 12 photos with photos of several classes."""
    rng = np.random.default_rng(5)
    sizes = rng.integers(1, 13, n_groups)
    units = np.repeat(np.arange(n_groups), sizes)
    return photos(rng.choice(3, len(units), p=[0.6, 0.3, 0.1]).tolist(), units.tolist(), seed)


def together(some: Photos, parts: np.ndarray) -> bool:
    return all(len(set(parts[some.units == unit])) == 1 for unit in set(some.units))


@pytest.mark.parametrize("seed", range(3))
def test_groups_stay_whole_and_shares_are_near(seed: int) -> None:
    some = grouped(seed)

    splits = carve(some, {TEST: 0.2, VAL: 0.15})

    assert together(some, splits)
    assert np.abs(some.shares(splits == TEST) - 0.2).max() < 0.08
    assert np.abs(some.shares(splits == VAL) - 0.15).max() < 0.08


def test_group_folds_are_disjoint_complete_and_whole() -> None:
    some = grouped()

    parts = np.array([rotate(some, 4, fold) for fold in range(4)])

    assert (parts.sum(axis=0) == 1).all()
    assert together(some, parts.argmax(axis=0))
    assert all(np.abs(some.shares(part) - 0.25).max() < 0.1 for part in parts)


def test_large_shares_of_groups_are_possible() -> None:
    some = grouped()

    splits = carve(some, {TEST: 0.4, VAL: 0.3})

    assert np.abs(some.shares(splits == TEST) - 0.4).max() < 0.12
    assert np.abs(some.shares(splits == VAL) - 0.3).max() < 0.12


@pytest.mark.parametrize("sizes", [(1, 1, 1), (30, 2, 1), (5, 50, 8)])
def test_three_groups_of_a_rare_class_are_one_in_each_split(sizes: tuple[int, ...]) -> None:
    """The other class has 60 single photos."""
    rare = np.repeat([60, 61, 62], sizes)
    some = photos([0] * 60 + [1] * len(rare), [*range(60), *rare])

    splits = carve(some, {TEST: 0.15, VAL: 0.15})

    assert together(some, splits)
    assert {frozenset(splits[some.labels == code]) for code in (0, 1)} == {frozenset({0, 1, 2})}


def test_a_large_part_leaves_groups_for_the_next_one() -> None:
    """Two of the rare class's groups would be nearer to 40 %, but val needs one too."""
    rare = np.repeat([60, 61, 62], (6, 1, 1))
    some = photos([0] * 60 + [1] * len(rare), [*range(60), *rare])

    splits = carve(some, {TEST: 0.4, VAL: 0.3})

    assert set(splits[some.labels == 1]) == {0, 1, 2}


def test_too_few_photos_of_a_class_are_named() -> None:
    with pytest.raises(
        DataError,
        match='3 photos of each class for the splits train, val, test, but "class 1" has 2',
    ):
        carve(photos([0] * 9 + [1] * 2), {TEST: 0.1, VAL: 0.1})


def test_too_few_photos_for_the_folds_are_named() -> None:
    with pytest.raises(
        DataError, match=r'5 photos of each class for data\.folds=5, but "class 1" has 4'
    ):
        rotate(photos([0] * 9 + [1] * 4), 5, 0)


def test_too_few_groups_of_a_class_are_named() -> None:
    some = photos([0] * 9 + [1] * 9, [*range(9), *[9] * 5, *[10] * 4])

    with pytest.raises(DataError, match=r'3 groups of each class for .* "class 1" has 2'):
        carve(some, {TEST: 0.1, VAL: 0.1})


ENTANGLED = photos([0, 1, 1, 2, 2, 0], [0, 0, 1, 1, 2, 2])
"""Each class has two groups, but no group and no pair of groups can be parted from the rest."""


def test_entangled_groups_are_an_error() -> None:
    with pytest.raises(DataError, match=r"keep groups whole and have every class in .* the splits"):
        carve(ENTANGLED, {VAL: 0.5})
    with pytest.raises(DataError, match=r"in each part of data\.folds=2"):
        rotate(ENTANGLED, 2, 0)
