"""Finished runs and comparisons to report on."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from project.report.comparison.text import Compared
from project.runs.directory import RunDirectory
from project.runs.environment import CodeVersion, Hardware
from project.runs.groups import Group
from project.runs.predictions import Predictions, write_predictions
from project.runs.record import Best, DataFacts, RunRecord
from project.stats.results import (
    About,
    Comparison,
    Difference,
    Estimate,
    Interval,
    Needed,
    Verdict,
)

CLASSES = ["모자", "외투", 't-shirt "old"', "<b>[red]sh$oe$s[/red]</b>"]
TEST_COUNTS = [24, 30, 60, 0]  # nobody photographed shoes for the test

# Rows and blanks as Lightning's CSV logger leaves them; the third epoch diverged.
METRICS_CSV = """\
epoch,step,test/loss,test/macro_recall,train/accuracy,train/loss,train/macro_recall,\
val/accuracy,val/loss,val/macro_recall
0,9,,,,,,0.5,1.25,0.25
0,9,,,0.625,1.5,0.5,,,
1,19,,,,,,0.75,0.75,0.5
1,19,,,0.875,1.0,0.75,,,
2,29,,,,,,0.625,inf,0.375
2,29,,,0.875,nan,0.75,,,
3,30,0.5,0.625,,,,,,
"""


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run directory with metrics, configuration and predictions for the test split."""
    run = RunDirectory(tmp_path / "oversampling=outer_copy_x4,seed=1")
    write_predictions(run, "test", predictions())
    run.metrics_file.write_text(METRICS_CSV, encoding="utf-8")
    run.config_file.parent.mkdir()
    run.config_file.write_text("data:\n  class_map: {모자: <hat>}\n", encoding="utf-8")
    return run


@pytest.fixture
def record() -> RunRecord:
    """The record that belongs to it."""
    return RunRecord(
        state="finished",
        command="python -m project.train oversampling=outer_copy_x4 'data.root=/my photos'",
        overrides=["oversampling=outer_copy_x4", "seed=1"],
        name="oversampling=outer_copy_x4,seed=1",
        seed=1,
        config_fingerprint="0123456789abcdef",
        started="2024-05-01T10:00:00+00:00",
        finished="2024-05-01T10:02:05+00:00",
        metrics=metrics(),
        best=Best("val/macro_recall", 0.5, 1),
        classes=CLASSES,
        counts={
            "train": dict(zip(CLASSES, [210, 4984, 20218, 7], strict=True)),
            "test": dict(zip(CLASSES, TEST_COUNTS, strict=True)),
        },
        draws=dict(zip(CLASSES, [210, 19936, 20218, 7], strict=True)),
        data=DataFacts("/my photos", "f00d", {"train": 25419, "test": 114}, {"모자/0.jpg": "zero"}),
        code=CodeVersion("c0ffee", dirty=True),
        packages={"torch": "2.6.0"},
        hardware=Hardware("a processor", 2, 8.0, ["a GPU"]),
        seconds={"train": 120.0, "total": 125.0},
        messages=['2 photos of "모자" were <seen> in train.'],
    )


def predictions() -> Predictions:
    """Every fifth photo is taken for the next class."""
    labels = np.repeat(np.arange(4), TEST_COUNTS)
    predicted = np.where(np.arange(len(labels)) % 5 == 0, (labels + 1) % 4, labels)
    logits = np.eye(4, dtype=np.float32)[predicted]
    paths = [f"{CLASSES[label]}/{row}.jpg" for row, label in enumerate(labels)]
    return Predictions(np.arange(len(labels)), paths, labels, logits, CLASSES)


def metrics() -> dict[str, float]:
    """What scikit-learn says about the predictions."""
    said = predictions()
    each = precision_recall_fscore_support(
        said.labels, said.predicted, labels=range(4), zero_division=np.nan
    )
    values = {"val/macro_recall": 0.5, "test/loss": 0.5, "test/calibration_error": float("nan")}
    for metric, scores in zip(("precision", "recall", "f1"), each[:3], strict=True):
        values |= {
            f"test/{metric}/{name}": float(x) for name, x in zip(CLASSES, scores, strict=True)
        }
        values[f"test/macro_{metric}"] = float(np.nanmean(scores))
    return values | {"test/accuracy": float(accuracy_score(said.labels, said.predicted))}


