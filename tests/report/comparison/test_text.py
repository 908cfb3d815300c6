import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from project.report.comparison.text import (
    Compared,
    caution,
    described,
    findings,
    how_to_read,
    open_questions,
    settling,
    size,
)
from project.stats.results import Comparison, Interval, Needed, Verdict

VARIANT = "oversampling=outer_copy_x4"


def with_verdicts(comparison: Comparison, verdicts: dict[str, Verdict]) -> Comparison:
    """Nothing else is shown than these."""
    differences = tuple(
        replace(d, verdict=verdicts.get(d.metric, Verdict.NOT_SHOWN))
        for d in comparison.differences
    )
    return replace(comparison, differences=differences)


def first_finding(comparison: Comparison) -> str:
    return str(findings(comparison)[0])


def test_each_verdict_is_part_of_the_sentence(make_comparison: Callable[..., Comparison]) -> None:
    assert first_finding(make_comparison(["hat", "outer"])) == (
        "oversampling=outer_copy_x4 against oversampling=none: better recall of hat (+6.7 points, "
        "95 % interval 4.0 to 9.4); worse accuracy (-4.9 points, 95 % interval -7.6 to -2.2), "
        "recall of outer (-4.9, -7.6 to -2.2); equivalent within ±1.0 points: macro recall, "
        "precision of hat; everything else: no difference shown."
    )


def test_where_nothing_is_shown_the_sentence_says_only_that(
    make_comparison: Callable[..., Comparison],
) -> None:
    said = first_finding(with_verdicts(make_comparison(["hat", "outer"]), {}))
    assert said.endswith("none: no difference shown in any of 7 metrics.")


def test_where_all_is_shown_nothing_is_left_over(
    make_comparison: Callable[..., Comparison],
) -> None:
    comparison = make_comparison(["hat"])
    shown = with_verdicts(comparison, dict.fromkeys(comparison.metrics, Verdict.EQUIVALENT))
    assert "no difference" not in first_finding(shown)


def test_long_lists_keep_overall_metrics_and_the_largest_differences(
    make_comparison: Callable[..., Comparison],
) -> None:
    comparison = make_comparison([f"class {number}" for number in range(20)])
    better = with_verdicts(comparison, dict.fromkeys(comparison.metrics, Verdict.BETTER))
    largest = tuple(
        replace(d, difference=0.3) if d.metric == "precision/class 17" else d
        for d in better.differences
    )
    said = first_finding(replace(better, differences=largest))
    assert "accuracy (-4.9 points" in said
    assert "precision of class 17 (+30.0" in said
    assert said.endswith(", and 38 more.")


def test_an_unknown_interval_is_left_out(make_comparison: Callable[..., Comparison]) -> None:
    comparison = make_comparison(["hat"])
    blank = Interval(math.nan, math.nan)
    differences = tuple(replace(d, interval=blank) for d in comparison.differences)
    said = first_finding(replace(comparison, differences=differences))
    assert "worse accuracy (-4.9 points), precision of hat (-4.9);" in said


def test_single_runs_are_about_these_models(make_comparison: Callable[..., Comparison]) -> None:
    comparison = make_comparison(["hat"], ["one", "other"], runs=1)
    assert first_finding(comparison).startswith("other against one (these trained models): ")
    assert caution(comparison) == (
        "One run a side: this is about these two trained networks, not about the recipes; training "
        "again may turn it around. Train at least 3 seeds each (seed=1,2,3)."
    )


def test_the_warning_names_the_variants_that_it_is_about(
    make_comparison: Callable[..., Comparison],
) -> None:
    several, single = make_comparison(["hat"]), make_comparison(["hat"], runs=1)
    mixed = tuple(
        other if other.variant == VARIANT else one
        for one, other in zip(several.differences, single.differences, strict=True)
    )
    assert caution(several) == ""
    said = caution(replace(several, differences=mixed))
    assert said.startswith(f"One run a side in {VARIANT}: this is about these two trained networks")


@pytest.mark.parametrize(
    ("runs", "images", "ways"),
    [
        (9, 240, "9 runs a group instead of 3, or 240 test images of shoes instead of 24."),
        (None, 240, "240 test images of shoes instead of 24; more seeds alone cannot."),
        (9, None, "9 runs a group instead of 3; more test images alone cannot."),
        (None, None, "neither more seeds nor more test images alone can."),
    ],
    ids=["both", "only images", "only runs", "neither"],
)
def test_what_would_settle_it_is_said(
    make_comparison: Callable[..., Comparison], runs: int | None, images: int | None, ways: str
) -> None:
    comparison = make_comparison()
    found = comparison.difference(VARIANT, "recall/shoes")
    found = replace(found, needed=Needed(found.difference, runs, images))
    assert settling(comparison, found) == f"recall of shoes (+2.7 points): {ways}"


