"""Groups of runs, measured on the same images, to verdicts."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from project.stats.bootstrap import chance_to_beat, resampled
from project.stats.inference import (
    cautious_quantile,
    difference_interval,
    effective_size,
    equivalence_test,
    mcnemar_test,
    t_test,
    wilson,
)
from project.stats.judging import Tested, judged
from project.stats.metrics import (
    KINDS,
    Ints,
    Metric,
    Tallies,
    contributions,
    images,
    metrics_of,
    size,
    step,
    tally,
)
from project.stats.results import About, Comparison, Difference, Estimate, Verdict
from project.stats.variance import Sample, Strata, of_difference, of_mean

RESAMPLES = 2000
_METHOD_FOR_MODELS = "t test, paired stratified bootstrap"
_METHOD_FOR_RECIPES = "images crossed with seeds"


def compare(
    predicted: Mapping[str, Ints],
    labels: Ints,
    classes: Sequence[str],
    baseline: str,
    *,
    units: Ints | None = None,
    metrics: Collection[str] = KINDS,
    confidence: float = 0.95,
    margin: float = 0.01,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compares every group of runs with one of them, by every metric.

    With several runs a group, images and runs both are samples, and verdicts are about recipes: see
    `project.stats.variance.of_difference`. With one run each, verdicts are about these models:
    exact McNemar for accuracy and recall where all images stand alone; for the rest a t test on the
    variance of the paired stratified bootstrap, or the first-order one if that is larger.

    Source: the plan of the analysis follows Dror et al., ACL 2018 (which test when), Bouthillier et
    al., MLSys 2021 (all sources of variance, the chance to beat), and "When +1% Is Not Enough",
    arXiv 2511.19794 (paired, and cautious with few seeds).

    Args:
        predicted: Class numbers of each group by its name, ``(S, N)`` for its S runs, in
            ``[0, C]``; C stands for any class that is not among the C.
        labels: True classes ``(N,)``, in ``[0, C)``.
        classes: The C class names. Those without images are left out.
        baseline: Name of the group that the others are compared with.
        units: Number of what each image belongs to, such as one person, ``(N,)``. Images of one are
            no independent samples. None: each image stands alone.
        metrics: Kinds of metrics. The fewer are tested, the less is lost to Holm.
        confidence: Of the intervals; one minus it is the level of the verdicts.
        margin: Differences up to this are of no interest, in (0, 1).
        resamples: Test sets that the bootstrap draws, always the same ones.

    Returns:
        Estimates and differences, in the order of `metrics_of`.
    """
    measured = _Measured.of(predicted, labels, units, classes, metrics, resamples)
    names = (baseline, *(name for name in predicted if name != baseline))
    tested = [
        _tested(measured, metric, name, baseline, confidence, margin)
        for name in names[1:]
        for metric in measured.metrics
    ]
    return Comparison(
        baseline=baseline,
        groups=names,
        classes=measured.classes,
        images=tuple(np.bincount(measured.labels).tolist()),
        confidence=confidence,
        margin=margin,
        estimates=tuple(
            _estimate(measured, metric, name, confidence)
            for name in names
            for metric in measured.metrics
        ),
        differences=tuple(judged(tested, confidence, margin)),
    )


