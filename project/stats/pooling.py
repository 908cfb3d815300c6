"""Shares of images that several models were tested on, each on its own part of them."""

import numpy as np
from scipy import stats

from project.stats.inference import wilson
from project.stats.metrics import Floats, Ints
from project.stats.results import Interval


def pooled_interval(shares: Floats, units: Ints, confidence: float = 0.95) -> Interval:
    """Interval of the share of images that are right, as far as images are a sample.

    Every image counts once, however often it was tested. Images that belong together, such as those
    of one person, are drawn together: the variance is that of a ratio of sums over such groups.

    Source: Cochran, Sampling Techniques (1977), chapter 2.11; the interval is Wilson's.

    Args:
        shares: How often each image was right, of the times that it was tested, in [0, 1], ``(N,)``
            with N above 0.
        units: Number of what each image belongs to, ``(N,)``.
        confidence: Such as 0.95.

    Example:
        >>> pooled_interval(np.r_[np.ones(23), 0], np.arange(24))
        Interval(low=0.79..., high=0.99...)
    """
    share, images = float(shares.mean()), len(shares)
    _, number = np.unique(units, return_inverse=True)
    groups = int(number.max()) + 1
    if groups == images:
        return wilson(share, images, confidence)
    if groups == 1:
        return Interval(float("nan"), float("nan"))  # one sample tells nothing of others
    residuals = np.bincount(number, shares - share)
    variance = groups / (groups - 1) * float((residuals**2).sum()) / images**2
    plain = share * (1 - share)
    size = min(plain / variance, images) if plain and variance else groups
    quantile = float(stats.t.ppf((1 + confidence) / 2, groups - 1))
    return wilson(share, size, confidence, quantile)
