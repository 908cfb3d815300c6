"""The verdicts themselves are tested: simulated comparisons whose truth is known."""

import math
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.verdicts import (
    CLASS_SIZES,
    GROUP_NOISE,
    LEVEL,
    MARGIN,
    NOISES,
    RUNS,
    Noise,
    Outcome,
    Rate,
    Truth,
    false_verdicts,
    simulated,
    simulated_whole,
    single_tests,
)

SLOW = pytest.mark.slow
REPLICATES = 400
# Four standard errors: fewer than one in a hundred such files would fail by chance.
TOLERATED = 4


def rate(outcomes: list[Outcome]) -> Rate:
    return Rate.of(outcome.p_value < LEVEL for outcome in outcomes)


def above(share: float, replicates: int = REPLICATES) -> float:
    """As high as a rate may come out that is `share` in truth."""
    return share + TOLERATED * math.sqrt(share * (1 - share) / replicates)


@pytest.mark.parametrize("runs", RUNS)
@pytest.mark.parametrize("images", [80, *(pytest.param(n, marks=SLOW) for n in (24, 300, 4176))])
def test_null_difference_is_rarely_called_real_and_intervals_cover(runs: int, images: int) -> None:
    replicates = REPLICATES if images < 1000 else 150
    outcomes = simulated(Truth((runs, runs), (images,), 0.8), replicates)
    assert rate(outcomes).share <= above(LEVEL, replicates)
    for covered in ("covered", "mean_covered"):
        missed = np.mean([not getattr(outcome, covered) for outcome in outcomes])
        assert missed <= above(LEVEL, replicates), covered


@SLOW
@pytest.mark.parametrize("name", NOISES)
@pytest.mark.parametrize("recall", [0.8, 0.95])
def test_truth_about_noise_and_recall_does_not_matter(name: str, recall: float) -> None:
    truth = Truth((5, 5), (80,), recall, noise=NOISES[name])
    assert rate(simulated(truth, REPLICATES)).share <= above(LEVEL)
    gained = simulated(replace(truth, gain=0.04), REPLICATES)
    for covered in ("covered", "mean_covered"):
        missed = np.mean([not getattr(outcome, covered) for outcome in gained])
        assert missed <= above(LEVEL), covered


@SLOW
def test_true_gain_is_found_the_more_often_the_more_runs_there_are() -> None:
    found = [
        rate(simulated(Truth((runs, runs), (889,), 0.8, 0.10), 200)).share for runs in (3, 5, 10)
    ]
    assert found == sorted(found)
    assert found[-1] > 0.95


@SLOW
@pytest.mark.parametrize("runs", [(1, 3), (2, 2), (2, 10)], ids=str)
def test_unequal_groups_are_judged_with_care(runs: tuple[int, int]) -> None:
    outcomes = simulated(Truth(runs, (889,), 0.8), REPLICATES)
    assert rate(outcomes).share <= above(LEVEL)


@SLOW
def test_difference_on_the_margin_is_rarely_called_equivalent() -> None:
    outcomes = simulated(Truth((5, 5), (889,), 0.95, MARGIN), REPLICATES)
    assert np.mean([outcome.p_equivalence < LEVEL for outcome in outcomes]) <= above(LEVEL)
    same = simulated(Truth((10, 10), (4176,), 0.95), 100)
    assert np.mean([outcome.p_equivalence < LEVEL for outcome in same]) > 0.5


@SLOW
@pytest.mark.parametrize("runs", RUNS)
def test_groups_of_similar_images_do_not_pass_for_as_many_samples(runs: int) -> None:
    truth = Truth((runs, runs), (300,), 0.8, noise=GROUP_NOISE, groups_known=True)
    outcomes = simulated(truth, REPLICATES)
    assert rate(outcomes).share <= above(LEVEL)
    assert np.mean([not outcome.covered for outcome in outcomes]) <= above(LEVEL)


def test_tests_over_images_alone_take_seeds_for_recipes() -> None:
    """What the comparison guards against: the simulation shows it where it is left unguarded."""
    outcomes = simulated(Truth((3, 3), (4176,), 0.8), 150)
    assert np.mean([outcome.naive < LEVEL for outcome in outcomes]) > 0.4
    assert rate(outcomes).share <= above(LEVEL, 150)


@SLOW
@pytest.mark.parametrize("runs", RUNS)
def test_whole_comparison_rarely_has_any_false_verdict(runs: int) -> None:
    comparisons = simulated_whole(Truth((runs, runs), CLASS_SIZES, 0.8), 200)
    assert false_verdicts(comparisons).share <= above(LEVEL, 200)
    for kind in ("accuracy", "macro_recall", "macro_f1", "recall", "precision"):
        positives, covered = single_tests(comparisons, kind)
        # Recalls and precisions of one comparison are no independent replicates.
        assert positives.share <= above(LEVEL, 200), kind
        assert 1 - covered.share <= above(LEVEL, 200), kind


def test_true_recall_of_a_simulation_is_the_one_that_was_asked_for() -> None:
    truth = Truth((4, 4), (2000,), 0.9, 0.05, Noise(cluster=0.5))
    drawn = [truth.draw(np.random.default_rng(seed)) for seed in range(60)]
    variant, baseline = (np.mean([pair[side] for pair in drawn]) for side in (0, 1))
    assert baseline == pytest.approx(0.9, abs=0.01)
    assert variant == pytest.approx(0.95, abs=0.01)
