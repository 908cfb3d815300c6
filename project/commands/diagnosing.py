"""Brings together what a run has recorded and what tells whether something is wrong with it."""

import csv
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytorch_lightning as pl
from omegaconf import DictConfig, OmegaConf

from project.callbacks.diagnoses.answers import collapse, never_predicted
from project.callbacks.diagnoses.generalizing import Drop, far_below
from project.callbacks.diagnoses.learning import at_chance, high_rate, low_rate, overfitting
from project.callbacks.diagnoses.outputs import clamped_logits, normalized_logits
from project.callbacks.diagnoses.seen import Curves, Seen, Setup
from project.callbacks.diagnoses.units import dead_units
from project.callbacks.diagnoses.watching import Watch
from project.models.chance import loss_of_guessing
from project.models.classifier import Classifier
from project.runs.directory import RunDirectory
from project.runs.metric_names import NAMED_TEST
from project.runs.predictions import Predictions, read_predictions
from project.runs.record import Diagnosis, RunRecord

if TYPE_CHECKING:
    from project.stats.counts import Counts

_UNCERTAIN = 0.05  # chance that one of several intervals misses
_CURVES = {
    "train_loss": "train/loss",
    "val_loss": "val/loss",
    "train_recall": "train/macro_recall",
    "val_recall": "val/macro_recall",
}


def diagnoses(
    cfg: DictConfig,
    trainer: pl.Trainer,
    model: Classifier,
    record: RunRecord,
    directory: RunDirectory,
) -> list[Diagnosis]:
    """Says what is wrong with a training, as far as its numbers show it.

    Args:
        cfg: Its configuration.
        trainer: Has trained, and measured the best epoch.
        model: What was trained.
        record: Has the metrics.
        directory: Has the numbers of the epochs and the predictions.

    Returns:
        What was found; nothing if no callback has watched.
    """
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    watching = [callback.seen for callback in callbacks if isinstance(callback, Watch)]
    if not watching:
        return []
    said = [
        read_predictions(directory, split)
        for split in ("val", "test")
        if split in directory.predicted_splits
    ]
    seen = watching[0]
    heads = 1 + seen.auxiliary * (model.aux_weight or 0.0)  # each guesses as well
    chance = heads * loss_of_guessing(model.loss, list(record.draws.values()))
    curves = curves_of(directory)
    setup = _setup(cfg, record, curves)
    far = [far_below(drop) for drop in drops(record, len(seen.validations))]
    return found_in(seen, curves, said, chance, setup) + [drop for drop in far if drop]


def found_in(
    seen: Seen, curves: Curves, said: list[Predictions], chance: float, setup: Setup
) -> list[Diagnosis]:
    """All diagnoses of a training itself, the plainest first.

    Args:
        seen: By the callback.
        curves: By epoch.
        said: Predictions of the best epoch, those of validation first.
        chance: The training loss of the best constant answer.
        setup: What was configured.

    Returns:
        What was found. What another diagnosis says already is left out.
    """
    predicted, support = _answers(said, len(setup.classes))
    val = _answers(said[:1], len(setup.classes))[1].astype(float)
    logits = said[0].logits
    clamped = clamped_logits(logits, seen.tail)
    dead = dead_units(seen.validations, setup)
    low = low_rate(curves, chance, setup)
    rate = high_rate(seen, curves, chance, setup) or low
    stuck = None if rate or clamped or dead else at_chance(curves, chance, val, setup)
    collapsed = collapse(seen.validations, setup, clamped or dead or low or stuck)
    missed = never_predicted(predicted.tolist(), support.tolist(), seen.validations, setup)
    every = [
        collapsed,
        clamped,
        normalized_logits(logits, seen.tail),
        None if collapsed else missed,
        dead,
        rate,
        stuck,
        overfitting(_comparable(curves, seen), chance, val),
    ]
    return [diagnosis for diagnosis in every if diagnosis]


