"""Finished runs to report on."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from project.runs.directory import RunDirectory
from project.runs.environment import CodeVersion, Hardware
from project.runs.predictions import Predictions, write_predictions
from project.runs.record import Best, DataFacts, RunRecord

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
