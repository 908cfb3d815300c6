import json
import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import wandb

from project.callbacks.tracking import results
from project.callbacks.tracking.results import class_rows, log_results, summary
from project.runs.directory import RunDirectory
from project.runs.predictions import Predictions, read_predictions, write_predictions
from project.runs.record import Best, RunRecord, read_record
from project.train import run
from tests.callbacks.tracking.wandb_server import log_out, offline_parts, read_back, records
from tests.conftest import COUNTS, Compose

RECORD = RunRecord(
    classes=["hat", "top"],
    counts={"train": {"hat": 3, "top": 9}, "test": {"hat": 1, "top": 2}},
    metrics={"test/recall/hat": 1.0, "test/precision/hat": 0.5, "test/f1/hat": 0.75},
    best=Best("val/macro_recall", 0.9, epoch=4),
)


def test_each_class_has_a_row_and_what_is_missing_is_nan() -> None:
    columns, rows = class_rows(RECORD, "test")
    assert columns == ["class", "train images", "test images", "recall", "precision", "F1"]
    hat, top = (list(row) for row in rows)
    assert hat == ["hat", 3, 1, 1.0, 0.5, 0.75]
    assert top[:3] == ["top", 9, 2]
    assert all(math.isnan(value) for value in top[3:])


def test_summary_has_the_best_epoch_and_what_decided() -> None:
    found = summary(RECORD)
    assert (found["best/epoch"], found["best/val/macro_recall"]) == (4, 0.9)
    assert found["test/recall/hat"] == 1.0
    assert summary(RunRecord()) == {}


@pytest.fixture
def tracked(
    tiny: Compose, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[RunDirectory]:
    """A finished run of two epochs that was tracked offline."""
    log_out(monkeypatch, tmp_path)
    wandb.teardown()
    cfg = tiny(
        "logger=wandb",
        "logger.wandb.mistakes=3",
        "logger.wandb.log_checkpoint=true",
        "trainer.max_epochs=2",
        "tags=[first, second]",
    )
    run(cfg)
    yield RunDirectory(Path(cfg.paths.run))
    wandb.teardown()


def table(part: Path, key: str) -> dict[str, Any]:
    (file,) = (part / "files" / "media" / "table").glob(f"{key}_*.table.json")
    content: dict[str, Any] = json.loads(file.read_text())
    return content


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # wandb's own, which change with every release
def test_offline_run_holds_all_that_a_run_left(
    tracked: RunDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    record = read_record(tracked)
    (part,) = offline_parts(tracked.path)
    read = read_back(part)
    assert wandb.run is None
    assert (read["state"], read["tags"]) == ("finished", ["first", "second"])
    assert read["config"]["optimizer"]["lr"] > 0
    assert read["config"]["run"]["data_fingerprint"] == record.data.fingerprint
    assert read["config"]["run"]["recipe_fingerprint"] == record.recipe_fingerprint
    assert record.best is not None
    assert read["summary"]["best/epoch"] == record.best.epoch
    for name, value in {**record.metrics, "best/val/macro_recall": record.best.value}.items():
        assert read["summary"][name] == pytest.approx(value, nan_ok=True), name

    history = [line["item"] for line in records(part, "history")]
    assert [line["epoch"] for line in history if "val/macro_recall" in line] == [0, 1]
    pictures = [key for line in history for key in line if key.endswith("._type") and "fig" in key]
    assert {key.removesuffix("._type") for key in pictures} >= {
        "figures/curves", "figures/confusion_val", "figures/confusion_test"
    }  # fmt: skip

    said = read_predictions(tracked, "test")
    classes = table(part, "results/classes")
    assert [row[:3] for row in classes["data"]] == [
        [name, COUNTS["train"][name], COUNTS["test"][name]] for name in said.classes
    ]
    confusion = table(part, "results/confusion_matrix_table")
    right = sum(row[2] for row in confusion["data"] if row[0] == row[1])
    assert right == (said.labels == said.predicted).sum()
    mistakes = table(part, "results/mistakes")
    wrong = (said.labels != said.predicted).sum()
    assert len(mistakes["data"]) == min(3, wrong)
    assert all(row[0] is not None and row[2] != row[3] for row in mistakes["data"])

    artifacts = {found["name"]: found for found in records(part, "artifact")}
    split = artifacts[f"data-{record.data.fingerprint}"]
    assert split["type"] == "dataset"
    assert json.loads(split["metadata"])["counts"] == COUNTS
    assert [content["path"] for content in split["manifest"]["contents"]] == ["splits.csv"]
    (checkpoint,) = [a for name, a in artifacts.items() if name.startswith("checkpoint-")]
    assert checkpoint["type"] == "model"
    (weights,) = checkpoint["manifest"]["contents"]
    assert weights["local_path"] == str(tracked.checkpoint("best"))  # not copied


def test_more_classes_than_a_table_takes_cost_the_matrix_and_a_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    for count in (100, 101):
        directory = RunDirectory(tmp_path / str(count))
        sent = sent_of(directory, [f"class{number}" for number in range(count)])
        assert ("results/confusion_matrix" in sent) == (count == 100)
        assert {"results/classes", "results/mistakes"} <= sent
    (told,) = [message for message in caplog.messages if "matrix" in message]
    assert told == (
        "W&B: the confusion matrix of 101 classes is left out, because a table there takes those "
        "of up to 100."
    )


@pytest.mark.parametrize(
    ("broken", "lost", "told"),
    [
        ("class_rows", "results/classes", "the table of classes"),
        ("_confusion", "results/confusion_matrix", "the confusion matrix"),
        ("confident_mistakes", "results/mistakes", "the mistakes"),
    ],
)
def test_table_that_fails_costs_itself_only(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    broken: str,
    lost: str,
    told: str,
) -> None:
    def failing(*_: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(results, broken, failing)
    sent = sent_of(RunDirectory(tmp_path), ["hat", "top"])
    tables = {"results/classes", "results/confusion_matrix", "results/mistakes"}
    assert tables - sent == {lost}
    assert f"W&B: could not send {told} (RuntimeError: no)." in caplog.text


def sent_of(directory: RunDirectory, classes: list[str]) -> set[str]:
    """Keys that are sent of a run of two photos whose classes were confused."""
    directory.path.mkdir(exist_ok=True)
    logits = np.eye(len(classes), dtype=np.float32)[[1, 0]]
    said = Predictions(np.arange(2), ["a.jpg", "b.jpg"], np.array([0, 1]), logits, classes)
    write_predictions(directory, "test", said)
    sent: set[str] = set()
    tracked = SimpleNamespace(id="1", log=sent.update, summary={})
    log_results(cast("wandb.Run", tracked), directory, RunRecord(classes=classes))
    return sent


def test_damaged_predictions_cost_the_tables_and_no_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = RunDirectory(tmp_path)
    directory.predictions("test").parent.mkdir()
    directory.predictions("test").write_bytes(b"torn")
    tracked = SimpleNamespace(id="1", log=lambda _: None, summary={})
    log_results(cast("wandb.Run", tracked), directory, RECORD)
    assert "W&B: no tables (expected predictions in" in caplog.text
    assert tracked.summary["best/epoch"] == 4
