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
from project.stats.metrics import Ints
from project.stats.results import Comparison, Verdict

Bools = npt.NDArray[np.bool_]
Row = Sequence[object]

RUNS = (1, 3, 5, 10)
UNEQUAL_RUNS = ((1, 3), (2, 2), (2, 10), (3, 10))
SIZES = (24, 80, 300, 889, 4176)
LEVEL = 0.05
MARGIN = 0.02
# Of a small test set such as people have, in the imbalance of the clothing photos.
CLASS_SIZES = (12, 38, 150, 84, 73)
SIMILAR_IMAGES = 10  # in a group that a training likes or dislikes together


@dataclass(frozen=True)
class Noise:
    """Standard deviations on the scale of logits.

    Attributes:
        difficulty: Of images, shared by all runs; makes errors correlate.
        taste: Of images for a recipe, shared by its runs.
        group_taste: Of groups of similar images for a recipe, shared by its runs.
        seed: Of runs, shared by all images.
        cluster: Of runs for a group of similar images.
        rest: Of single decisions.
    """

    difficulty: float = 2.0
    taste: float = 0.7
    group_taste: float = 0.0
    seed: float = 0.3
    cluster: float = 0.0
    rest: float = 1.0

    def without_seeds(self) -> "Noise":
        """Of a single model."""
        return replace(self, seed=0.0, cluster=0.0)

    @property
    def total(self) -> float:
        """Of a logit."""
        parts = (
            self.difficulty, self.taste, self.group_taste, self.seed, self.cluster, self.rest
        )  # fmt: skip
        return math.sqrt(sum(part**2 for part in parts))


NOISES = {
    "independent errors": Noise(difficulty=0.0, taste=0.0),
    "correlated errors": Noise(),
    "and similar images": Noise(cluster=0.5),
}


# Similar images of which one recipe finds all hard, and the other one does not.
GROUP_NOISE = Noise(taste=0.3, group_taste=0.7)


@dataclass(frozen=True)
class Truth:
    """Two recipes, and how they are measured.

    Attributes:
        runs: Runs of the variant and of the baseline.
        sizes: Test images of each class.
        recall: Of the baseline, for every class.
        gain: Recall of the variant minus that.
        noise: What makes runs of the baseline differ.
        variant_noise: The same of the variant; None: the same.
        groups_known: Whether it is known which images are similar.
    """

    runs: tuple[int, int]
    sizes: tuple[int, ...]
    recall: float
    gain: float = 0.0
    noise: Noise = Noise()
    variant_noise: Noise | None = None
    groups_known: bool = False

    def draw(self, rng: np.random.Generator) -> tuple[Bools, Bools]:
        """Whether variant and baseline are right, each ``(runs, images)``.

        One run a side is about these two models: their difference is the truth, so what shifts all
        images of a run is left out.
        """
        difficulty = rng.normal(0, self.noise.difficulty, sum(self.sizes))
        sides = zip(
            self.runs,
            (self.recall + self.gain, self.recall),
            (self.variant_noise or self.noise, self.noise),
            strict=True,
        )
        one = self.runs == (1, 1)
        variant, baseline = (
            _right(runs, recall, noise.without_seeds() if one else noise, difficulty, rng)
            for runs, recall, noise in sides
        )
        return variant, baseline


def _right(
    runs: int,
    recall: float,
    noise: Noise,
    difficulty: npt.NDArray[np.float64],
    rng: np.random.Generator,
) -> Bools:
    images = len(difficulty)
    logits = noise.total * stats.norm.ppf(recall) + difficulty
    logits += rng.normal(0, noise.taste, images)
    groups = similar(images)
    logits += rng.normal(0, noise.group_taste, groups[-1] + 1)[groups]
    seeds = rng.normal(0, noise.seed, (runs, 1))
    clusters = rng.normal(0, noise.cluster, (runs, groups[-1] + 1))
    rest = rng.standard_normal((runs, images), np.float32) * noise.rest
    right: Bools = logits + seeds + clusters[:, groups] + rest > 0
    return right


def similar(images: int) -> Ints:
    """Number of the group of similar images that each belongs to, ``(images,)``."""
    return np.arange(images) // SIMILAR_IMAGES


class Outcome(NamedTuple):
    """What one simulated comparison of a single recall gave.

    Attributes:
        p_value: Of no difference.
        p_equivalence: Of a difference beyond the margin.
        covered: Whether the interval holds the true difference.
        mean_covered: Whether the baseline's interval holds its true recall.
        paired_t: P-value of the paired t test over seeds; 1 where there is none.
        naive: P-value of two independent proportions, all runs thrown together.
    """

    p_value: float
    p_equivalence: float
    covered: bool
    mean_covered: bool
    paired_t: float
    naive: float


