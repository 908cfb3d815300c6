"""A comparison's numbers as people read them: percent, percent points, short words."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from project.report.metrics import title as title  # noqa: PLC0414 - one of these words
from project.report.scores import NOT_DEFINED
from project.stats.results import Comparison, Difference, Estimate, Interval, Verdict

# Colour is never alone: each verdict has a mark and a word.
MARKS: Mapping[Verdict, str] = {
    Verdict.BETTER: "▲",
    Verdict.WORSE: "▼",
    Verdict.EQUIVALENT: "≈",
    Verdict.NOT_SHOWN: "·",
}
_KINDS = ("accuracy", "macro_recall", "macro_f1", "recall", "precision")


class Side(NamedTuple):
    """One metric of one group: mean and spread, images that were right, interval of the mean.

    `correct` is empty where it was not counted, `interval` where there is none.
    """

    mean: str
    correct: str
    interval: str


class Line(NamedTuple):
    """One metric of a variant beside the baseline's."""

    metric: str
    images: str
    baseline: Side
    variant: Side
    difference: str
    interval: str
    p_value: str
    beats: str
    verdict: Verdict


class Cell(NamedTuple):
    """One field of the overview: a difference and its verdict."""

    difference: str
    verdict: Verdict


def lines(comparison: Comparison, variant: str) -> list[Line]:
    """What is known of a variant, metric by metric.

    Args:
        comparison: All groups.
        variant: Name of the group.

    Returns:
        One entry a metric, in the order of `ordered_metrics`.
    """
    estimates = {(e.group, e.metric): e for e in comparison.estimates}
    differences = {d.metric: d for d in comparison.differences if d.variant == variant}
    usual = runs(comparison)
    names = (comparison.baseline, variant)
    return [
        _line(
            differences[metric],
            *(_side(estimates[name, metric], usual[name]) for name in names),
            images=estimates[variant, metric].images,
        )
        for metric in ordered_metrics(comparison)
    ]


def overview(comparison: Comparison) -> dict[str, list[Cell]]:
    """Every difference at one glance.

    Args:
        comparison: All groups.

    Returns:
        By metric, in the order of `ordered_metrics`: one cell a variant.
    """
    cells = {
        (d.variant, d.metric): Cell(points(d.difference), d.verdict) for d in comparison.differences
    }
    return {
        metric: [cells[variant, metric] for variant in comparison.variants]
        for metric in ordered_metrics(comparison)
    }


def ordered_metrics(comparison: Comparison) -> list[str]:
    """The metrics: the headline, then those of all images, then recalls, then precisions."""

    def place(metric: str) -> tuple[bool, int]:
        return not is_headline(comparison, metric), _KINDS.index(kind_of(metric))

    return sorted(comparison.metrics, key=place)


def is_headline(comparison: Comparison, metric: str) -> bool:
    """Whether a metric, or its kind, is what the comparison leads with."""
    return comparison.headline in (metric, kind_of(metric))


def runs(comparison: Comparison) -> dict[str, int]:
    """Number of runs of each group."""
    counts = dict.fromkeys(comparison.groups, 0)
    for estimate in comparison.estimates:
        counts[estimate.group] = max(counts[estimate.group], estimate.runs)
    return counts


def kind_of(metric: str) -> str:
    """What a metric measures, without the class."""
    return metric.partition("/")[0]


def class_of(metric: str) -> str:
    """The class that a metric is about, or an empty text."""
    return metric.partition("/")[2]


def points(difference: float) -> str:
    """A difference of shares in percent points.

    Args:
        difference: In [-1, 1], or NaN.

    Example:
        >>> points(0.0662), points(0.0), points(float("nan"))
        ('+6.6', '0.0', '–')
    """
    return number(difference, "+") if round(100 * difference, 2) else number(0.0)


def number(share: float, sign: str = "") -> str:
    """A share in percent without the sign of percent.

    What one decimal would round to zero gets two: on which side of zero an interval ends matters.

    Args:
        share: In [-1, 1], or NaN.
        sign: ``+`` to mark positive numbers too.

    Example:
        >>> number(0.8672), number(0.01, "+"), number(-0.0004)
        ('86.7', '+1.0', '-0.04')
    """
    if math.isnan(share):
        return NOT_DEFINED
    percent = 100 * share
    decimals = 2 if 0.005 <= abs(percent) < 0.05 else 1
    rounded = round(percent, decimals) + 0.0  # no minus before a zero
    return f"{rounded:{sign}.{decimals}f}"


def between(interval: Interval, form: str = "[{}, {}]") -> str:
    """An interval in percent, or an empty text where there is none.

    Args:
        interval: From low to high, as shares.
        form: Where the two ends go.

    Example:
        >>> between(Interval(0.039, 0.093)), between(Interval(-0.01, 0.02), "{} to {}")
        ('[3.9, 9.3]', '-1.0 to 2.0')
    """
    if math.isnan(interval.low) or math.isnan(interval.high):
        return ""
    return form.format(number(interval.low), number(interval.high))


def p_text(p_value: float) -> str:
    """A p-value with three decimals.

    Args:
        p_value: In [0, 1], or NaN.

    Example:
        >>> p_text(0.04321), p_text(0.00004), p_text(1)
        ('0.043', '<0.001', '1.000')
    """
    if math.isnan(p_value):
        return NOT_DEFINED
    return "<0.001" if p_value < 0.0005 else f"{p_value:.3f}"


def chance(share: float) -> str:
    """A chance in whole percent, never rounded to certainty.

    Args:
        share: In [0, 1], or NaN.

    Example:
        >>> chance(0.934), chance(0.999), chance(1.0)
        ('93 %', '>99 %', '100 %')
    """
    if math.isnan(share):
        return NOT_DEFINED
    if 0 < share < 0.005:
        return "<1 %"
    return ">99 %" if 0.995 <= share < 1 else f"{100 * share:.0f} %"


def word(verdict: Verdict) -> str:
    """A verdict where room is scarce."""
    return "not shown" if verdict is Verdict.NOT_SHOWN else verdict.value


def marked(cell: Cell) -> str:
    """A field of the overview as text: mark, difference and word."""
    return f"{MARKS[cell.verdict]} {cell.difference} {word(cell.verdict)}"


def _line(difference: Difference, baseline: Side, variant: Side, *, images: int) -> Line:
    return Line(
        title(difference.metric),
        str(images),
        baseline,
        variant,
        points(difference.difference),
        between(difference.interval),
        p_text(difference.p_adjusted),
        chance(difference.beats),
        difference.verdict,
    )


def _side(estimate: Estimate, usual_runs: int) -> Side:
    mean = number(estimate.mean)
    if not math.isnan(estimate.spread):
        mean += f" ± {number(estimate.spread)}"
    if estimate.runs != usual_runs:
        mean += f" (n={estimate.runs})"
    correct = "" if estimate.correct is None else f"{estimate.correct}/{estimate.images}"
    return Side(mean, correct, between(estimate.interval))
