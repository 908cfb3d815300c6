"""Other test sets of the same kind, drawn from the one there is."""

import numpy as np

from project.stats.metrics import Floats, Ints, Tallies

_MOST_WEIGHTS = 1 << 22  # at once: tens of megabytes


def resampled(
    predicted: Ints, labels: Ints, num_classes: int, resamples: int, rng: np.random.Generator
) -> Tallies:
    """Tallies of resampled test sets: paired, because all runs get the same images, and stratified.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 6 and 8.

    Args:
        predicted: Class numbers ``(S, N)`` of all runs, as in `project.stats.metrics.tally`.
        labels: True classes ``(N,)``; each class keeps its number of images.
        num_classes: The number of classes C.
        resamples: The number of test sets B.
        rng: Draws them.

    Returns:
        Tallies with hits and predicted of ``(B, S, C)``.
    """
    runs = len(predicted)
    stride = num_classes + 1  # one more for what has no images
    offsets = np.arange(runs)[:, None] * stride
    cells = np.minimum(predicted, num_classes) + offsets
    taken = np.zeros((resamples, runs * stride), np.float32)
    hits = np.zeros((resamples, runs, num_classes))
    for number in range(num_classes):
        counts, present = _counts(cells[:, labels == number], resamples, rng)
        taken[:, present] += counts
        own = np.isin(present, offsets + number)
        hits[:, present[own] // stride, number] = counts[:, own]
    support = np.bincount(labels, minlength=num_classes).astype(float)
    return Tallies(hits, taken.reshape(resamples, runs, stride)[..., :-1].astype(float), support)


def chance_to_beat(variant: Floats, baseline: Floats) -> float:
    """The chance that a run of the variant scores higher than one of the baseline.

    Every run of one is set against every run of the other, on each resampled test set; a tie counts
    half. Both sources of variance show in it, seeds and images.

    Source: Bouthillier et al., Accounting for Variance in Machine Learning Benchmarks, MLSys 2021,
    which calls 0.75 and more a meaningful improvement.

    Args:
        variant: The metric on B test sets of each of its runs, ``(B, S)``.
        baseline: The same of the baseline, ``(B, T)``.

    Returns:
        The chance in [0, 1].

    Example:
        >>> chance_to_beat(np.array([[0.8, 0.9]]), np.array([[0.7, 0.8]]))
        0.875
    """
    gap = variant[:, :, None] - baseline[:, None, :]
    return float((gap > 0).mean() + (gap == 0).mean() / 2)


def _counts(cells: Ints, resamples: int, rng: np.random.Generator) -> tuple[Floats, Ints]:
    """How often each cell ``(run, predicted class)`` comes among images drawn with replacement."""
    images = cells.shape[1]
    present, place = np.unique(cells, return_inverse=True)
    indicator = np.zeros((images, len(present)), np.float32)
    indicator[np.arange(images), place.reshape(cells.shape)] = 1
    shares = np.full(images, 1 / images)
    counts = np.empty((resamples, len(present)))
    block = max(_MOST_WEIGHTS // images, 1)
    for start in range(0, resamples, block):
        rows = slice(start, min(start + block, resamples))
        weights = rng.multinomial(images, shares, size=rows.stop - rows.start)
        counts[rows] = weights.astype(np.float32) @ indicator
    return counts, present
