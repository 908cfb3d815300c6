"""What would settle a difference that could not be shown."""

from bisect import bisect_left
from collections.abc import Callable, Sequence

import numpy as np
from scipy import special

from project.stats.results import Needed
from project.stats.variance import Variance

POWER = 0.8
_MOST_RUNS = 100
_MOST_IMAGES = 1000  # times the present ones
_STEPS = 30  # of the bisection
_TRIED = (5, 10, 20, 50, 100)  # runs, together with more images


def power(effect: float, variance: Variance, level: float) -> float:
    """The chance that a two-sided t test finds a true difference.

    Source: Cohen, Statistical Power Analysis for the Behavioral Sciences (1988), chapter 2.

    Args:
        effect: The true difference, above 0.
        variance: Of its estimate.
        level: Of the test.
    """
    return _power_above(effect, variance, level / 2)


def equivalence_power(difference: float, margin: float, variance: Variance, level: float) -> float:
    """The chance that two one-sided t tests show a true difference to be within the margin.

    Source: Phillips, Journal of Pharmacokinetics and Biopharmaceutics 18 (1990) 137-144, whose
    integral is bounded from below here by the powers of both tests.

    Args:
        difference: The true one, at least 0.
        margin: Above it.
        variance: Of the estimate.
        level: Of each test.
    """
    powers = (_power_above(margin + side * difference, variance, level) for side in (1, -1))
    return max(sum(powers) - 1, 0.0)


def _power_above(effect: float, variance: Variance, level: float) -> float:
    """Of a one-sided t test."""
    df = min(variance.df, 1e6)  # the noncentral distribution is not computed beyond
    critical = -special.stdtrit(df, level)
    shift = effect / np.sqrt(variance.total)
    if shift - critical > 10:  # certain, and more than the noncentral distribution can do
        return 1.0
    return float(1 - special.nctdtr(df, shift, critical))


def needed(
    difference: float, margin: float, variance: Variance, images: int, level: float
) -> Needed:
    """Runs, or test images, with which the question would be settled four times in five.

    Args:
        difference: The true one that is supposed, at least 0.
        margin: Differences up to this are of no interest.
        variance: As it is with the present runs and images.
        images: Test images that the metric is about.
        level: Of the test.

    Returns:
        Either by itself where that would do, otherwise both at once where that would. Nothing is
        said of runs where each group has one, because nothing is known about their spread.
    """
    equivalent = difference < margin / 2  # nearer to nothing than to the margin
    effect = margin - difference if equivalent else difference

    def reached(then: Variance) -> float:
        if equivalent:
            return equivalence_power(difference, margin, then, level)
        return power(effect, then, level)

    def enough(runs: int | None, times: float) -> bool:
        return reached(variance.scaled(runs, times)) >= POWER

    more_runs = range(min(variance.runs) + 1, _MOST_RUNS + 1) if variance.seed_df else ()
    first = bisect_left(more_runs, x=True, key=lambda number: enough(number, 1.0))
    runs = more_runs[first] if first < len(more_runs) else None
    times = _smallest(lambda factor: enough(None, factor))
    if runs is None and times is None:
        return _both(effect, images, [number for number in more_runs if number in _TRIED], enough)
    return Needed(effect, runs, _counted(images, times))


def _both(
    effect: float, images: int, runs: Sequence[int], enough: Callable[[int, float], bool]
) -> Needed:
    """The pair of numbers with the smallest product."""
    pairs = []
    for number in runs:
        times = _smallest(lambda factor, number=number: enough(number, factor))  # type: ignore[misc]
        if times is not None:
            pairs.append((number * times, number, times))
    if not pairs:
        return Needed(effect, None, None)
    _, number, times = min(pairs)
    return Needed(effect, number, _counted(images, times), together=True)


def _smallest(enough: Callable[[float], bool]) -> float | None:
    """The smallest multiple of the images, by bisection."""
    low, high = 1.0, float(_MOST_IMAGES)
    if not enough(high):
        return None
    for _ in range(_STEPS):
        middle = float(np.sqrt(low * high))
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _counted(images: int, times: float | None) -> int | None:
    return None if times is None else int(np.ceil(images * times))