def _comparable(curves: Curves, seen: Seen) -> Curves:
    """Averaged weights lag behind those that are trained, so a gap between them says nothing."""
    nothing = np.full_like(curves.train_recall, np.nan)
    return replace(curves, train_recall=nothing) if seen.averaged else curves


def curves_of(directory: RunDirectory) -> Curves:
    """Reads the numbers of each epoch; where it was validated more than once, the last ones.

    Args:
        directory: Of the run. A run that went on has all of its rows.
    """
    with directory.metrics_file.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("epoch")]
    known = {
        key: {int(row["epoch"]): float(row[name]) for row in rows if row.get(name)}
        for key, name in _CURVES.items()
    }
    epochs = range(1 + max((epoch for of in known.values() for epoch in of), default=-1))
    return Curves(
        **{key: np.array([of.get(epoch, np.nan) for epoch in epochs]) for key, of in known.items()}
    )


def _setup(cfg: DictConfig, record: RunRecord, curves: Curves) -> Setup:
    lr = OmegaConf.select(cfg, "optimizer.lr")
    weights = OmegaConf.select(cfg, "loss.class_weights")
    draws = list(record.draws.values())
    return Setup(
        classes=tuple(record.classes),
        lr=float(lr) if isinstance(lr, int | float) else None,
        epochs=int(np.isfinite(curves.train_loss).sum()),
        balanced=max(draws) < 1.5 * min(draws) or weights == "balanced",
    )


def _answers(said: list[Predictions], classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Photos that were taken for each class, and photos of it."""
    predicted = np.zeros(classes, dtype=np.int64)
    support = np.zeros(classes, dtype=np.int64)
    for split in said:
        predicted += np.bincount(split.predicted, minlength=classes)
        support += np.bincount(split.labels[split.labels >= 0], minlength=classes)
    return predicted, support


def drops(record: RunRecord, validations: int) -> list[Drop]:
    """Compares splits that should be recognised alike.

    The test split is compared with validation, and test sets of other names with the test split,
    or with validation where there is none. Classes that one of the two lacks are left out.

    Args:
        record: Has the metrics of all splits.
        validations: How many there were. The best of them has been chosen, and so looks better
            than it is: its interval is that of as many comparisons.
    """
    names = dict.fromkeys(name.partition("/")[0] for name in record.metrics)
    sets = [name for name in names if name.startswith(NAMED_TEST)]
    usual = "test" if "test" in names else "val"
    pairs = [("val", "test", validations)] if "test" in names else []
    pairs += [(usual, name, len(sets) * (1 if usual == "test" else validations)) for name in sets]
    compared = (
        _drop(one, _counts(record, one), other, _counts(record, other), max(times, 1))
        for one, other, times in pairs
    )
    return [drop for drop in compared if drop]


def _counts(record: RunRecord, split: str) -> "Counts":
    """Recognised and all photos of each class that has any."""
    counts = {}
    for name in record.classes:
        images = record.metrics.get(f"{split}/support/{name}", 0.0)
        if images > 0:
            hits = round(record.metrics[f"{split}/recall/{name}"] * images)
            counts[name] = (hits, int(images))
    return counts


def _drop(
    usual: str, of_usual: "Counts", other: str, of_other: "Counts", times: int
) -> Drop | None:
    from project.stats.counts import compare_counts  # noqa: PLC0415 - statsmodels takes a second

    shared = [name for name in of_usual if name in of_other]
    if not shared:
        return None
    sides: Mapping[str, Counts] = {
        usual: {name: of_usual[name] for name in shared},
        other: {name: of_other[name] for name in shared},
    }
    confidence = 1 - _UNCERTAIN / times
    found = compare_counts(sides, usual, metrics=["macro_recall"], confidence=confidence)
    difference = found.differences[0]
    means = {estimate.group: estimate.mean for estimate in found.estimates}
    return Drop(
        usual=usual,
        other=other,
        macro_recall=means[other],
        expected=means[usual],
        low=-difference.interval.high,
        high=-difference.interval.low,
        images=sum(images for _, images in sides[other].values()),
    )
