import math

import pytest

from project.report.scores import (
    best_epoch,
    class_scores,
    measured_split,
    overall_metrics,
    percent,
    skipped,
)
from project.runs.record import RunRecord


def test_classes_are_scored_in_the_order_of_the_record(record: RunRecord) -> None:
    scores = class_scores(record, "test")
    assert [score.name for score in scores] == record.classes
    assert [score.train_images for score in scores] == [210, 4984, 20218, 7]
    assert [score.draws for score in scores] == [210, 19936, 20218, 7]
    # By hand: rows 0, 5, 10, ... of 24, 30 and 60 consecutive photos are wrong.
    assert [score.correct for score in scores] == ["19/24", "24/30", "48/60", "–"]
    assert scores[0].recall == pytest.approx(19 / 24)
    assert scores[1].precision == pytest.approx(24 / (24 + 5))


def test_what_was_not_recorded_is_not_defined() -> None:
    score = class_scores(RunRecord(classes=["hat"]), "test")[0]
    assert (score.train_images, score.draws, score.images, score.correct) == (0, None, 0, "–")
    assert math.isnan(score.precision)


def test_a_run_without_a_test_is_judged_by_val(record: RunRecord) -> None:
    assert measured_split(record) == "test"
    assert measured_split(RunRecord(metrics={"val/accuracy": 0.5})) == "val"


def test_metrics_of_single_classes_are_left_out_even_if_a_class_has_slashes() -> None:
    names = ["test/recall/a/b", "test/macro_recall", "val/f1/recall", "test/auroc", "epoch_seconds"]
    record = RunRecord(metrics=dict.fromkeys(names, 0.5))
    assert list(overall_metrics(record)) == ["test/macro_recall", "test/auroc", "epoch_seconds"]


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0.0 %"), (1.0, "100.0 %"), (0.99951, "100.0 %"), (23 / 24, "95.8 %")]
)
def test_shares_have_one_decimal(share: float, text: str) -> None:
    assert percent(share) == text


def test_there_is_nothing_to_say_about_what_did_not_happen() -> None:
    assert (best_epoch(RunRecord()), skipped(RunRecord())) == ("", "")


def test_one_photo_is_no_photos(record: RunRecord) -> None:
    assert skipped(record) == "1 unusable photo, named in run.json"
    record.data.skipped["모자/1.jpg"] = "zero"
    assert skipped(record) == "2 unusable photos, named in run.json"