_TRUE_SHIFTS = (0.066, -0.05, 0.002, 0.026)  # by class, and so on in turn
_VERDICTS = (Verdict.BETTER, Verdict.WORSE, Verdict.EQUIVALENT, Verdict.NOT_SHOWN)


@pytest.fixture(scope="session")
def make_comparison() -> Callable[..., Comparison]:
    """Makes comparisons of any size; verdicts take turns over the classes."""
    return made_comparison


@pytest.fixture
def compared(tmp_path: Path, make_comparison: Callable[..., Comparison]) -> Compared:
    """Two variants of three runs each, whose directories have learning curves."""
    comparison = make_comparison()
    groups = [
        trained_group(tmp_path, name, place) for place, name in enumerate(comparison.groups)
    ]  # fmt: skip
    notes = ['2 photos of "모자" were left out <everywhere>.']
    command = "python -m project.compare outputs/sweeps/clothing name=clothing"
    return Compared(comparison, groups, notes, command, "clothing")


def made_comparison(
    classes: Sequence[str] = ("hat", "outer", "top", "shoes"),
    groups: Sequence[str] = ("oversampling=none", "oversampling=outer_copy_x4", "sampler=balanced"),
    runs: int = 3,
) -> Comparison:
    """Numbers that look like real ones; nothing about them is computed."""
    images = tuple(24 + 865 * (place % 3) for place in range(len(classes)))
    metrics = ["accuracy", "macro_recall", "macro_f1"]
    metrics += [f"{kind}/{name}" for kind in ("recall", "precision") for name in classes]
    shown = [
        made_metric(place, group, metric, runs, _images(metric, classes, images))
        for group in range(len(groups))
        for place, metric in enumerate(metrics)
    ]
    return Comparison(
        baseline=groups[0],
        groups=tuple(groups),
        classes=tuple(classes),
        images=images,
        confidence=0.95,
        margin=0.01,
        estimates=tuple(replace(estimate, group=groups[g]) for g, estimate, _ in shown),
        differences=tuple(replace(d, variant=groups[g]) for g, _, d in shown if g),
    )


def made_metric(
    place: int, group: int, metric: str, runs: int, images: int
) -> tuple[int, Estimate, Difference]:
    """One metric of one group and its difference to the baseline."""
    kind = (place + group) % 4
    shift = 0.0 if group == 0 else _TRUE_SHIFTS[kind] + 0.001 * group
    half = 0.004 if kind == 2 else 0.027
    mean = 0.8 + 0.03 * (place % 5) + shift
    counted = runs == 1 and not metric.startswith(("macro", "precision"))
    estimate = Estimate(
        "", metric, mean, 0.012 if runs > 1 else math.nan, runs, images,
        round(mean * images) if counted else None, Interval(mean - 0.02, mean + 0.02),
    )  # fmt: skip
    verdict = _VERDICTS[kind]
    difference = Difference(
        "", metric, shift, Interval(shift - half, shift + half), 0.002, 0.0312, 0.4, 0.934, verdict,
        About.RECIPES if runs > 1 else About.MODELS, "a paired test by image and seed",
        Needed(abs(shift), 9, 10 * images) if verdict is Verdict.NOT_SHOWN else None,
    )  # fmt: skip
    return group, estimate, difference


def trained_group(folder: Path, name: str, place: int) -> Group:
    """Runs that have logged five epochs; the first is one epoch shorter than the others."""
    runs = []
    for seed in (1, 2, 3):
        run = RunDirectory(folder / f"group{place},seed={seed}")
        run.path.mkdir()
        rows = "".join(
            f"{epoch},{0.5 + 0.05 * epoch + 0.02 * seed + 0.03 * place},{1 / (epoch + 1)},"
            f"{1.2 / (epoch + 1) + 0.05 * seed}\n"
            for epoch in range(4 if seed == 1 else 5)
        )
        header = "epoch,val/macro_recall,train/loss,val/loss\n"
        run.metrics_file.write_text(header + rows, encoding="utf-8")
        runs.append(run)
    return Group(name, f"{place:016x}", tuple(runs), (1, 2, 3), {"oversampling.factors": place})


def _images(metric: str, classes: Sequence[str], images: Sequence[int]) -> int:
    kind, _, name = metric.partition("/")
    return images[classes.index(name)] if kind == "recall" else sum(images)