def one_recall(truth: Truth, rng: np.random.Generator) -> Outcome:
    """Draws one comparison of one class; judges it by `compare`, and as others do."""
    variant, baseline = truth.draw(rng)
    found = compare(
        {"baseline": (~baseline).astype(int), "variant": (~variant).astype(int)},
        np.zeros(variant.shape[1], np.int64),
        ["the class", "another"],
        "baseline",
        units=similar(variant.shape[1]) if truth.groups_known else None,
        metrics=["recall"],
        margin=MARGIN,
        resamples=2,  # for the chance to beat alone, which is not looked at
    )
    difference, mean = found.differences[0], found.estimates[0]
    return Outcome(
        p_value=difference.p_value,
        p_equivalence=difference.p_equivalence,
        covered=difference.interval.low <= truth.gain <= difference.interval.high,
        mean_covered=mean.interval.low <= truth.recall <= mean.interval.high,
        paired_t=_paired_t(variant.mean(1), baseline.mean(1)),
        naive=_naive(variant, baseline),
    )


def _paired_t(variant: npt.NDArray[np.float64], baseline: npt.NDArray[np.float64]) -> float:
    """Takes the test images for the world."""
    if not len(variant) == len(baseline) > 1 or np.ptp(variant - baseline) < 1e-9:
        return 1.0
    return float(stats.ttest_rel(variant, baseline).pvalue)


def _naive(variant: Bools, baseline: Bools) -> float:
    hits, sizes = [int(variant.sum()), int(baseline.sum())], [variant.size, baseline.size]
    if sum(hits) in (0, sum(sizes)):
        return 1.0
    return float(proportions_ztest(hits, sizes)[1])


def whole(truth: Truth, rng: np.random.Generator) -> Comparison:
    """Draws one comparison by all metrics through `compare`, wrong answers spread evenly."""
    variant, baseline = truth.draw(rng)
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
    rng = np.random.default_rng([seed, *truth.runs, *truth.sizes])
    return [one_recall(truth, rng) for _ in range(replicates)]


def simulated_whole(truth: Truth, replicates: int, seed: int = 0) -> list[Comparison]:
    """Repeats `whole`; the same arguments give the same outcomes."""
    rng = np.random.default_rng([seed, *truth.runs, *truth.sizes])
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
    truth = Truth((runs, runs), (images,), recall, noise=NOISES[name])
    gain = 0.02 if recall > 0.9 else 0.05
    null, gained = (simulated(replace(truth, gain=g), replicates) for g in (0.0, gain))
    return (name, f"{recall:.0%}", images, runs, *_false(null), *_covered(null, gained))


def _false(outcomes: Sequence[Outcome]) -> list[object]:
    """False positives of ours, of the paired t test and of the naive one."""
    several = any(outcome.paired_t < 1 for outcome in outcomes)
    return [
        Rate.of(o.p_value < LEVEL for o in outcomes),
        Rate.of(o.paired_t < LEVEL for o in outcomes) if several else "",
        Rate.of(o.naive < LEVEL for o in outcomes),
    ]


def _covered(null: Sequence[Outcome], gained: Sequence[Outcome]) -> list[Rate]:
    return [
        Rate.of(o.covered for o in null),
        Rate.of(o.covered for o in gained),
        Rate.of(o.mean_covered for o in null),
    ]


def _unequal_row(case: tuple[tuple[int, int], int, str], replicates: int) -> Row:
    runs, images, name = case
    truth = Truth(runs, (images,), 0.8, noise=NOISES["correlated errors"])
    if name == "variant varies three times as much":
        truth = replace(truth, variant_noise=Noise(seed=0.9))
    null, gained = (simulated(replace(truth, gain=g), replicates) for g in (0.0, 0.05))
    return (*runs, images, name, *_false(null), *_covered(null, gained))


def _group_row(case: tuple[int, int], replicates: int) -> Row:
    images, runs = case
    truth = Truth((runs, runs), (images,), 0.8, noise=GROUP_NOISE)
    row: list[object] = [images, runs]
    for known in (False, True):
        told = replace(truth, groups_known=known)
        null, gained = (simulated(replace(told, gain=g), replicates) for g in (0.0, 0.05))
        row += [Rate.of(o.p_value < LEVEL for o in null), *_covered(null, gained)]
    return row


