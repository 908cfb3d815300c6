import math
from typing import Any

import pytest
from statsmodels.stats.proportion import proportion_confint

from project.report.sweeps.recipes import (
    metric_names,
    recall_names,
    recall_of,
    recipe_results,
    shown,
)
from project.stats.results import Interval


def test_repeats_have_mean_and_standard_deviation(folded: Any) -> None:
    scores = (0.5, 0.6, 0.9)
    runs = [
        folded(str(fold), fold=fold, metrics={"test/accuracy": score, "test/macro_recall": 0.25})
        for fold, score in enumerate(scores)
    ]
    (result,) = recipe_results(runs)
    assert result.runs == "3 folds"
    assert result.split == "test"
    accuracy = result.metrics["accuracy"]
    assert accuracy.mean == pytest.approx(2 / 3)
    assert accuracy.deviation == pytest.approx(0.208167, abs=1e-6)
    assert str(accuracy) == "66.7 ± 20.8"
    assert str(result.metrics["macro_recall"]) == "25.0 ± 0.0"
    assert str(result.metrics["macro_f1"]) == "–"  # was not measured


def test_recalls_are_pooled_over_folds_with_wilsons_interval(folded: Any) -> None:
    runs = [folded(str(fold), fold=fold, wrong=(0, 4)) for fold in (0, 1, 2)]
    (result,) = recipe_results(runs)
    assert recall_names([result]) == ["hat", "outer", "top"]
    hat = recall_of(result, "hat")
    assert hat is not None
    assert (hat.correct, hat.tested, hat.images) == (5, 6, 6)
    expected = proportion_confint(5, 6, method="wilson")
    assert (hat.interval.low, hat.interval.high) == pytest.approx(expected)
    assert str(hat) == "5/6 [43.6, 97.0]"
    assert str(recall_of(result, "outer")).startswith("2/3 ")
    assert recall_of(result, "shoes") is None


def test_seeds_do_not_narrow_intervals_of_images(folded: Any) -> None:
    runs = [folded(f"{seed}{fold}", seed=seed, fold=fold, wrong=(0, 4))
            for seed in (1, 2) for fold in (0, 1, 2)]  # fmt: skip
    (result,) = recipe_results(runs)
    assert result.runs == "6 (3 folds, 2 seeds)"
    hat = recall_of(result, "hat")
    assert hat is not None
    assert (hat.correct, hat.tested, hat.images) == (10, 12, 6)
    low, high = proportion_confint(5, 6, method="wilson")
    assert hat.interval == Interval(pytest.approx(low), pytest.approx(high))  # type: ignore[arg-type]


def test_recipes_without_repeats_need_no_table(folded: Any) -> None:
    assert recipe_results([folded("a", "natural"), folded("b", "balanced")]) == []
    assert recipe_results([]) == []


def test_recipe_with_one_run_has_its_row_beside_others(folded: Any) -> None:
    runs = [folded("a", "natural", fold=0), folded("b", "natural", fold=1), folded("c", "root")]
    one = recipe_results(runs)[1]
    assert one.runs == "1"
    assert math.isnan(one.metrics["accuracy"].deviation)
    assert str(one.metrics["accuracy"]) == "100.0"


def test_missing_folds_are_said(folded: Any) -> None:
    (result,) = recipe_results([folded("a", fold=0), folded("b", fold=2)])
    assert result.remarks == (
        "sampler=natural: 1 of 3 folds are missing (1), and so are their images.",
    )
    assert len(result.recalls) == 3


def test_recalls_that_cannot_be_pooled_are_left_out_with_the_reason(folded: Any) -> None:
    runs = [folded(str(fold), fold=fold, tested=[0, 3, 6]) for fold in (0, 1, 2)]
    (result,) = recipe_results(runs)
    assert result.recalls == ()
    (remark,) = result.remarks
    assert remark.startswith("sampler=natural: recalls of classes are not pooled. All folds were")
    assert str(result.metrics["accuracy"]) == "100.0 ± 0.0"


def test_headline_is_counted_where_it_can_be_and_a_mean_where_not(folded: Any) -> None:
    whole = [folded(f"a{fold}", "a", fold=fold, wrong=(4,)) for fold in (0, 1, 2)]
    same = {"tested": [0, 3, 6], "metrics": {"test/recall/outer": 0.5, "test/f1/outer": 0.25}}
    alike = [folded(f"b{fold}", "b", fold=fold, **same) for fold in (0, 1)]
    pooled, apart = recipe_results([*whole, *alike], "recall/outer")
    assert metric_names([pooled, apart], "recall/outer")[:2] == ["recall/outer", "accuracy"]
    assert "recall/outer" not in pooled.metrics
    assert shown(pooled, "recall/outer").startswith("2/3 [")
    assert shown(apart, "recall/outer") == "50.0 ± 0.0"
    pooled, apart = recipe_results([*whole, *alike], "f1/outer")
    assert metric_names([pooled], "f1/outer")[:2] == ["f1/outer", "accuracy"]
    assert (shown(pooled, "f1/outer"), shown(apart, "f1/outer")) == ("–", "25.0 ± 0.0")
    assert shown(apart, "recall/outer") == "–"
