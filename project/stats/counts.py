"""Published counts to verdicts: all that can be said without the predictions."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep

from project.stats.inference import effective_size, equivalence_test, t_test, wilson
from project.stats.judging import Tested, judged
from project.stats.metrics import KINDS
from project.stats.results import About, Comparison, Difference, Estimate, Interval, Verdict
from project.stats.variance import Variance

Counts = Mapping[str, tuple[int, int]]


def compare_counts(
    counts: Mapping[str, Counts],
    baseline: str,
    *,
    metrics: Collection[str] = KINDS,
    confidence: float = 0.95,
    margin: float = 0.01,
) -> Comparison:
    """Compares networks of which only the correct and all images of each class are known.

    Which images were right is not known, so the two sides count as independent samples. Where they
    were the same images, a paired test of the predictions would see more. One network each says
    nothing about what training again would give.

    Source: Fisher's exact test; intervals of Newcombe, Statistics in Medicine 17 (1998) 873-890,
    method 10, which come from the Wilson intervals of both sides. Macro recall: the normal
    approximation with a success and a failure added on each side, after Agresti and Caffo, The
    American Statistician 54 (2000) 280-288.

    Args:
        counts: Correct and total of each class, by variant and class; the same classes everywhere.
        baseline: The variant that the others are compared with.
        metrics: Kinds of metrics. Those that counts cannot tell are left out.
        confidence: Of the intervals; one minus it is the level of the verdicts.
        margin: Differences up to this are of no interest, in (0, 1).

    Returns:
        Accuracy, macro recall, and the recall of each class. Accuracy is left out where variants
        were measured on other mixes of classes, because it would tell these apart.
    """
    classes = tuple(counts[baseline])
    kinds = set(metrics) if same_mix(counts) else set(metrics) - {"accuracy"}
    names = (baseline, *(name for name in counts if name != baseline))
    sides = {name: [_Side(*counts[name][label]) for label in classes] for name in names}
    tested = [
        test
        for name in names[1:]
        for test in _tests(name, sides[name], sides[baseline], classes, confidence, margin)
        if _kind(test.difference.metric) in kinds
    ]
    return Comparison(
        baseline=baseline,
        groups=names,
        classes=classes,
        images=tuple(counts[baseline][label][1] for label in classes),
        confidence=confidence,
        margin=margin,
        estimates=tuple(
            estimate
            for name in names
            for estimate in _estimates(name, sides[name], classes, confidence)
            if _kind(estimate.metric) in kinds
        ),
        differences=tuple(judged(tested, confidence, margin)),
    )


def same_mix(counts: Mapping[str, Counts]) -> bool:
    """Whether all variants were measured on the same number of images of each class."""
    totals = [{name: total for name, (_, total) in of.items()} for of in counts.values()]
    return all(mix == totals[0] for mix in totals)


def _kind(metric: str) -> str:
    return metric.partition("/")[0]


@dataclass(frozen=True)
class _Side:
    """Images of one class, and how many of them one network got right."""

    correct: int
    total: int

    @property
    def share(self) -> float:
        return self.correct / self.total

    @property
    def variance(self) -> float:
        """Of the share, with a success and a failure added: not 0 at 0 and 1."""
        share = (self.correct + 1) / (self.total + 2)
        return share * (1 - share) / (self.total + 2)


def _whole(sides: Sequence[_Side]) -> _Side:
    return _Side(sum(side.correct for side in sides), sum(side.total for side in sides))


def _macro(sides: Sequence[_Side]) -> tuple[float, float]:
    """Macro recall and its variance."""
    variance = sum(side.variance for side in sides) / len(sides) ** 2
    return float(np.mean([side.share for side in sides])), variance


def _estimates(
    name: str, sides: Sequence[_Side], classes: Sequence[str], confidence: float
) -> list[Estimate]:
    mean, variance = _macro(sides)
    images = _whole(sides).total
    interval = wilson(mean, effective_size(mean, variance, images, runs=1), confidence)
    macro = Estimate(name, "macro_recall", mean, np.nan, 1, images, None, interval)
    recalls = [
        _estimate(name, f"recall/{label}", side, confidence)
        for label, side in zip(classes, sides, strict=True)
    ]
    return [_estimate(name, "accuracy", _whole(sides), confidence), macro, *recalls]


def _estimate(name: str, metric: str, side: _Side, confidence: float) -> Estimate:
    interval = wilson(side.share, side.total, confidence)
    return Estimate(name, metric, side.share, np.nan, 1, side.total, side.correct, interval)


def _tests(
    name: str,
    variant: Sequence[_Side],
    baseline: Sequence[_Side],
    classes: Sequence[str],
    confidence: float,
    margin: float,
) -> list[Tested]:
    recalls = [
        _test(name, f"recall/{label}", ours, theirs, confidence, margin)
        for label, ours, theirs in zip(classes, variant, baseline, strict=True)
    ]
    accuracy = _test(name, "accuracy", _whole(variant), _whole(baseline), confidence, margin)
    return [accuracy, _macro_test(name, variant, baseline, confidence, margin), *recalls]


def _test(
    name: str, metric: str, variant: _Side, baseline: _Side, confidence: float, margin: float
) -> Tested:
    pair = (variant.correct, variant.total, baseline.correct, baseline.total)
    low, high = confint_proportions_2indep(
        *pair, compare="diff", method="newcomb", alpha=1 - confidence
    )
    table = [[side.correct, side.total - side.correct] for side in (variant, baseline)]
    return _tested(
        name,
        metric,
        variant.share - baseline.share,
        variant.variance + baseline.variance,
        Interval(float(low), float(high)),
        float(stats.fisher_exact(table).pvalue),
        "Fisher's exact, unpaired",
        min(variant.total, baseline.total),
        margin,
    )


def _macro_test(
    name: str,
    variant: Sequence[_Side],
    baseline: Sequence[_Side],
    confidence: float,
    margin: float,
) -> Tested:
    (mean, variance), (other, other_variance) = _macro(variant), _macro(baseline)
    total = variance + other_variance
    half = stats.norm.ppf((1 + confidence) / 2) * np.sqrt(total)
    difference = mean - other
    return _tested(
        name,
        "macro_recall",
        difference,
        total,
        Interval(float(difference - half), float(difference + half)),
        t_test(difference, total, np.inf),
        "normal approximation, unpaired",
        min(_whole(variant).total, _whole(baseline).total),
        margin,
    )


def _tested(
    name: str,
    metric: str,
    difference: float,
    variance: float,
    interval: Interval,
    p_value: float,
    method: str,
    images: int,
    margin: float,
) -> Tested:
    found = Difference(
        variant=name,
        metric=metric,
        difference=difference,
        interval=interval,
        p_value=p_value,
        p_adjusted=p_value,
        p_equivalence=equivalence_test(difference, variance, np.inf, margin),
        beats=np.nan,  # there are neither runs nor images to draw
        verdict=Verdict.NOT_SHOWN,
        about=About.MODELS,
        method=method,
    )
    return Tested(found, Variance.of_images(variance), images)