@dataclass(frozen=True)
class _Measured:
    """Predictions in the order of their true classes, and what resampling makes of them."""

    predicted: Mapping[str, Ints]
    labels: Ints
    units: Ints
    classes: tuple[str, ...]
    metrics: Sequence[Metric]
    tallies: Mapping[str, Tallies]
    elsewhere: Mapping[str, Tallies]  # on resampled test sets

    @classmethod
    def of(
        cls,
        predicted: Mapping[str, Ints],
        labels: Ints,
        units: Ints | None,
        classes: Sequence[str],
        metrics: Collection[str],
        resamples: int,
    ) -> "_Measured":
        present, labels = np.unique(labels, return_inverse=True)
        order = np.argsort(labels, kind="stable")
        renumbered = np.full(len(classes) + 1, len(present))  # one more for classes unknown here
        renumbered[present] = np.arange(len(present))
        sorted_labels = labels[order]
        renamed = {name: renumbered[runs][:, order] for name, runs in predicted.items()}
        count = len(present)
        names = tuple(classes[number] for number in present)
        drawn = resampled(
            np.concatenate(list(renamed.values())), sorted_labels, count, resamples,
            np.random.default_rng(0),
        )  # fmt: skip
        ends = np.cumsum([len(runs) for runs in renamed.values()])
        return cls(
            predicted=renamed,
            labels=sorted_labels,
            units=np.arange(len(labels)) if units is None else units[order],
            classes=names,
            metrics=metrics_of(names, metrics),
            tallies={name: tally(runs, sorted_labels, count) for name, runs in renamed.items()},
            elsewhere={
                name: Tallies(
                    drawn.hits[:, end - len(runs) : end],
                    drawn.predicted[:, end - len(runs) : end],
                    drawn.support,
                )
                for (name, runs), end in zip(renamed.items(), ends, strict=True)
            },
        )

    def rows(self, metric: Metric) -> slice:
        """The images that the metric is about."""
        if metric.kind != "recall":
            return slice(None)
        first, last = np.searchsorted(self.labels, [metric.number, metric.number + 1])
        return slice(int(first), int(last))

    def strata(self, metric: Metric) -> Strata:
        rows = self.rows(metric)
        return Strata(self.labels[rows], self.units[rows])

    def alone(self, metric: Metric) -> bool:
        """Whether no two of the images belong together."""
        units = self.units[self.rows(metric)]
        return len(np.unique(units)) == len(units)

    def sample(self, name: str, metric: Metric) -> Sample:
        rows, tallies = self.rows(metric), self.tallies[name]
        parts = contributions(metric, self.predicted[name][:, rows], self.labels[rows], tallies)
        return Sample(tallies.values(metric), parts)

    def right(self, name: str, metric: Metric) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
        """Whether the only run is right about each image."""
        rows = self.rows(metric)
        right: np.ndarray[tuple[int], np.dtype[np.bool_]] = (
            self.predicted[name][0, rows] == self.labels[rows]
        )
        return right


def _estimate(measured: _Measured, metric: Metric, name: str, confidence: float) -> Estimate:
    sample, tallies = measured.sample(name, metric), measured.tallies[name]
    mean, worth = float(sample.values.mean()), size(metric, tallies)
    about = images(metric, tallies)
    single = sample.runs == 1
    if single and metric.is_share and measured.alone(metric):
        interval = wilson(mean, about, confidence)
    else:
        variance = of_mean(sample, measured.strata(metric), step(metric, tallies))
        effective = effective_size(mean, variance.total, worth, sample.runs)
        quantile = cautious_quantile(variance, confidence)
        interval = wilson(mean, effective, confidence, quantile)
    return Estimate(
        group=name,
        metric=metric.name,
        mean=mean,
        spread=float("nan") if single else float(sample.values.std(ddof=1)),
        runs=sample.runs,
        images=about,
        correct=round(mean * about) if single and metric.is_share else None,
        interval=interval,
    )


def _tested(
    measured: _Measured, metric: Metric, name: str, baseline: str, confidence: float, margin: float
) -> Tested:
    ours, theirs = measured.sample(name, metric), measured.sample(baseline, metric)
    ours_elsewhere = measured.elsewhere[name].values(metric)
    theirs_elsewhere = measured.elsewhere[baseline].values(metric)
    both = _both(measured.tallies[name], measured.tallies[baseline])
    variance = of_difference(ours, theirs, measured.strata(metric), step(metric, both))
    difference = float(ours.values.mean() - theirs.values.mean())
    models = ours.runs == theirs.runs == 1
    if models and not metric.is_share:
        resampled_variance = float((ours_elsewhere - theirs_elsewhere).var(ddof=1))
        variance = replace(variance, images=max(variance.images, resampled_variance))
    if models and metric.is_share and measured.alone(metric):
        p_value = mcnemar_test(measured.right(name, metric), measured.right(baseline, metric))
        method = "exact McNemar"
    else:
        p_value = t_test(difference, variance.total, variance.df)
        method = _METHOD_FOR_MODELS if models else _METHOD_FOR_RECIPES
    found = Difference(
        variant=name,
        metric=metric.name,
        difference=difference,
        interval=difference_interval(difference, variance.total, variance.df, confidence),
        p_value=p_value,
        p_adjusted=p_value,
        p_equivalence=equivalence_test(difference, variance.total, variance.df, margin),
        beats=chance_to_beat(ours_elsewhere, theirs_elsewhere),
        verdict=Verdict.NOT_SHOWN,
        about=About.MODELS if models else About.RECIPES,
        method=method,
    )
    return Tested(found, variance, images(metric, both))


def _both(one: Tallies, other: Tallies) -> Tallies:
    """The runs of both groups together."""
    return Tallies(
        np.concatenate([one.hits, other.hits]),
        np.concatenate([one.predicted, other.predicted]),
        one.support,
    )
