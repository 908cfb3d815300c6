"""What a finished run shows in W&B: a pure function of its directory and record."""

import logging
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import wandb

from project.callbacks.tracking.mistakes import confident_mistakes, small_picture
from project.callbacks.tracking.session import harmless
from project.errors import RunError
from project.runs.directory import RunDirectory
from project.runs.predictions import Predictions, read_predictions
from project.runs.record import RunRecord

log = logging.getLogger(__name__)

_OF_A_CLASS = ("recall", "precision", "f1")
_MOST_CLASSES = 100  # a W&B table takes 10,000 rows, and the matrix has a row a cell


def log_data(tracked: wandb.Run, run: RunDirectory, record: RunRecord) -> None:
    """Sends what identifies a run, and its split as an artifact, before training begins.

    Args:
        tracked: The W&B run.
        run: Holds the split.
        record: Has the fingerprints.
    """
    identity = {
        "directory": str(run.path.resolve()),
        "config_fingerprint": record.config_fingerprint,
        "recipe_fingerprint": record.recipe_fingerprint,
        "data_fingerprint": record.data.fingerprint,
        "code": asdict(record.code) if record.code else None,
    }
    with harmless("fingerprints"):
        config: Any = tracked.config  # has no types
        config.update({"run": identity}, allow_val_change=True)
    with harmless("the split"):
        metadata = {
            "fingerprint": record.data.fingerprint,
            "counts": record.counts,
            "root": record.data.root,
        }
        _send_file(tracked, f"data-{record.data.fingerprint}", "dataset", run.splits_file, metadata)


def log_results(
    tracked: wandb.Run,
    run: RunDirectory,
    record: RunRecord,
    *,
    mistakes: int = 32,
    log_checkpoint: bool = False,
) -> None:
    """Sends summary, tables, figures and mistakes of a finished run.

    Args:
        tracked: The W&B run.
        run: Holds predictions, figures and checkpoints.
        record: Has the metrics.
        mistakes: How many of the most confident mistakes to show.
        log_checkpoint: Whether to send the best checkpoint, too.
    """
    predictions = _predictions(run)
    with harmless("the figures"):
        tracked.log(_figures(run))
    if predictions is not None:
        split, said = predictions
        _log_tables(tracked, record, split, said, mistakes)
    if log_checkpoint:
        with harmless("the best checkpoint"):
            best = asdict(record.best) if record.best else {}
            _send_file(
                tracked, f"checkpoint-{tracked.id}", "model", run.checkpoint("best"), best, "best"
            )
    with harmless("the summary"):  # last: it holds the best epoch's numbers, not the last one's
        tracked.summary.update(summary(record))


def summary(record: RunRecord) -> dict[str, float]:
    """The numbers of the best epoch: those of the test split, and what decided about it.

    Args:
        record: The run.

    Returns:
        Value by name, such as ``test/macro_recall``, ``best/epoch`` and ``best/<monitor>``.
    """
    best = record.best
    decided = {"best/epoch": best.epoch, f"best/{best.monitor}": best.value} if best else {}
    return {**record.metrics, **decided}


def class_rows(record: RunRecord, split: str) -> tuple[list[str | int], list[Iterable[Any]]]:
    """How well each class was recognised.

    Args:
        record: The run.
        split: Where the classes were measured.

    Returns:
        Columns, and a row a class. What the record lacks is NaN.
    """
    columns: list[str | int] = [
        "class",
        "train images",
        f"{split} images",
        "recall",
        "precision",
        "F1",
    ]
    nothing = float("nan")
    rows: list[Iterable[Any]] = [
        [
            name,
            *(record.counts.get(part, {}).get(name, 0) for part in ("train", split)),
            *(record.metrics.get(f"{split}/{m}/{name}", nothing) for m in _OF_A_CLASS),
        ]
        for name in record.classes
    ]
    return columns, rows


def _predictions(run: RunDirectory) -> tuple[str, Predictions] | None:
    """Of the test split, or of val where nothing was tested."""
    split = next((split for split in ("test", "val") if split in run.predicted_splits), None)
    if split is None:
        return None
    try:
        return split, read_predictions(run, split)
    except RunError as error:
        log.warning("W&B: no tables (%s)", error)
        return None


def _figures(run: RunDirectory) -> dict[str, wandb.Image]:
    names = ("curves", *(f"confusion_{split}" for split in run.predicted_splits))
    files = {f"figures/{name}": run.figure(name) for name in names}
    return {key: wandb.Image(str(file)) for key, file in files.items() if file.is_file()}


def _log_tables(
    tracked: wandb.Run, record: RunRecord, split: str, said: Predictions, mistakes: int
) -> None:
    """Each on its own: what one of them costs, the others need not pay."""
    with harmless("the table of classes"):
        columns, rows = class_rows(record, split)
        tracked.log({"results/classes": wandb.Table(columns=columns, data=rows)})
    with harmless("the confusion matrix"):
        if len(said.classes) <= _MOST_CLASSES:
            tracked.log({"results/confusion_matrix": _confusion(said, split)})
        else:
            log.info(
                "W&B: the confusion matrix of %d classes is left out, because a table there takes "
                "those of up to %d.",
                len(said.classes),
                _MOST_CLASSES,
            )
    with harmless("the mistakes"):
        table = _mistake_table(said, Path(record.data.root), mistakes)
        tracked.log({"results/mistakes": table})


def _mistake_table(said: Predictions, root: Path, most: int) -> wandb.Table:
    table = wandb.Table(columns=["image", "path", "true", "predicted", "confidence"])
    for mistake in confident_mistakes(said, most):
        picture = small_picture(root / mistake.path)
        image = wandb.Image(picture, file_type="jpg") if picture else None
        table.add_data(image, mistake.path, mistake.true, mistake.predicted, mistake.confidence)
    return table


def _confusion(said: Predictions, split: str) -> Any:
    known = said.labels >= 0
    return wandb.plot.confusion_matrix(
        y_true=said.labels[known].tolist(),
        preds=said.predicted[known].tolist(),
        class_names=list(said.classes),
        title=f"Confusion matrix ({split})",
    )


def _send_file(
    tracked: wandb.Run,
    name: str,
    kind: str,
    file: Path,
    metadata: dict[str, Any],
    *aliases: str,
) -> None:
    artifact = wandb.Artifact(name, kind, metadata=metadata)
    # A copy outlives a second attempt in the same directory, but weights are too large for one.
    policy: Literal["mutable", "immutable"] = "immutable" if kind == "model" else "mutable"
    artifact.add_file(str(file), name=file.name, policy=policy, skip_cache=True)
    tracked.log_artifact(artifact, aliases=["latest", *aliases])
