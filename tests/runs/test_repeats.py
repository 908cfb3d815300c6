from typing import Any

import pytest

from project.errors import RunError
from project.runs.repeats import Repeats, group_repeats, pool


def repeats(*runs: Any) -> Repeats:
    (only,) = group_repeats(runs)
    return only


def test_folds_and_seeds_are_one_recipe(folded: Any) -> None:
    runs = [folded(f"{seed},{fold}", "natural", seed, fold) for seed in (2, 1) for fold in (1, 0)]
    found = repeats(*runs)
    assert [(t.seed, t.fold) for t in found.runs] == [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert [t.run for t in found.runs] == [runs[3], runs[2], runs[1], runs[0]]
    assert found.name == "sampler=natural"
    assert found.folds == 3
    assert found.missing_folds == [2]


def test_recipes_are_named_by_what_differs(folded: Any) -> None:
    runs = [folded(f"{s}{f}", s, 1, f) for f in (0, 1) for s in ("natural", "balanced")]
    assert [r.name for r in group_repeats(runs)] == ["sampler=natural", "sampler=balanced"]
    assert [len(r.runs) for r in group_repeats(runs)] == [2, 2]


def test_without_folds_the_split_is_part_of_the_recipe(folded: Any) -> None:
    same = [folded(f"a{seed}", seed=seed, fold=None, tested=[0, 3, 6]) for seed in (1, 2)]
    other = folded("b", seed=3, fold=None, tested=[1, 4, 7], data="another split")
    found = group_repeats([*same, other])
    assert [len(recipe.runs) for recipe in found] == [2, 1]
    assert found[0].folds is None
    assert found[0].missing_folds == []


def test_folds_of_other_photos_are_another_recipe(folded: Any) -> None:
    runs = [folded("a", fold=0), folded("b", fold=1, photos=15)]
    assert [len(recipe.runs) for recipe in group_repeats(runs)] == [1, 1]


def test_folds_whose_photos_were_not_kept_stay_apart(folded: Any) -> None:
    runs = [folded("a", fold=0), folded("b", fold=1)]
    for run in runs:
        run.splits_file.unlink()
    assert len(group_repeats(runs)) == 2


def test_unfinished_runs_are_passed_over(folded: Any) -> None:
    states = ("finished", "failed", "interrupted", "pruned", "running")
    runs = [folded(state, seed=n, state=state) for n, state in enumerate(states)]
    assert [trained.run for trained in repeats(*runs).runs] == [runs[0]]
    assert group_repeats(runs[1:]) == []


def test_of_one_seed_and_fold_the_latest_counts(folded: Any) -> None:
    new, old = (folded(place, started=place) for place in ("2025", "2024"))
    assert [trained.run for trained in repeats(new, old).runs] == [new]


def test_each_image_is_pooled_once_for_each_seed(folded: Any) -> None:
    wrong = {1: (0, 4), 2: (4, 5)}
    runs = [
        folded(f"{seed},{fold}", seed=seed, fold=fold, wrong=wrong[seed])
        for seed in (1, 2)
        for fold in (0, 1, 2)
    ]
    found = pool(repeats(*runs))
    assert found.classes == ("hat", "outer", "top")
    assert found.tested.tolist() == [2] * 12
    by_label = {n: found.correct[found.labels == n].tolist() for n in range(3)}
    # Photos 0, 1, 2, 9, 10, 11 are hats: photo 0 failed once; 3, 4, 5 outers: 4 twice, 5 once.
    assert sorted(by_label[0]) == [1, 2, 2, 2, 2, 2]
    assert sorted(by_label[1]) == [0, 1, 2]
    assert sorted(by_label[2]) == [2, 2, 2]
    assert len(set(found.units.tolist())) == 12


def test_photos_of_a_group_are_one_unit(folded: Any) -> None:
    groups = [f"person {row % 3}" for row in range(12)]
    runs = [folded(str(fold), fold=fold, groups=groups) for fold in (0, 1, 2)]
    found = pool(repeats(*runs))
    assert sorted(found.units.tolist()) == [0] * 4 + [1] * 4 + [2] * 4


def test_folds_with_one_test_split_are_not_pooled(folded: Any) -> None:
    runs = [folded(str(fold), fold=fold, tested=[0, 3, 6]) for fold in (0, 1)]
    with pytest.raises(RunError, match=r"same test images: .*data\.resplit=true makes folds"):
        pool(repeats(*runs))


def test_folds_that_overlap_are_not_pooled(folded: Any) -> None:
    runs = [folded("a", fold=0), folded("b", fold=1, tested=[1, 4, 7, 9])]
    with pytest.raises(RunError, match=r"1 images \(such as 9\.jpg\) are in the test split of sev"):
        pool(repeats(*runs))


def test_seeds_that_were_tested_on_other_images_are_not_pooled(folded: Any) -> None:
    runs = [folded("a", seed=1, fold=2), folded("b", seed=2, fold=2, tested=[2, 5])]
    with pytest.raises(RunError, match=r"Seed 2 was tested on other test images .* in fold 2\."):
        pool(repeats(*runs))


def test_seeds_with_other_folds_are_not_pooled(folded: Any) -> None:
    runs = [folded("a", seed=1, fold=0), folded("b", seed=1, fold=1), folded("c", seed=2, fold=1)]
    with pytest.raises(RunError, match="Not every seed has the same folds: seed 2 has 1 of 2"):
        pool(repeats(*runs))


def test_runs_with_other_classes_are_not_pooled(folded: Any) -> None:
    runs = [folded("a", fold=0), folded("b", fold=1, classes=("hat", "top", "outer"))]
    with pytest.raises(RunError, match=r"b knows other classes than .*a\."):
        pool(repeats(*runs))


def test_missing_predictions_are_named(folded: Any) -> None:
    run = folded("a")
    run.predictions("test").unlink()
    with pytest.raises(RunError, match='expected predictions for split "test"'):
        pool(repeats(run))
