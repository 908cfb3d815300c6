"""The numbers of a run as people read them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from project.runs.record import RunRecord

NOT_DEFINED = "–"
# What is said about a class; every other metric is about a split as a whole.
_OF_A_CLASS = ("recall", "precision", "f1", "support")


@dataclass(frozen=True)
class ClassScore:
    """How well one class was recognised.

    Attributes:
        name: The class.
        train_images: Photos that it was learned from.
        draws: How often they were drawn in an epoch, or None where that was not recorded.
        images: Photos that it was measured on.
        recall: Share of them that was recognised; NaN without any.
        precision: Share of the photos taken for this class that were of it.
        f1: Harmonic mean of the two.
    """

    name: str
    train_images: int
    draws: int | None
    images: int
    recall: float
    precision: float
    f1: float

    @property
    def correct(self) -> str:
        """Photos recognised out of all, as in 23/24."""
        if math.isnan(self.recall):
            return NOT_DEFINED
        return f"{round(self.recall * self.images)}/{self.images}"


def class_scores(record: RunRecord, split: str) -> list[ClassScore]:
    """The scores of each class, in the order of the record's classes.

    Args:
        record: The run.
        split: Where the classes were measured.

    Returns:
        One entry a class. What the record lacks is NaN.
    """
    return [_class_score(record, split, name) for name in record.classes]


def measured_split(record: RunRecord) -> str:
    """The split whose numbers are the result: test where there are any, else val, else train."""
    measured = {name.partition("/")[0] for name in record.metrics}
    return next((split for split in ("test", "val", "train") if split in measured), "val")


def overall_metrics(record: RunRecord) -> dict[str, float]:
    """The metrics that are not about a single class.

    Args:
        record: The run.

    Returns:
        Value by name, such as ``test/macro_recall``, in the order of the record.
    """
    return {name: value for name, value in record.metrics.items() if not _is_of_a_class(name)}


def percent(share: float) -> str:
    """A share with one decimal.

    Args:
        share: In [0, 1], or NaN.

    Example:
        >>> percent(0.97701), percent(float("nan"))
        ('97.7 %', '–')
    """
    return NOT_DEFINED if math.isnan(share) else f"{share:.1%}".replace("%", " %")


def duration(seconds: float) -> str:
    """A time span in the unit that suits it.

    Args:
        seconds: The span.

    Example:
        >>> duration(3.21), duration(125), duration(7322)
        ('3.2 s', '2 min 5 s', '2 h 2 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def best_epoch(record: RunRecord) -> str:
    """Which checkpoint was measured and why, or an empty text when there is none."""
    best = record.best
    return f"{best.epoch} ({best.monitor} {best.value:.4f})" if best else ""


def skipped(record: RunRecord) -> str:
    """How many photos were left out, or an empty text when none was."""
    count = len(record.data.skipped)
    return f"{count} unusable {_plural('photo', count)}, named in run.json" if count else ""


def _class_score(record: RunRecord, split: str, name: str) -> ClassScore:
    recall, precision, f1 = (
        record.metrics.get(f"{split}/{metric}/{name}", math.nan)
        for metric in ("recall", "precision", "f1")
    )
    train, measured = (record.counts.get(part, {}).get(name, 0) for part in ("train", split))
    return ClassScore(name, train, record.draws.get(name), measured, recall, precision, f1)


def _is_of_a_class(metric: str) -> bool:
    parts: Sequence[str] = metric.split("/", maxsplit=2)
    return len(parts) == 3 and parts[1] in _OF_A_CLASS


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"
