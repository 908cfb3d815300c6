"""Metrics in words, and the one that tables lead with before all others."""

from collections.abc import Iterable

from project.runs.record import RunRecord

_OVERALL = ("macro_recall", "accuracy", "macro_f1")
_WORDS = {"macro_recall": "macro recall", "macro_f1": "macro F1", "f1": "F1"}


def title(metric: str, of: str = " ") -> str:
    """A metric in words.

    Args:
        metric: Its name without the split, such as ``recall/<class>``.
        of: What stands between the metric and the class.

    Example:
        >>> title("macro_f1"), title("recall/outer"), title("f1/outer", " of ")
        ('macro F1', 'recall outer', 'F1 of outer')
    """
    kind, slash, name = metric.partition("/")
    words = _WORDS.get(kind, kind)
    return f"{words}{of}{name}" if slash else words


def heading(metric: str) -> str:
    """A metric in words, as it stands alone.

    Example:
        >>> heading("accuracy"), heading("recall/outer")
        ('Accuracy', 'Recall of outer')
    """
    words = title(metric, " of ")
    return words[:1].upper() + words[1:]


def led(headline: str, metrics: Iterable[str]) -> list[str]:
    """Puts a metric before others.

    Args:
        headline: The metric, which may be among the others.
        metrics: The others.

    Example:
        >>> led("macro_f1", ["accuracy", "macro_f1"])
        ['macro_f1', 'accuracy']
    """
    return list(dict.fromkeys([headline, *metrics]))


def leading(record: RunRecord) -> list[str]:
    """What is said first of a run: its headline, then the metrics of all classes together."""
    return led(record.headline, _OVERALL)
