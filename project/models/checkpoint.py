"""What a checkpoint says besides weights: what its logits mean, and sums of a begun epoch."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytorch_lightning as pl
from torchmetrics import Metric

from project.errors import RunError
from project.models.metrics import MetricState, restore_state, state_of
from project.models.ranks import of_all_ranks

Sums = dict[str, MetricState]
"""What the metrics of one process have added up, by name."""

_KEY = "evenhand"


def keep(
    checkpoint: dict[str, Any],
    classes: Sequence[str],
    monitor: str,
    metrics: Mapping[str, Metric],
    trainer: pl.Trainer,
) -> None:
    """Adds classes and sums, as plain values: the file loads with ``weights_only=True``.

    Args:
        checkpoint: Is completed.
        classes: Names of the classes, in the order of the logits.
        monitor: The metric that decides which epoch is best.
        metrics: What adds up over a training epoch.
        trainer: Of this process; every process has to keep its own.
    """
    mine = {name: state_of(metric) for name, metric in metrics.items()}
    checkpoint[_KEY] = {
        "classes": list(classes),
        "monitor": monitor,
        # Rank by rank, because sums of floats depend on their order.
        "train_metrics": of_all_ranks(trainer, mine),
    }


def sums_kept(checkpoint: Mapping[str, Any], classes: Sequence[str]) -> list[Sums]:
    """Checks that a checkpoint's logits mean the same classes, and reads its sums.

    Args:
        checkpoint: As it was saved.
        classes: Names of the classes that are expected, in their order.

    Returns:
        The sums of each process, in the order of their ranks; none where none were kept.

    Raises:
        RunError: The classes are others, or the file is not a checkpoint of a run.
    """
    saved = checkpoint.get(_KEY)
    if saved is None:
        raise RunError(
            "Expected a checkpoint of a run, got one without a class list. Load foreign "
            "weights with model.checkpoint_path=<file>."
        )
    if saved["classes"] != list(classes):
        raise RunError(
            f"Expected a checkpoint for the classes {list(classes)}, got one for "
            f"{saved['classes']}. Use data with the run's classes, in the same order."
        )
    sums: list[Sums] = saved.get("train_metrics", [])
    return sums


def restore(metrics: Mapping[str, Metric], sums: Sums) -> None:
    """Puts metrics where those of the same names were.

    Args:
        metrics: Are overwritten.
        sums: Of one process.
    """
    for name, metric in metrics.items():
        restore_state(metric, sums[name])
