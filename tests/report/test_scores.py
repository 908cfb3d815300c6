import math

import pytest

from project.report.scores import (
    best_epoch,
    class_scores,
    measured_split,
    measured_tests,
    overall_metrics,
    percent,
    side_by_side,
    skipped,
    worst_test,
    worst_text,
)
from project.runs.record import Best, RunRecord


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


def scored(**recalls: float) -> RunRecord:
    """A run with these macro recalls, and losses that fall as they rise."""
    metrics = {f"{split}/macro_recall": value for split, value in recalls.items()}
    metrics |= {f"{split}/loss": 1 - value for split, value in recalls.items()}
    counts = {split: {"hat": 3, "top": 4} for split in recalls}
    best = Best("val/macro_recall", 0.9, 1)
    return RunRecord(metrics=metrics, best=best, classes=["hat", "top"], counts=counts)


def test_tests_are_listed_in_the_order_of_the_record() -> None:
    assert measured_tests(scored(val=0.9, test=0.8, test_b=0.7, test_a=0.6)) == [
        "test",
        "test_b",
        "test_a",
    ]


def test_run_without_a_test_split_is_judged_by_a_named_set_only_if_nothing_else_was() -> None:
    assert measured_split(scored(val=0.9, test_a=0.6)) == "val"
    assert measured_split(scored(test_b=0.6)) == "test_b"


@pytest.mark.parametrize(
    ("monitor", "value"), [("val/macro_recall", 0.4), ("val/loss", pytest.approx(0.6))]
)
def test_worst_test_is_the_lowest_score_or_the_largest_loss(monitor: str, value: float) -> None:
    worst = worst_test(scored(val=0.1, test=0.8, test_a=0.4, test_b=0.7), monitor)
    assert worst is not None
    assert worst.split == "test_a"
    assert worst.metrics == {f"worst_test/{monitor.removeprefix('val/')}": value}


def test_what_is_not_a_number_is_not_the_worst_and_one_test_has_none() -> None:
    record = scored(test=0.8, test_a=math.nan, test_b=0.9)
    worst = worst_test(record, "val/macro_recall")
    assert worst is not None
    assert worst.split == "test"
    assert worst_test(scored(val=0.1, test=0.8), "val/macro_recall") is None
    assert worst_test(scored(test=0.8, test_a=math.nan), "val/macro_recall") is None


def test_worst_test_reads_well() -> None:
    record = scored(test=0.8, test_a=0.4)
    assert worst_text(record) == "test_a (macro recall 40.0 %)"
    record.best = Best("val/loss", 0.1, 1)
    assert worst_text(record) == "test_a (loss 0.6000)"
    assert worst_text(scored(test=0.8)) == worst_text(RunRecord()) == ""


def test_tests_stand_side_by_side() -> None:
    record = scored(test=0.8, test_a=0.4)
    record.metrics["test_a/recall/top"] = 0.25
    rows = dict(side_by_side(record))
    assert rows["images"] == ["7", "7"]
    assert rows["macro recall"] == ["80.0 %", "40.0 %"]
    assert rows["recall top"] == ["–", "25.0 %"]
    assert side_by_side(scored(val=0.5, test=0.8)) == []


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


def test_headline_leads_the_tests_side_by_side_and_comes_once() -> None:
    record = scored(test=0.8, test_a=0.4)
    record.headline = "recall/top"
    record.metrics |= {"test/recall/top": 0.75, "test_a/recall/top": 0.25}
    headings = [heading for heading, _ in side_by_side(record)]
    assert headings == [
        "images",
        "recall top",
        "macro recall",
        "accuracy",
        "macro F1",
        "recall hat",
    ]
    assert side_by_side(record)[1] == ("recall top", ["75.0 %", "25.0 %"])
