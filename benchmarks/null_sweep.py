"""How often verdicts are wrong on real runs: repeats of one recipe, split in two at random.

    python -m project.train --multirun <recipe> seed=range(1,11)
    python benchmarks/null_sweep.py outputs/sweeps/<name> --splits 20

Whatever is called better or worse between two halves of the same recipe is a false verdict.
"""

import argparse
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from project.runs.alignment import align
from project.runs.finding import find_runs
from project.runs.groups import group_runs
from project.stats.comparison import compare
from project.stats.metrics import Ints
from project.stats.results import Comparison, Verdict


class Counted(NamedTuple):
    """False positives of some comparisons.

    Attributes:
        comparisons: Comparisons in which any metric was called better or worse.
        tests: Single tests with a p-value below the level, before Holm.
        missed: Intervals that leave 0 out.
        all_tests: The number of single tests.
    """

    comparisons: int
    tests: int
    missed: int
    all_tests: int


def splits(
    predicted: Ints, labels: Ints, classes: Sequence[str], times: int, seed: int = 0
) -> Iterator[Comparison]:
    """Compares random halves of the runs of one recipe.

    Args:
        predicted: Class numbers ``(S, N)`` of its S runs.
        labels: True classes ``(N,)``.
        classes: Class names.
        times: How many splits.
        seed: Of the splits.
    """
    rng = np.random.default_rng(seed)
    half = len(predicted) // 2
    for _ in range(times):
        order = rng.permutation(len(predicted))
        groups = {"one": predicted[order[:half]], "other": predicted[order[half : 2 * half]]}
        yield compare(groups, labels, classes, "one", resamples=200)


def count(comparisons: Sequence[Comparison]) -> Counted:
    """Counts what is false, given that nothing differs."""
    settled = (Verdict.BETTER, Verdict.WORSE)
    found = [difference for comparison in comparisons for difference in comparison.differences]
    return Counted(
        comparisons=sum(any(d.verdict in settled for d in c.differences) for c in comparisons),
        tests=sum(d.p_value < 1 - c.confidence for c in comparisons for d in c.differences),
        missed=sum(not d.interval.low <= 0 <= d.interval.high for d in found),
        all_tests=len(found),
    )


def main() -> None:
    """Prints the counts."""
    parser = argparse.ArgumentParser(description="False verdicts between halves of one recipe.")
    parser.add_argument("runs", nargs="+", help="directories of runs or sweeps, and patterns")
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--split", default="test", help="the split whose predictions are compared")
    arguments = parser.parse_args()
    aligned = align(group_runs(find_runs(arguments.runs)).groups, arguments.split)
    for name, predicted in aligned.predicted.items():
        if len(predicted) < 4:  # one run a side: two models, which do differ
            print(f"{name}: {len(predicted)} runs, at least 4 are needed.")
            continue
        found = list(splits(predicted, aligned.labels, aligned.classes, arguments.splits))
        counted = count(found)
        print(
            f"{name}: {len(predicted)} runs, {len(found)} splits into two halves: "
            f"{counted.comparisons} with any false verdict; of {counted.all_tests} single tests "
            f"{counted.tests} below 5 % before Holm, {counted.missed} intervals without 0."
        )


if __name__ == "__main__":
    main()
