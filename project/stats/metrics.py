"""Metrics of classification, and what each image contributes to them.

Predictions are arrays of class numbers ``(..., N)`` for N images and any number of runs; C classes
have `support` images each, none of them 0.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Kind = Literal["accuracy", "macro_recall", "macro_f1", "recall", "precision"]
KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(frozen=True)
class Metric:
    """A metric, of one class where it is about one.

    Attributes:
        kind: What is measured.
        class_name: The class; empty for metrics of all classes together.
        number: Its number; -1 for metrics of all classes together.
    """

    kind: Kind
    class_name: str = ""
    number: int = -1

    @property
    def name(self) -> str:
        """As in the record of a run, without the split: ``accuracy``, ``recall/<class>``."""
        return f"{self.kind}/{self.class_name}" if self.class_name else self.kind

    @property
    def is_share(self) -> bool:
        """Whether it is the share of a fixed set of images that are right."""
        return self.kind in ("accuracy", "recall")


def metrics_of(classes: Sequence[str], kinds: Collection[str] = KINDS) -> list[Metric]:
    """The metrics that groups are compared by, in the order of all tables.

    Args:
        classes: Class names in label order.
        kinds: Those that are wanted.
    """
    overall = [Metric("accuracy"), Metric("macro_recall"), Metric("macro_f1")]
    recalls = [Metric("recall", name, number) for number, name in enumerate(classes)]
    precisions = [Metric("precision", name, number) for number, name in enumerate(classes)]
    return [metric for metric in overall + recalls + precisions if metric.kind in kinds]


@dataclass(frozen=True)
class Tallies:
    """All that the metrics need to know of predictions.

    Attributes:
        hits: Images of each class that were recognised, ``(..., C)``.
        predicted: Images that were taken for each class, ``(..., C)``.
        support: Images of each class ``(C,)``, none of them 0.
    """

    hits: Floats
    predicted: Floats
    support: Floats

    def values(self, metric: Metric) -> Floats:
        """The metric, in [0, 1], ``(...)``.

        Precision is 0 where a class was never predicted, as everywhere in this project.
        """
        values: dict[Kind, Callable[[], Floats]] = {
            "accuracy": lambda: self.hits.sum(-1) / self.support.sum(),
            "macro_recall": lambda: self.recall.mean(-1),
            "macro_f1": lambda: self.f1.mean(-1),
            "recall": lambda: self.recall[..., metric.number],
            "precision": lambda: self.precision[..., metric.number],
        }
        return values[metric.kind]()

    @property
    def recall(self) -> Floats:
        """Share of the images of each class that were recognised, ``(..., C)``."""
        return self.hits / self.support

    @property
    def precision(self) -> Floats:
        """Share of the images taken for each class that were of it, ``(..., C)``."""
        return self.hits / np.maximum(self.predicted, 1)

    @property
    def f1(self) -> Floats:
        """Harmonic mean of the two, ``(..., C)``."""
        return 2 * self.hits / (self.support + self.predicted)


def tally(predicted: Ints, labels: Ints, num_classes: int) -> Tallies:
    """Counts what was recognised and what was predicted.

    Args:
        predicted: Class numbers ``(S, N)`` in ``[0, num_classes)``, or beyond for a class that has
            no images.
        labels: True classes ``(N,)`` in ``[0, num_classes)``.
        num_classes: The number of classes C.
    """
    of_class = np.arange(num_classes)
    right = predicted == labels
    hits = np.stack([right[:, labels == c].sum(1) for c in of_class], axis=1)
    taken = (predicted[:, :, None] == of_class).sum(1)
    support = np.bincount(labels, minlength=num_classes)
    return Tallies(hits.astype(float), taken.astype(float), support.astype(float))


def contributions(metric: Metric, predicted: Ints, labels: Ints, tallies: Tallies) -> Floats:
    """What each image contributes to the metric of each run, to first order.

    For shares and their means that is exact: contributions add up to the metric. For ratios with a
    random denominator (precision, F1) it is the empirical influence function, which adds up to 0.

    Source: Efron, The Jackknife, the Bootstrap and Other Resampling Plans (1982), chapter 6.

    Args:
        metric: The metric.
        predicted: As in `tally`, ``(S, N)``.
        labels: True classes ``(N,)``.
        tallies: Of these predictions.

    Returns:
        Contributions ``(S, N)``.
    """
    right = (predicted == labels).astype(float)
    support, num_classes = tallies.support, len(tallies.support)
    parts: Floats
    if metric.kind == "accuracy":
        parts = right / support.sum()
    elif metric.kind == "macro_recall":
        parts = right / (support[labels] * num_classes)
    elif metric.kind == "recall":
        parts = right * (labels == metric.number) / support[metric.number]
    elif metric.kind == "precision":
        taken, share = predicted == metric.number, tallies.precision[:, metric.number, None]
        parts = taken * (right - share) / np.maximum(tallies.predicted[:, metric.number, None], 1)
    else:
        parts = _of_macro_f1(predicted, labels, tallies)
    return parts


def step(metric: Metric, tallies: Tallies) -> float:
    """How far one image can move the metric: the root of the summed squares over classes.

    Args:
        metric: The metric.
        tallies: Of any number of runs; what differs between them is averaged.
    """
    support, num_classes = tallies.support, len(tallies.support)
    if metric.kind == "accuracy":
        return float(1 / support.sum())
    if metric.kind == "recall":
        return float(1 / support[metric.number])
    if metric.kind == "macro_recall":
        return float(np.linalg.norm(1 / support) / num_classes)
    predicted = tallies.predicted.reshape(-1, num_classes).mean(0)
    if metric.kind == "precision":
        return float(1 / max(predicted[metric.number], 1))
    return float(np.linalg.norm(2 / (support + predicted)) / num_classes)


def size(metric: Metric, tallies: Tallies) -> float:
    """Images that would give a plain share the precision of the metric.

    Args:
        metric: The metric.
        tallies: Of any number of runs; what differs between them is averaged.
    """
    support, num_classes = tallies.support, len(tallies.support)
    if metric.kind in ("macro_recall", "macro_f1"):
        return float(num_classes**2 / (1 / support).sum())
    return 1 / step(metric, tallies)


def images(metric: Metric, tallies: Tallies) -> int:
    """Test images that the metric is about: those of the class for a recall, all for others."""
    support = tallies.support
    return int(support[metric.number] if metric.kind == "recall" else support.sum())


def _of_macro_f1(predicted: Ints, labels: Ints, tallies: Tallies) -> Floats:
    num_classes = len(tallies.support)
    weight = 1 / ((tallies.support + tallies.predicted) * num_classes)
    cost = _padded(tallies.f1 * weight)  # for the class that an image is of, or is taken for
    taken_for = np.take_along_axis(cost, np.minimum(predicted, num_classes), axis=1)
    influence: Floats = 2 * (predicted == labels) * weight[:, labels] - cost[:, labels] - taken_for
    return influence


def _padded(scores: Floats) -> Floats:
    """With a column of zeros for predictions of a class that has no images."""
    return np.pad(scores, ((0, 0), (0, 1)))
