"""Intervals, p-values and verdicts from an estimate and its variance."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from project.stats.metrics import Floats
from project.stats.results import Interval, Verdict
from project.stats.variance import Variance


def wilson(share: float, size: float, confidence: float, quantile: float | None = None) -> Interval:
    """The score interval of a share, which stays in [0, 1] and has a width at 0 and at 1, too.

    For a mean over runs, or a metric that is no plain share, the size is the number of images that
    would give a plain share the same variance, and another quantile takes the normal one's place.

    Source: Wilson, Journal of the American Statistical Association 22 (1927) 209-212. Effective
    sizes: Korn and Graubard, Survey Methodology 24 (1998) 193-201.

    Args:
        share: In [0, 1].
        size: Images, real or effective.
        confidence: Such as 0.95.
        quantile: What to use instead of the normal quantile of the confidence.

    Example:
        >>> wilson(23 / 24, 24, 0.95)
        Interval(low=0.79..., high=0.99...)
    """
    if quantile is None:
        quantile = float(stats.norm.ppf((1 + confidence) / 2))
    square = quantile**2 / size
    centre = (share + square / 2) / (1 + square)
    half = math.sqrt(square * (share * (1 - share) + square / 4)) / (1 + square)
    return Interval(max(centre - half, 0.0), min(centre + half, 1.0))


def cautious_quantile(variance: Variance, confidence: float) -> float:
    """Student's quantile for a mean over few runs: one for seeds, one for images, averaged.

    Satterthwaite's degrees of freedom come out high just where the spread over a few runs comes out
    low by chance. For a difference that is slight; for one mean over two or three runs it is not.

    Source: Cochran and Cox, Experimental Designs (1950), section 4.14.

    Args:
        variance: Of the mean.
        confidence: Such as 0.95.
    """
    images = variance.images + variance.smoothing
    total, seeds = variance.total, sum(variance.seeds)
    if not (seeds and total):
        return float(stats.t.ppf((1 + confidence) / 2, variance.images_df))
    quantiles = stats.t.ppf((1 + confidence) / 2, [variance.seed_df, variance.images_df])
    return float(np.dot([seeds, images], quantiles) / total)


def effective_size(share: float, variance: float, images: float, runs: int) -> float:
    """Images that would give a plain share this variance.

    Args:
        share: The metric.
        variance: Its variance.
        images: What it is worth where the variance is 0, at 0 and at 1.
        runs: Runs that were averaged; even if they err independently, the size is not beyond
            `images` times this.
    """
    plain = share * (1 - share)
    if plain <= 0 or variance <= 0:
        return images
    return min(plain / variance, images * runs)


def difference_interval(
    difference: float, variance: float, df: float, confidence: float
) -> Interval:
    """Student's interval of a difference, cut off at -1 and 1.

    Args:
        difference: In [-1, 1].
        variance: Its variance.
        df: Degrees of freedom of the variance.
        confidence: Such as 0.95.
    """
    half = stats.t.ppf((1 + confidence) / 2, df) * np.sqrt(variance)
    return Interval(float(max(difference - half, -1)), float(min(difference + half, 1)))


def t_test(difference: float, variance: float, df: float) -> float:
    """Two-sided p-value of no difference, by Student's t.

    Args:
        difference: The estimate.
        variance: Its variance, above 0.
        df: Degrees of freedom of the variance.
    """
    return float(2 * stats.t.sf(abs(difference) / np.sqrt(variance), df))


def equivalence_test(difference: float, variance: float, df: float, margin: float) -> float:
    """P-value of a difference beyond the margin: the larger of two one-sided tests.

    Source: Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15 (1987) 657-680.

    Args:
        difference: The estimate.
        variance: Its variance, above 0.
        df: Degrees of freedom of the variance.
        margin: Differences up to this are of no interest.
    """
    return float(stats.t.sf((margin - abs(difference)) / np.sqrt(variance), df))


def mcnemar_test(variant: npt.NDArray[np.bool_], baseline: npt.NDArray[np.bool_]) -> float:
    """Exact p-value that two models are right equally often, from the images they disagree on.

    Source: McNemar, Psychometrika 12 (1947) 153-157; for classifiers Dietterich, Neural Computation
    10 (1998) 1895-1923 and Dror et al., The Hitchhiker's Guide to Testing Statistical Significance
    in Natural Language Processing, ACL 2018.

    Args:
        variant: Whether the one model is right, ``(N,)``.
        baseline: Whether the other one is, ``(N,)``.
    """
    only_variant = int((variant & ~baseline).sum())
    only_baseline = int((~variant & baseline).sum())
    return float(mcnemar([[0, only_variant], [only_baseline, 0]], exact=True).pvalue)


def holm(p_values: Sequence[float]) -> Floats:
    """P-values that may be compared with the level however many are looked at.

    Own lines, because statsmodels collects garbage at every call: a tenth of a second each.

    Source: Holm, Scandinavian Journal of Statistics 6 (1979) 65-70.

    Args:
        p_values: Of everything that is tested.
    """
    values = np.asarray(p_values, dtype=float)
    order = np.argsort(values)
    adjusted = np.empty_like(values)
    stepwise = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted[order] = np.minimum(stepwise, 1)
    return adjusted


def verdict(
    difference: float, p_adjusted: float, p_equivalence: float, confidence: float
) -> Verdict:
    """What may be said.

    A difference that is both real and within the margin is called by its direction; the interval
    tells that it is small.

    Args:
        difference: Variant minus baseline.
        p_adjusted: Of no difference, adjusted.
        p_equivalence: Of a difference beyond the margin, adjusted.
        confidence: Such as 0.95.
    """
    level = 1 - confidence
    if p_adjusted < level:
        return Verdict.BETTER if difference > 0 else Verdict.WORSE
    return Verdict.EQUIVALENT if p_equivalence < level else Verdict.NOT_SHOWN
