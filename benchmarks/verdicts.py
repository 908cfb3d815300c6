"""How often verdicts are wrong: comparisons simulated from known truths.

    python benchmarks/verdicts.py --replicates 2000 > benchmarks/verdicts.md

Images differ in difficulty, recipes in what they find hard, and every training adds noise of its
own: a shift of all images, one for groups of similar images, and one for each image. All are normal
on the scale of logits, so that the true recall is known exactly.
"""

import argparse
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats
from statsmodels.stats.proportion import proportions_ztest

from project.stats.comparison import compare
from project.stats.inference import (
    difference_interval,
    effective_size,
    mcnemar_test,
    t_test,
    wilson,
)
from project.stats.metrics import Ints
from project.stats.results import Comparison, Verdict
from project.stats.variance import Sample, Variance, of_difference, of_mean

Bools = npt.NDArray[np.bool_]
Row = Sequence[object]

RUNS = (1, 3, 5, 10)
SIZES = (24, 80, 300, 889, 4176)
CONFIDENCE = 0.95
LEVEL = 1 - CONFIDENCE
# Of a small test set such as people have, in the imbalance of the clothing photos.
CLASS_SIZES = (12, 38, 150, 84, 73)
SIMILAR_IMAGES = 10  # in a group that a training likes or dislikes together


@dataclass(frozen=True)
class Noise:
    """Standard deviations on the scale of logits.

    Attributes:
        difficulty: Of images, shared by all runs; makes errors correlate.
        taste: Of images for a recipe, shared by its runs.
        seed: Of runs, shared by all images.
        cluster: Of runs for a group of similar images.
        rest: Of single decisions.
    """

    difficulty: float = 2.0
    taste: float = 0.7
    seed: float = 0.3
    cluster: float = 0.0
    rest: float = 1.0

    @property
    def total(self) -> float:
        """Of a logit."""
        parts = (self.difficulty, self.taste, self.seed, self.cluster, self.rest)
        return math.sqrt(sum(part**2 for part in parts))


NOISES = {
    "independent errors": Noise(difficulty=0.0, taste=0.0),
    "correlated errors": Noise(),
    "and similar images": Noise(cluster=0.5),
}