def _equivalence_row(case: tuple[int, int], replicates: int) -> Row:
    images, runs = case
    row: list[object] = [images, runs]
    for gain in (MARGIN, 0.0):
        outcomes = simulated(Truth((runs, runs), (images,), 0.95, gain), replicates)
        row.append(Rate.of(o.p_equivalence < LEVEL for o in outcomes))
    return row


def _power_row(case: tuple[int, int], replicates: int) -> Row:
    images, runs = case
    row: list[object] = [images, runs]
    for gain in (0.0, 0.02, 0.05, 0.10):
        row += _false(simulated(Truth((runs, runs), (images,), 0.8, gain), replicates))
    return row


def _whole_row(case: tuple[str, int], replicates: int) -> Row:
    name, runs = case
    comparisons = simulated_whole(
        Truth((runs, runs), CLASS_SIZES, 0.8, noise=NOISES[name]), replicates
    )
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
    few = max(replicates // 4, 50)
    errors = [Rate(LEVEL, count).error for count in (replicates, few)]
    covers = ["covers 0", "covers gain", "covers mean"]
    kinds = ["ours", "paired t", "naive"]

    def rows(kind: Callable[..., Row], cases: Iterable[object], times: int) -> Iterable[Row]:
        return spread(partial(kind, replicates=times), cases)

    yield "# How often verdicts are wrong\n"
    yield f"Made by `python benchmarks/verdicts.py --replicates {replicates}`. Numbers are percent."
    yield f"The Monte Carlo standard error of a 5 is {errors[0]:.1%},"
    yield f"in the last table {errors[1]:.1%}.\n"
    yield "## No true difference in the recall of one class\n"
    yield "False positives at the 5 % level: ours, the paired t test over seeds, and two"
    yield "independent proportions with all runs thrown together. Then how often the 95 %"
    yield "intervals hold the truth: of the difference, of the difference when there is one"
    yield "(+5, or +2 above 90 %), of the mean. With one run a side, these two models are"
    yield "the truth, and nothing is said of recipes.\n"
    cases = [(n, r, i, s) for n in NOISES for r in (0.8, 0.95) for i in SIZES for s in RUNS]
    headings = ["", "recall", "images", "runs", *kinds, *covers]
    yield from _table(headings, rows(_size_row, cases, replicates))
    yield "\n## Unequal groups\n"
    yield "The same with other numbers of runs of variant and baseline, recall 80 %.\n"
    names = ("equal spreads", "variant varies three times as much")
    unequal = [(runs, i, n) for n in names for runs in UNEQUAL_RUNS for i in (80, 889)]
    headings = ["variant", "baseline", "images", "spreads", *kinds, *covers]
    yield from _table(headings, rows(_unequal_row, unequal, replicates))
    yield f"\n## Groups of {SIMILAR_IMAGES} similar images that suit a recipe or do not\n"
    yield "Webcam frames of one session, say; recall 80 %. First as if all images stood alone, then"
    yield "with the groups that `splits.csv` tells of.\n"
    headings = ["images", "runs"]
    headings += [f"{k}: {t}" for k in ("alone", "grouped") for t in ("ours", *covers)]
    grouped = [(images, runs) for images in (80, 300, 889) for runs in RUNS]
    yield from _table(headings, rows(_group_row, grouped, replicates))
    yield "\n## Power: recall 80 %, correlated errors\n"
    yield "How often a true gain of so many points is called real at the 5 % level. Where a"
    yield "column of +0 is far above 5, those beside it are no power but credulity.\n"
    headings = ["images", "runs", *(f"+{g}: {k}" for g in (0, 2, 5, 10) for k in kinds)]
    powers = [(images, runs) for images in SIZES for runs in RUNS]
    yield from _table(headings, rows(_power_row, powers, replicates))
    yield f"\n## Equivalence within {MARGIN:.0%}, recall 95 %\n"
    yield "How often it is claimed when the truth lies on the margin, and when nothing differs.\n"
    headings = ["images", "runs", "on the margin", "no difference"]
    yield from _table(headings, rows(_equivalence_row, powers, replicates))
    yield f"\n## Whole comparisons of {len(CLASS_SIZES)} classes with {CLASS_SIZES} images\n"
    yield "No true difference. Comparisons with any false verdict, all metrics adjusted by Holm;"
    yield "then each kind of metric by itself: false positives before Holm, and coverage.\n"
    headings = ["", "runs", "any false verdict"]
    for kind in ("accuracy", "macro recall", "macro F1", "recall", "precision"):
        headings += [kind, "covers"]
    wholes = [(name, runs) for name in NOISES for runs in RUNS]
    yield from _table(headings, rows(_whole_row, wholes, few))


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
