"""The numbers of a run as people read them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from project.report.metrics import leading, title
from project.runs.metric_names import NAMED_TEST, SMALL_IS_GOOD
from project.runs.record import RunRecord

NOT_DEFINED = "–"
# What is said about a class; every other metric is about a split as a whole.
_OF_A_CLASS = ("recall", "precision", "f1", "support")
_WORST = "worst_test"


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


@dataclass(frozen=True)
class WorstTest:
    """The test that a run did worst in.

    Attributes:
        split: The test split, or a named test set.
        metric: What decided, such as ``macro_recall``.
        value: What the run reached there.
    """

    split: str
    metric: str
    value: float

    @property
    def metrics(self) -> dict[str, float]:
        """As a metric of the run, such as ``worst_test/macro_recall``."""
        return {f"{_WORST}/{self.metric}": self.value}


def measured_split(record: RunRecord) -> str:
    """The split whose numbers are the result: test where there are any, else val, else train.

    Where nothing but a named test set was measured, that.
    """
    measured = [name.partition("/")[0] for name in record.metrics]
    named = [split for split in measured if split.startswith(NAMED_TEST)]
    return next((split for split in ("test", "val", "train", *named) if split in measured), "val")


def measured_tests(record: RunRecord) -> list[str]:
    """The test split and the named test sets that were measured, in the order of the record."""
    splits = dict.fromkeys(name.partition("/")[0] for name in record.metrics)
    return [split for split in splits if split == "test" or split.startswith(NAMED_TEST)]


def worst_test(record: RunRecord, monitor: str) -> WorstTest | None:
    """Finds the test in which a run did worst.

    Args:
        record: The run, with its metrics.
        monitor: The metric of the validation split that its best epoch was found by.

    Returns:
        The first of the worst by the same metric; None where fewer than two tests have a number.
    """
    metric = monitor.partition("/")[2]
    values = {split: value_of(record, split, metric) for split in measured_tests(record)}
    known = {split: value for split, value in values.items() if not math.isnan(value)}
    if len(known) < 2:
        return None
    worst = max if metric in SMALL_IS_GOOD else min
    split = worst(known, key=known.__getitem__)
    return WorstTest(split, metric, known[split])


def worst_text(record: RunRecord) -> str:
    """Names the test that a run did worst in, or is empty where it had no named test sets."""
    worst = worst_test(record, record.best.monitor) if record.best else None
    if worst is None:
        return ""
    number = f"{worst.value:.4f}" if worst.metric in SMALL_IS_GOOD else percent(worst.value)
    return f"{worst.split} ({worst.metric.replace('_', ' ')} {number})"


def side_by_side(record: RunRecord) -> list[tuple[str, list[str]]]:
    """What was reached in each test, for people.

    Args:
        record: The run.

    Returns:
        Rows of a heading and a text for each of `measured_tests`, the run's headline first; none
        where there is only one.
    """
    splits = measured_tests(record)
    if len(splits) < 2:
        return []
    metrics = [*leading(record), *(f"recall/{name}" for name in record.classes)]
    images = [str(sum(record.counts.get(split, {}).values())) for split in splits]
    return [("images", images)] + [
        (title(name), [percent(value_of(record, split, name)) for split in splits])
        for name in dict.fromkeys(metrics)
    ]


def value_of(record: RunRecord, split: str, metric: str) -> float:
    """A metric of a split or named test set; NaN where the run has none."""
    return record.metrics.get(f"{split}/{metric}", math.nan)


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


def shown(value: float | str | None) -> str:
    """A piece of evidence: a number with as many digits as say something.

    Args:
        value: Of a diagnosis; None, as files have it, where a number is not defined.

    Example:
        >>> shown(944), shown(0.69314), shown("cat")
        ('944', '0.6931', 'cat')
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return NOT_DEFINED
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def best_epoch(record: RunRecord) -> str:
    """Which checkpoint was measured and why, or an empty text when there is none."""
    best = record.best
    return f"{best.epoch} ({best.monitor} {best.value:.4f})" if best else ""


def started_from(record: RunRecord) -> str:
    """What was trained for the run to start from, or an empty text."""
    weights = record.pretrained
    if weights is None:
        return ""
    recall = percent(weights.metrics.get("val/macro_recall", math.nan))
    return f"{' '.join(weights.words)} (val macro recall {recall}) in {weights.folder}"


def skipped(record: RunRecord) -> str:
    """How many photos were left out, or an empty text when none was."""
    count = len(record.data.skipped)
    return f"{count} unusable {_plural('photo', count)}, named in run.json" if count else ""


def _class_score(record: RunRecord, split: str, name: str) -> ClassScore:
    recall, precision, f1 = (
        value_of(record, split, f"{metric}/{name}") for metric in ("recall", "precision", "f1")
    )
    train, measured = (record.counts.get(part, {}).get(name, 0) for part in ("train", split))
    return ClassScore(name, train, record.draws.get(name), measured, recall, precision, f1)


def _is_of_a_class(metric: str) -> bool:
    parts: Sequence[str] = metric.split("/", maxsplit=2)
    return len(parts) == 3 and parts[1] in _OF_A_CLASS


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"