@pytest.mark.parametrize(
    ("images", "way"),
    [(240, "240 test images of hat instead of 24."), (None, "more test images alone cannot.")],
)
def test_one_run_a_side_tells_nothing_about_seeds(
    make_comparison: Callable[..., Comparison], images: int | None, way: str
) -> None:
    comparison = make_comparison(runs=1)
    found = replace(
        comparison.difference(VARIANT, "recall/hat"),
        verdict=Verdict.NOT_SHOWN,
        needed=Needed(0.067, None, images),
    )
    assert settling(comparison, found) == f"recall of hat (+6.7 points): {way}"


def test_runs_and_images_may_both_be_needed_at_once(
    make_comparison: Callable[..., Comparison],
) -> None:
    comparison = make_comparison()
    found = comparison.difference(VARIANT, "recall/shoes")
    found = replace(found, needed=Needed(found.difference, 20, 240, together=True))
    assert settling(comparison, found).endswith(
        "20 runs a group instead of 3, and 240 test images of shoes instead of 24."
    )


def test_what_would_show_equivalence_says_so(make_comparison: Callable[..., Comparison]) -> None:
    comparison = make_comparison()
    found = comparison.difference(VARIANT, "macro_f1")
    found = replace(found, difference=0.002, needed=Needed(0.008, 9, 5000))
    assert settling(comparison, found) == (
        "macro F1 (+0.2 points, as equivalent): 9 runs a group instead of 3, or 5000 test images "
        "instead of 2691."
    )


def test_groups_of_different_size_are_both_named(
    make_comparison: Callable[..., Comparison],
) -> None:
    comparison = make_comparison()
    estimates = tuple(
        replace(e, runs=5) if e.group == VARIANT else e for e in comparison.estimates
    )  # fmt: skip
    comparison = replace(comparison, estimates=estimates)
    said = settling(comparison, comparison.difference(VARIANT, "macro_f1"))
    assert "9 runs a group instead of 3 and 5" in said


def test_what_is_shown_needs_nothing(make_comparison: Callable[..., Comparison]) -> None:
    comparison = make_comparison()
    assert settling(comparison, comparison.difference(VARIANT, "recall/hat")) == ""
    assert [said.partition(" (")[0] for said in open_questions(comparison, VARIANT)] == [
        "To settle macro F1", "To settle recall of shoes", "To settle precision of shoes",
    ]  # fmt: skip


def test_groups_are_described_by_where_they_leave_the_baseline(compared: Compared) -> None:
    baseline, variant, _ = described(compared)
    assert baseline.runs == "3 runs (seeds 1, 2, 3)"
    assert variant.settings == "oversampling.factors=1"
    groups = [replace(group, settings={"a": None, "b": "x" * 99}) for group in compared.groups]
    same = replace(compared, groups=groups)
    assert described(same)[0].settings == f"a=null, b={'x' * 39}…"
    assert described(same)[1].settings == ""


def test_published_counts_have_no_runs_to_describe(
    make_comparison: Callable[..., Comparison],
) -> None:
    comparison = make_comparison(["hat", "top"], ["one", "other"], 1)
    published = Compared(comparison, (), (), "", "published")
    assert [group.runs for group in described(published)] == ["1 run", "1 run"]
    assert size(published) == "2 groups, 2 runs, 913 test images of 2 classes"


def test_how_to_read_counts_the_tests(make_comparison: Callable[..., Comparison]) -> None:
    comparison = make_comparison(["hat", "outer"])
    undefined = tuple(
        replace(d, p_adjusted=math.nan) if d.metric == "precision/hat" else d
        for d in comparison.differences
    )
    said = " ".join(how_to_read(replace(comparison, differences=undefined)))
    assert "over all 12 tests (Holm)" in said
    assert "95 % confidence" in said
    assert "within ±1.0 points" in said
    assert said.endswith("Tests: a paired test by image and seed.")


def test_headline_is_said_first(make_comparison: Callable[..., Comparison]) -> None:
    comparison = make_comparison([f"class {number}" for number in range(20)])
    better = with_verdicts(comparison, dict.fromkeys(comparison.metrics, Verdict.BETTER))
    said = first_finding(replace(better, headline="recall/class 7"))
    assert "none: better recall of class 7 (" in said
    unsettled = replace(comparison, headline="recall/class 19")
    assert open_questions(unsettled, VARIANT)[0].startswith("To settle recall of class 19 (")