@dataclass(frozen=True)
class Truth:
    """Two recipes, and how they are measured.

    Attributes:
        runs: Runs of each.
        sizes: Test images of each class.
        recall: Of the baseline, for every class.
        gain: Recall of the variant minus that.
        noise: What makes runs differ.
    """

    runs: int
    sizes: tuple[int, ...]
    recall: float
    gain: float = 0.0
    noise: Noise = Noise()

    def draw(self, rng: np.random.Generator) -> tuple[Bools, Bools]:
        """Whether baseline and variant are right, each ``(runs, images)``.

        One run a side is about these two models: their difference is the truth, so what shifts all
        images of a run is left out.
        """
        one = self.runs == 1
        noise = replace(self.noise, seed=0.0, cluster=0.0) if one else self.noise
        images = sum(self.sizes)
        difficulty = rng.normal(0, noise.difficulty, images)
        return (
            self._right(self.recall, noise, difficulty, rng),
            self._right(self.recall + self.gain, noise, difficulty, rng),
        )

    def _right(
        self,
        recall: float,
        noise: Noise,
        difficulty: npt.NDArray[np.float64],
        rng: np.random.Generator,
    ) -> Bools:
        images = len(difficulty)
        logits = (
            noise.total * stats.norm.ppf(recall) + difficulty + rng.normal(0, noise.taste, images)
        )
        seeds = rng.normal(0, noise.seed, (self.runs, 1))
        clusters = rng.normal(0, noise.cluster, (self.runs, images // SIMILAR_IMAGES + 1))
        rest = rng.standard_normal((self.runs, images), np.float32) * noise.rest
        right: Bools = logits + seeds + clusters[:, np.arange(images) // SIMILAR_IMAGES] + rest > 0
        return right


class Outcome(NamedTuple):
    """What one simulated comparison of a single recall gave."""

    p_value: float
    covered: bool
    mean_covered: bool
    paired_t: float
    naive: float


def one_recall(truth: Truth, rng: np.random.Generator) -> Outcome:
    """Draws one comparison of one class, and judges it as `project.compare` does, and as others."""
    baseline, variant = truth.draw(rng)
    images = baseline.shape[1]
    labels = np.zeros(images, np.int64)
    ours, theirs = (Sample(right.mean(1), right / images) for right in (variant, baseline))
    variance = of_difference(ours, theirs, labels, 1 / images)
    difference = float(ours.values.mean() - theirs.values.mean())
    interval = difference_interval(difference, variance.total, variance.df, CONFIDENCE)
    mean = _mean_interval(theirs, labels)
    return Outcome(
        p_value=_p_value(variant, baseline, difference, variance),
        covered=interval.low <= truth.gain <= interval.high,
        mean_covered=mean[0] <= truth.recall <= mean[1],
        paired_t=_paired_t(ours, theirs),
        naive=_naive(variant, baseline),
    )


def _p_value(variant: Bools, baseline: Bools, difference: float, variance: Variance) -> float:
    if len(variant) == 1:
        return mcnemar_test(variant[0], baseline[0])
    return t_test(difference, variance.total, variance.df)


def _mean_interval(sample: Sample, labels: Ints) -> tuple[float, float]:
    share, images = float(sample.values.mean()), len(labels)
    if sample.runs == 1:
        interval = wilson(share, images, CONFIDENCE)
    else:
        variance = of_mean(sample, labels)
        size = effective_size(share, variance.total, images, sample.runs)
        interval = wilson(share, size, CONFIDENCE, variance.df)
    return interval.low, interval.high


def _paired_t(ours: Sample, theirs: Sample) -> float:
    """The paired t test over seeds: takes the test images for the world."""
    gaps = ours.values - theirs.values
    if len(gaps) < 2 or np.ptp(gaps) < 1e-9:
        return 1.0
    return float(stats.ttest_1samp(gaps, 0).pvalue)


def _naive(variant: Bools, baseline: Bools) -> float:
    """Two independent proportions, all runs thrown together."""
    hits = [int(variant.sum()), int(baseline.sum())]
    if hits[0] == hits[1] or sum(hits) == 2 * variant.size:
        return 1.0
    return float(proportions_ztest(hits, [variant.size, baseline.size])[1])


def whole(truth: Truth, rng: np.random.Generator) -> Comparison:
    """Draws one comparison by all metrics through `compare`, wrong answers spread evenly."""
    baseline, variant = truth.draw(rng)
    labels = np.repeat(np.arange(len(truth.sizes)), truth.sizes)
    names = [f"class {number}" for number in range(len(truth.sizes))]

    def predicted(right: Bools) -> Ints:
        others = labels + rng.integers(1, len(names), right.shape)
        return np.where(right, labels, others % len(names))

    groups = {"baseline": predicted(baseline), "variant": predicted(variant)}
    return compare(groups, labels, names, "baseline", resamples=400)


@dataclass(frozen=True)
class Rate:
    """A share of simulated comparisons, and its Monte Carlo error."""

    share: float
    replicates: int

    @classmethod
    def of(cls, events: Iterable[bool]) -> "Rate":
        """The share of events that came up."""
        listed = list(events)
        return cls(float(np.mean(listed)), len(listed))

    @property
    def error(self) -> float:
        """Standard error."""
        return math.sqrt(max(self.share * (1 - self.share), LEVEL / 10) / self.replicates)

    def __str__(self) -> str:
        return f"{self.share:.1%}".replace("%", "")


def simulated(truth: Truth, replicates: int, seed: int = 0) -> list[Outcome]:
    """Repeats `one_recall`; the same arguments give the same outcomes."""
    rng = np.random.default_rng([seed, truth.runs, *truth.sizes])
    return [one_recall(truth, rng) for _ in range(replicates)]


def simulated_whole(truth: Truth, replicates: int, seed: int = 0) -> list[Comparison]:
    """Repeats `whole`; the same arguments give the same outcomes."""
    rng = np.random.default_rng([seed, truth.runs, *truth.sizes])
    return [whole(truth, rng) for _ in range(replicates)]


def false_verdicts(comparisons: Sequence[Comparison]) -> Rate:
    """How many comparisons call any difference real."""
    settled = (Verdict.BETTER, Verdict.WORSE)
    return Rate.of(any(d.verdict in settled for d in c.differences) for c in comparisons)


def single_tests(comparisons: Sequence[Comparison], kind: str) -> tuple[Rate, Rate]:
    """False positives before Holm, and coverage, of all metrics of a kind where nothing differs."""
    tests = [d for c in comparisons for d in c.differences if d.metric.split("/")[0] == kind]
    return (
        Rate.of(d.p_value < LEVEL for d in tests),
        Rate.of(d.interval.low <= 0 <= d.interval.high for d in tests),
    )


def _size_row(case: tuple[str, float, int, int], replicates: int) -> Row:
    name, recall, images, runs = case
    truth = Truth(runs, (images,), recall, noise=NOISES[name])
    null = simulated(truth, replicates)
    gain = 0.02 if recall > 0.9 else 0.05
    gained = simulated(replace(truth, gain=gain), replicates)
    return (
        name, f"{recall:.0%}", images, runs,
        Rate.of(o.p_value < LEVEL for o in null),
        Rate.of(o.paired_t < LEVEL for o in null) if runs > 1 else "",
        Rate.of(o.naive < LEVEL for o in null),
        Rate.of(o.covered for o in null),
        Rate.of(o.covered for o in gained),
        Rate.of(o.mean_covered for o in null),
    )  # fmt: skip


def _power_row(case: tuple[int, int], replicates: int) -> Row:
    images, runs = case
    row: list[object] = [images, runs]
    for gain in (0.0, 0.02, 0.05, 0.10):
        outcomes = simulated(Truth(runs, (images,), 0.8, gain), replicates)
        row.append(Rate.of(o.p_value < LEVEL for o in outcomes))
        row.append(Rate.of(o.paired_t < LEVEL for o in outcomes) if runs > 1 else "")
        row.append(Rate.of(o.naive < LEVEL for o in outcomes))
    return row


def _whole_row(case: tuple[str, int], replicates: int) -> Row:
    name, runs = case
    comparisons = simulated_whole(Truth(runs, CLASS_SIZES, 0.8, noise=NOISES[name]), replicates)
    row: list[object] = [name, runs, false_verdicts(comparisons)]
    for kind in ("accuracy", "macro_recall", "macro_f1", "recall", "precision"):
        row += single_tests(comparisons, kind)
    return row


def _table(headings: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield "|" + " --- |" * len(headings)
    for row in rows:
        yield f"| {' | '.join(map(str, row))} |"


def _report(replicates: int, spread: Callable[..., Iterable[Row]]) -> Iterator[str]:
    few = max(replicates // 10, 50)
    errors = [Rate(LEVEL, count).error for count in (replicates, few)]
    yield "# How often verdicts are wrong\n"
    yield f"Made by `python benchmarks/verdicts.py --replicates {replicates}`. Numbers are percent."
    yield f"The Monte Carlo standard error of a 5 is {errors[0]:.1%},"
    yield f"in the last table {errors[1]:.1%}.\n"
    yield "## No true difference in the recall of one class\n"
    yield "False positives at the 5 % level: ours, the paired t test over seeds, and two"
    yield "independent proportions with all runs thrown together. Then how often the 95 %"
    yield "intervals hold the truth: of the difference, of the difference when there is one"
    yield "(+5, or +2 above 90 %), of the mean.\n"
    cases = [(n, r, i, s) for n in NOISES for r in (0.8, 0.95) for i in SIZES for s in RUNS]
    headings = ["", "recall", "images", "runs", "ours", "paired t", "naive"]
    headings += ["covers 0", "covers gain", "covers mean"]
    yield from _table(headings, spread(partial(_size_row, replicates=replicates), cases))
    yield "\n## Power: recall 80 %, correlated errors\n"
    yield "How often a true gain of so many points is called real at the 5 % level. Where a column"
    yield "of +0 is far above 5, those beside it are no power but credulity.\n"
    kinds = ("ours", "paired t", "naive")
    headings = ["images", "runs", *(f"+{g}: {k}" for g in (0, 2, 5, 10) for k in kinds)]
    powers = [(images, runs) for images in SIZES for runs in RUNS]
    yield from _table(headings, spread(partial(_power_row, replicates=replicates), powers))
    yield f"\n## Whole comparisons of {len(CLASS_SIZES)} classes with {CLASS_SIZES} images\n"
    yield "No true difference. Comparisons with any false verdict, all metrics adjusted by Holm;"
    yield "then each kind of metric by itself: false positives before Holm, and coverage.\n"
    headings = ["", "runs", "any false verdict"]
    for kind in ("accuracy", "macro recall", "macro F1", "recall", "precision"):
        headings += [kind, "covers"]
    wholes = [(name, runs) for name in NOISES for runs in RUNS]
    yield from _table(headings, spread(partial(_whole_row, replicates=few), wholes))


def main() -> None:
    """Prints the tables as Markdown."""
    parser = argparse.ArgumentParser(description="How often verdicts are wrong.")
    parser.add_argument("--replicates", type=int, default=1000, help="comparisons of each kind")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    with ProcessPoolExecutor(arguments.processes) as pool:
        for line in _report(arguments.replicates, pool.map):
            print(line, flush=True)


if __name__ == "__main__":
    main()
