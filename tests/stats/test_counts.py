import math

import pytest
from scipy import stats

from project.stats.counts import compare_counts, same_mix
from project.stats.results import About, Verdict

# VGG11 on 7,904 test images, before and after four times as many coats.
BEFORE = {"hat": (23, 24), "outer": (775, 889), "top": (4119, 4176), "bottom": (2708, 2735)}
AFTER = {"hat": (24, 24), "outer": (829, 889), "top": (4080, 4176), "bottom": (2725, 2735)}
FOUND = compare_counts({"before": BEFORE, "after": AFTER}, "before")


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("recall/hat", Verdict.NOT_SHOWN),
        ("recall/outer", Verdict.BETTER),
        ("recall/top", Verdict.WORSE),
        ("macro_recall", Verdict.NOT_SHOWN),
    ],
)
def test_verdicts_on_published_counts(metric: str, expected: Verdict) -> None:
    difference = FOUND.difference("after", metric)
    assert difference.verdict is expected
    assert difference.about is About.MODELS


def test_test_is_fishers_and_adjusted_over_all_metrics() -> None:
    outer = FOUND.difference("after", "recall/outer")
    oracle = stats.fisher_exact([[829, 889 - 829], [775, 889 - 775]])
    assert outer.p_value == pytest.approx(oracle.pvalue)
    assert outer.p_adjusted == pytest.approx(6 * oracle.pvalue)  # the smallest of six


def test_interval_is_newcombes_from_the_wilson_intervals_of_both_sides() -> None:
    before, after = (FOUND.estimate(name, "recall/outer") for name in ("before", "after"))
    found = FOUND.difference("after", "recall/outer")
    # Method 10: distances of the shares to the ends of their Wilson intervals, squared and added.
    down = (
        (after.mean - after.interval.low) ** 2 + (before.interval.high - before.mean) ** 2
    ) ** 0.5
    up = ((after.interval.high - after.mean) ** 2 + (before.mean - before.interval.low) ** 2) ** 0.5
    assert found.interval.low == pytest.approx(found.difference - down)
    assert found.interval.high == pytest.approx(found.difference + up)


def test_accuracy_counts_all_images_and_macro_recall_all_classes_alike() -> None:
    accuracy = FOUND.estimate("before", "accuracy")
    assert (accuracy.correct, accuracy.images) == (7625, 7824)
    macro = FOUND.estimate("before", "macro_recall")
    assert macro.mean == pytest.approx((23 / 24 + 775 / 889 + 4119 / 4176 + 2708 / 2735) / 4)
    assert macro.correct is None


def test_sides_may_have_been_measured_on_different_numbers_of_images() -> None:
    counts = {
        "a": {"x": (90, 100), "y": (500, 1000)},
        "b": {"x": (900, 1000), "y": (50, 100)},
    }
    assert not same_mix(counts)
    found = compare_counts(counts, "a")
    # Accuracy would call the other mix of classes a difference of 33 points.
    assert found.metrics == ("macro_recall", "recall/x", "recall/y")
    assert {d.verdict for d in found.differences} == {Verdict.NOT_SHOWN}


def test_perfect_networks_are_not_shown_to_be_equal() -> None:
    found = compare_counts({"a": {"x": (24, 24)}, "b": {"x": (24, 24)}}, "a")
    difference = found.difference("b", "recall/x")
    assert difference.verdict is Verdict.NOT_SHOWN
    assert difference.interval.low < -0.1
    assert math.isnan(difference.beats)
    assert difference.needed is not None
    assert difference.needed.images is not None
    assert difference.needed.images > 24
