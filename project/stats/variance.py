"""How far a difference between two groups of runs may be off: images and seeds, both random."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from project.stats.metrics import Floats, Ints

# Images on which the groups would have disagreed, half of them for each side, each run deciding by
# itself: few images on which nobody errs must not pass for certainty. With these numbers intervals
# near 0 and 1 cover as often as they say (benchmarks/verdicts.py).
_IMAGINED_IMAGES = 4
_IMAGINED_IMAGES_FOR_TWO_MODELS = 2


@dataclass(frozen=True)
class Sample:
    """One metric of S runs on N images.

    Attributes:
        values: The metric of each run, ``(S,)``.
        contributions: What each image contributes to it, ``(S, N)``.
    """

    values: Floats
    contributions: Floats

    @property
    def runs(self) -> int:
        """The number of runs S."""
        return len(self.values)


@dataclass(frozen=True)
class Variance:
    """Variance of a mean, or of a difference of means, by its sources.

    Attributes:
        seeds: Of each group's mean, because its runs differ; holds `residual`.
        residual: The part of `seeds` that more images would shrink.
        runs: Runs of each group.
        seed_df: Degrees of freedom of the sum of `seeds`; 0 where runs count as fixed.
        images: Because the images are a sample. As if runs without number had been averaged.
        images_df: Degrees of freedom of `images`.
        imagined: What imagined images add for each run, before it is divided by runs.
    """

    seeds: tuple[float, ...]
    residual: tuple[float, ...]
    runs: tuple[int, ...]
    seed_df: float
    images: float
    images_df: float
    imagined: float

    @classmethod
    def of_images(cls, variance: float) -> "Variance":
        """For two models of which no more is known."""
        return cls((0.0, 0.0), (0.0, 0.0), (1, 1), 0.0, variance, np.inf, 0.0)

    @property
    def total(self) -> float:
        """The variance, squared units of the metric."""
        return sum(self.seeds) + self.images + self.smoothing

    @property
    def smoothing(self) -> float:
        """What imagined images add."""
        return self.imagined * float(np.mean([1 / runs for runs in self.runs]))

    @property
    def df(self) -> float:
        """Degrees of freedom of the total, after Satterthwaite."""
        spread = (self.images + self.smoothing) ** 2 / self.images_df
        if self.seed_df:
            spread += sum(self.seeds) ** 2 / self.seed_df
        return self.total**2 / spread if spread else self.images_df

    def scaled(self, runs: int | None = None, images: float = 1.0) -> "Variance":
        """What would be expected of more runs, or of other images.

        Args:
            runs: Runs of each group, where it has not more already; None keeps them.
            images: Images as a multiple of the present ones.
        """
        then = tuple(max(runs or 0, now) for now in self.runs)
        ratio = [now / more for now, more in zip(self.runs, then, strict=True)]
        parts = list(zip(self.seeds, self.residual, ratio, strict=True))
        seeds = tuple(((s - r) + r / images) * q for s, r, q in parts)
        return replace(
            self,
            seeds=seeds,
            residual=tuple(r * q / images for _, r, q in parts),
            runs=then,
            seed_df=self.seed_df if then == self.runs else _joint_df(seeds, then),
            images=self.images / images,
            images_df=self.images_df * images,
            imagined=self.imagined / images,  # what was imagined may be there, and not fade away
        )


class Strata:
    """Images by class, and by what belongs together: variances of sums over them.

    Classes are strata, their numbers of images given. Images that belong together, such as those of
    one person, are drawn together, and count as one sample. Where such groups have images of more
    than one class, there is one stratum of groups.

    Source: Cochran, Sampling Techniques (1977), chapters 5 and 9.

    Args:
        labels: Class of each image in ascending order, ``(N,)``.
        units: Number of what each image belongs to, ``(N,)``; None: each image stands alone.
    """

    def __init__(self, labels: Ints, units: Ints | None = None) -> None:
        self._starts = _starts(labels)
        self._sizes = np.diff(np.r_[self._starts, len(labels)])
        units = np.arange(len(labels)) if units is None else units
        pairs = np.unique(np.stack([units, labels]), axis=1)
        nested = len(np.unique(pairs[0])) == pairs.shape[1]
        strata = labels if nested else np.zeros_like(labels)
        self._order = np.lexsort((units, strata))
        self._unit_starts = _starts(units[self._order])
        unit_strata = strata[self._order][self._unit_starts]
        self._stratum_starts = _starts(unit_strata)
        self._units = np.diff(np.r_[self._stratum_starts, len(unit_strata)])

    def variance_of_sum(self, terms: Floats) -> Floats:
        """Variance of the sum of terms ``(..., N)``, by stratum ``(..., H)``."""
        means = np.add.reduceat(terms, self._starts, axis=-1) / self._sizes
        centred = terms - np.repeat(means, self._sizes, axis=-1)
        sums = np.add.reduceat(centred[..., self._order], self._unit_starts, axis=-1)
        squares = np.add.reduceat(sums**2, self._stratum_starts, axis=-1)
        variance: Floats = squares * self._units / np.maximum(self._units - 1, 1)
        return variance

    def df(self, variances: Floats) -> float:
        """Degrees of freedom of a sum of variances, one a stratum."""
        freedoms = np.maximum(self._units - 1, 1)
        spread = (variances**2 / freedoms).sum()
        return float(variances.sum() ** 2 / spread if spread else freedoms.sum())


def _starts(numbers: Ints) -> Ints:
    """Where each run of equal numbers begins."""
    return np.flatnonzero(np.r_[True, np.diff(numbers) != 0])


def of_difference(variant: Sample, baseline: Sample, strata: Strata, step: float) -> Variance:
    """The variance of the difference of two groups' means, images crossed with runs.

    Images are a sample, the same one for all runs, and runs are a sample within each group. An
    image that all runs find hard makes errors correlate within a group and between groups; that is
    what the crossing accounts for. Of the three sources - runs, images, and what is left - the
    estimate of the first contains the last, as does the plain variance over images, so it is taken
    off once. Estimates that come out negative count as 0.

    The model is that of studies in which several readers judge the same cases under two treatments.

    Source: Obuchowski and Rockette, Communications in Statistics 24 (1995) 285-308, with readers
    nested in treatments: Hillis, Statistics in Medicine 33 (2014) 330-360. Degrees of freedom:
    Satterthwaite, Biometrics 2 (1946) 110-114. Imagined images: Agresti and Coull, The American
    Statistician 52 (1998) 119-126; for two models Bonett and Price, Journal of Educational and
    Behavioral Statistics 37 (2012) 479-488.

    Groups of one run and of several count as of one spread, that of the several. With one run each,
    runs count as fixed: the variance is that of these two models.

    Args:
        variant: The one group.
        baseline: The other one.
        strata: Of the images.
        step: How far one image can move the metric.

    Returns:
        The variance, first of the variant's seeds and then of the baseline's.
    """
    parts = [_seed_part(sample, strata) for sample in (variant, baseline)]
    parts = [_borrowed(part, other) for part, other in zip(parts, parts[::-1], strict=True)]
    models = variant.runs == baseline.runs == 1
    imagined = _IMAGINED_IMAGES_FOR_TWO_MODELS if models else _IMAGINED_IMAGES
    difference = variant.contributions.mean(0) - baseline.contributions.mean(0)
    return _crossed(parts, difference, strata, imagined * step**2)


def of_mean(sample: Sample, strata: Strata, step: float) -> Variance:
    """The variance of one group's mean, over images and runs.

    Args:
        sample: The runs of the group.
        strata: Of the images.
        step: How far one image can move the metric.
    """
    # Half of the images that are imagined for a difference.
    imagined = _IMAGINED_IMAGES / 2 * step**2 if sample.runs > 1 else 0.0
    mean = sample.contributions.mean(0)
    return _crossed([_seed_part(sample, strata)], mean, strata, imagined)


@dataclass(frozen=True)
class _SeedPart:
    """What runs contribute to the variance of their mean; nothing is known of a single one."""

    variance: float
    residual: float
    runs: int


def _seed_part(sample: Sample, strata: Strata) -> _SeedPart:
    runs = sample.runs
    if runs == 1:
        return _SeedPart(0.0, 0.0, 1)
    deviations = sample.contributions - sample.contributions.mean(0)
    residual = strata.variance_of_sum(deviations).sum() / (runs - 1) / runs
    # Runs differ at least as much as the images that they judge differently make them.
    variance = max(sample.values.var(ddof=1) / runs, residual)
    return _SeedPart(float(variance), float(residual), runs)


def _borrowed(part: _SeedPart, other: _SeedPart) -> _SeedPart:
    if part.runs > 1:
        return part
    return _SeedPart(other.variance * other.runs, other.residual * other.runs, 1)


def _joint_df(seeds: Sequence[float], runs: Sequence[int]) -> float:
    """Degrees of freedom of a sum of the groups' variances.

    After Satterthwaite, but not above what two groups of the smaller number of runs could have:
    with few runs on one side and many on the other his formula promises too much.
    """
    several = [count - 1 for count in runs if count > 1]
    if len(several) < len(runs):  # one estimate, used for all groups
        return float(sum(several))
    spread = sum(variance**2 / df for variance, df in zip(seeds, several, strict=True))
    most = float(len(runs) * min(several))
    return min(sum(seeds) ** 2 / spread, most) if spread else most


def _crossed(parts: list[_SeedPart], mean: Floats, strata: Strata, imagined: float) -> Variance:
    by_stratum = strata.variance_of_sum(mean)
    seeds, runs = [part.variance for part in parts], [part.runs for part in parts]
    residual = [part.residual for part in parts]
    return Variance(
        seeds=tuple(seeds),
        residual=tuple(residual),
        runs=tuple(runs),
        seed_df=_joint_df(seeds, runs),
        images=max(float(by_stratum.sum()) - sum(residual), 0.0),
        images_df=strata.df(by_stratum),
        imagined=imagined,
    )
