import io
from dataclasses import replace
from typing import Any

from rich.console import Console

from project.report.sweeps.recipe_table import HOW_TO_READ, print_recipes
from project.report.sweeps.recipes import ClassRecall, RecipeResult, recipe_results
from project.stats.results import Interval


def shown(results: list[RecipeResult], width: int, headline: str = "macro_recall") -> str:
    text = io.StringIO()
    print_recipes(results, Console(file=text, width=width, color_system=None), headline)
    return text.getvalue()


def results_of(folded: Any, *samplers: str) -> list[RecipeResult]:
    return recipe_results(
        [folded(f"{s}{fold}", s, fold=fold, wrong=(0,)) for s in samplers for fold in (0, 1, 2)]
    )


def test_wide_terminal_has_one_row_a_recipe(folded: Any) -> None:
    text = shown(results_of(folded, "natural", "모자"), 180)
    rows = [" ".join(line.split()) for line in text.splitlines() if line.startswith("sampler=")]
    numbers = "3 folds – 91.7 ± 14.4 – 5/6 [43.6, 97.0] 3/3 [43.9, 100.0] 3/3 [43.9, 100.0]"
    assert rows == [f"sampler=natural {numbers}", f"sampler=모자 {numbers}"]
    assert "Repeats, test images" in text
    assert HOW_TO_READ in " ".join(text.split())


def test_narrow_terminal_has_several_tables_and_cuts_no_number(folded: Any) -> None:
    text = shown(results_of(folded, "natural", "balanced"), 60)
    assert text.count("recipe ") >= 3
    assert text.count("5/6 [43.6, 97.0]") == 2
    assert text.count("3/3 [43.9, 100.0]") == 4
    assert max(map(len, text.splitlines())) <= 60
    assert "…" not in text


def test_of_many_classes_the_lowest_recalls_are_shown(folded: Any) -> None:
    (result,) = results_of(folded, "natural")
    recalls = tuple(
        ClassRecall(f"class {n}", n, 43, 43, Interval(0.1, 0.9)) for n in reversed(range(43))
    )
    text = shown([replace(result, recalls=recalls)], 120)
    assert "recall class 11" in text
    assert "recall class 12" not in text
    assert "31 more classes, with higher recalls, are in the files" in text


def test_class_of_which_nothing_was_tested_is_shown_last(folded: Any) -> None:
    (result,) = results_of(folded, "natural")
    nothing = Interval(float("nan"), float("nan"))
    recalls = tuple(ClassRecall(f"class {n}", 0, 0, 0, nothing) for n in range(12))
    tested = ClassRecall("tested", 1, 2, 2, Interval(0.1, 0.9))
    text = shown([replace(result, recalls=(*recalls, tested))], 120)
    assert "recall tested" in text
    assert "recall class 10" in text
    assert "recall class 11" not in text


def test_remarks_are_said_once(folded: Any) -> None:
    (result,) = results_of(folded, "natural")
    text = shown([replace(result, remarks=("one [fold] is missing",))] * 2, 120)
    assert text.count("one [fold] is missing") == 1


def test_headline_stands_first_even_if_its_class_is_recognised_well(folded: Any) -> None:
    (result,) = results_of(folded, "natural")
    recalls = tuple(ClassRecall(f"class {n}", n, 20, 20, Interval(0.1, 0.9)) for n in range(20))
    text = shown([replace(result, recalls=recalls)], 120, "recall/class 19")
    heading = next(line for line in text.splitlines() if line.startswith("recipe"))
    assert heading.split()[1:6] == ["runs", "recall", "class", "19", "accuracy"]
    assert text.count("recall class 19") == 1
    assert "7 more classes, with higher recalls, are in the files" in text
