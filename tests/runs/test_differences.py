import math

from project.runs.differences import (
    Change,
    config_changes,
    data_changes,
    environment_changes,
    metric_changes,
)
from project.runs.environment import CodeVersion, Hardware
from project.runs.record import DataFacts, RunRecord

CODE = CodeVersion("c0ffee1234567890", dirty=False)
HARDWARE = Hardware("a processor", 2, 8.0, ["a GPU"])
PACKAGES = {"python": "3.11", "torch": "2.6"}
RECORD = RunRecord(code=CODE, packages=PACKAGES, hardware=HARDWARE)


def test_keys_that_can_change_a_result_are_listed_and_others_counted() -> None:
    then = {"seed": 1, "optimizer": {"lr": 1, "gone": None}, "data": {"num_workers": 0}}
    now = {"seed": 1, "optimizer": {"lr": 1.0, "new": [1]}, "data": {"num_workers": 2}}
    assert config_changes(then, now) == (
        [
            Change("optimizer.lr", "1", "1.0"),
            Change("optimizer.gone", "null", "nothing"),
            Change("optimizer.new", "nothing", "[1]"),
        ],
        1,
    )


def test_value_that_became_a_node_is_one_change() -> None:
    then = {"oversampling": {"factors": {"outer": 4}, "factor": 1}}
    now = {"oversampling": {"factors": None, "factor": 1}}
    assert config_changes(then, now) == ([Change("oversampling.factors", "{outer:4}", "null")], 0)
    assert config_changes(now, then) == ([Change("oversampling.factors", "null", "{outer:4}")], 0)


def test_node_that_is_new_is_told_key_by_key() -> None:
    changes, _ = config_changes({}, {"mixing": {"alpha": 0.2, "prob": 1}})
    assert changes == [
        Change("mixing.alpha", "nothing", "0.2"), Change("mixing.prob", "nothing", "1"),
    ]  # fmt: skip


def test_the_same_surroundings_differ_in_nothing() -> None:
    assert environment_changes(RECORD, CODE, PACKAGES, HARDWARE) == []


def test_code_packages_and_hardware_are_told_apart() -> None:
    found = environment_changes(
        RECORD,
        CodeVersion("beef", dirty=True),
        {"python": "3.11", "torch": "2.7", "timm": "1.0"},
        Hardware("another", 4, 8.0),
    )
    assert found == [
        Change("code", "c0ffee1234", "beef with uncommitted changes"),
        Change("timm", "nothing", "1.0"),
        Change("torch", "2.6", "2.7"),
        Change("processor", "a processor", "another"),
        Change("GPUs", "a GPU", "none"),
    ]


def test_uncommitted_changes_may_be_any_changes() -> None:
    dirty = CodeVersion("beef", dirty=True)
    (change,) = environment_changes(RunRecord(code=dirty), dirty, {}, HARDWARE)
    assert change.what == "code"


def test_code_that_nobody_keeps_is_unknown() -> None:
    (change,) = environment_changes(RECORD, None, PACKAGES, HARDWARE)
    assert change == Change("code", "c0ffee1234", "unknown")


def photos(fingerprint: str, classes: str = "hat top", **images: int) -> RunRecord:
    facts = DataFacts(fingerprint=fingerprint, images=images)
    return RunRecord(classes=classes.split(), data=facts)


def test_data_differ_in_photos_classes_and_splits() -> None:
    then = photos("then5678901234", train=9, val=3, test=3)
    assert data_changes(then, photos("now", "hat outer top", train=12, val=3)) == [
        Change("data", "then567890", "now"),
        Change("classes", "hat, top", "hat, outer, top"),
        Change("train images", "9", "12"),
        Change("test images", "3", "nothing"),
    ]
    assert data_changes(then, photos("now", train=9, val=3, test=3)) == [
        Change("data", "then567890", "now")
    ]


def test_the_same_data_differ_in_nothing_wherever_they_lie() -> None:
    then, now = photos("same", train=9), photos("same", train=9)
    now.data.root = "/moved"
    assert data_changes(then, now) == []


def test_nothing_is_known_of_data_that_were_never_read() -> None:
    assert data_changes(RunRecord(), photos("now", train=9)) == []


def test_metrics_are_compared_exactly() -> None:
    then = {"a": 0.1 + 0.2, "b": math.nan, "c": 1.0, "d": math.nan, "only then": 1.0}
    now = {"a": 0.3, "b": math.nan, "c": 1.0, "d": 0.0}
    assert metric_changes(then, now) == ["a", "d"]
