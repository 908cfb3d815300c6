import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from project.report.comparison.cells import (
    MARKS,
    Side,
    between,
    chance,
    lines,
    marked,
    number,
    ordered_metrics,
    overview,
    p_text,
    points,
    runs,
)
from project.stats.results import Comparison, Interval, Verdict

NAN = math.nan


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0.0662, "+6.6"), (-0.0304, "-3.0"), (0.0004, "+0.04"), (-1e-17, "0.0"), (NAN, "–")],
)
def test_differences_are_percent_points_with_a_sign(share: float, shown: str) -> None:
    assert points(share) == shown


@pytest.mark.parametrize(
    ("share", "shown"), [(1.0, "100.0"), (-0.0001, "-0.01"), (-1e-17, "0.0"), (NAN, "–")]
)
def test_shares_are_percent_and_keep_their_side_of_zero(share: float, shown: str) -> None:
    assert number(share) == shown


def test_an_interval_that_is_not_known_is_not_shown() -> None:
    assert between(Interval(-0.03, 0.125)) == "[-3.0, 12.5]"
    assert between(Interval(NAN, NAN)) == ""


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0004, "<0.001"), (0.0005, "0.001"), (1.0, "1.000"), (NAN, "–")]
)
def test_p_values_have_three_decimals(value: float, shown: str) -> None:
    assert p_text(value) == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0.0, "0 %"), (0.004, "<1 %"), (0.93, "93 %"), (0.996, ">99 %"), (1.0, "100 %"), (NAN, "–")],
)
def test_a_chance_is_never_rounded_to_certainty(share: float, shown: str) -> None:
    assert chance(share) == shown


def test_metrics_of_all_images_come_first_then_recalls_then_precisions(
    make_comparison: Callable[..., Comparison],
) -> None:
    comparison = make_comparison(["b", "a"])
    shuffled = replace(comparison, estimates=comparison.estimates[::-1])
    assert [metric.partition("/")[0] for metric in ordered_metrics(shuffled)] == [
        "precision" if place > 4 else "recall" if place > 2 else metric
        for place, metric in enumerate(ordered_metrics(shuffled))
    ]
    assert ordered_metrics(comparison) == [
        "accuracy", "macro_recall", "macro_f1", "recall/b", "recall/a", "precision/b",
        "precision/a",
    ]  # fmt: skip


def test_a_line_puts_variant_and_baseline_side_by_side(
    make_comparison: Callable[..., Comparison],
) -> None:
    line = lines(make_comparison(), "oversampling=outer_copy_x4")[3]
    assert line.metric == "recall hat"
    assert line.images == "24"
    assert line.baseline == Side("89.0 ± 1.2", "", "[87.0, 91.0]")
    assert line.variant == Side("95.7 ± 1.2", "", "[93.7, 97.7]")
    assert (line.difference, line.interval, line.p_value) == ("+6.7", "[4.0, 9.4]", "0.031")
    assert (line.beats, line.verdict) == ("93 %", Verdict.BETTER)


def test_counts_are_shown_for_single_runs(make_comparison: Callable[..., Comparison]) -> None:
    line = lines(make_comparison(runs=1), "oversampling=outer_copy_x4")[3]
    assert line.baseline == Side("89.0", "21/24", "[87.0, 91.0]")


def test_a_metric_that_fewer_runs_have_says_so(make_comparison: Callable[..., Comparison]) -> None:
    comparison = make_comparison()
    estimates = list(comparison.estimates)
    estimates[0] = replace(estimates[0], runs=2)
    line = lines(replace(comparison, estimates=tuple(estimates)), "sampler=balanced")[0]
    assert line.baseline.mean == "80.0 ± 1.2 (n=2)"
    assert runs(comparison)["oversampling=none"] == 3


def test_the_overview_has_a_cell_for_each_metric_and_variant(
    make_comparison: Callable[..., Comparison],
) -> None:
    comparison = make_comparison()
    cells = overview(comparison)
    assert list(cells) == list(comparison.metrics)
    assert [marked(cell) for cell in cells["macro_f1"]] == ["· +2.7 not shown", "▲ +6.8 better"]


def test_each_verdict_has_a_mark_of_its_own() -> None:
    assert set(MARKS) == set(Verdict)
    assert len(set(MARKS.values())) == len(Verdict)


@pytest.mark.parametrize(
    ("headline", "first"),
    [
        ("macro_f1", ["macro_f1", "accuracy", "macro_recall", "recall/b"]),
        ("recall/a", ["recall/a", "accuracy", "macro_recall", "macro_f1", "recall/b"]),
        ("recall", ["recall/b", "recall/a", "accuracy"]),
        ("f1/a", ["accuracy", "macro_recall"]),  # was not compared
    ],
)
def test_headline_comes_before_the_rest(
    make_comparison: Callable[..., Comparison], headline: str, first: list[str]
) -> None:
    comparison = replace(make_comparison(["b", "a"]), headline=headline)
    shown = ordered_metrics(comparison)
    assert shown[: len(first)] == first
    assert sorted(shown) == sorted(comparison.metrics)
    assert list(overview(comparison)) == shown
