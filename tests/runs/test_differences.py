import math

from project.runs.differences import (
    Change,
    config_changes,
    environment_changes,
    metric_changes,
)
from project.runs.environment import CodeVersion, Hardware
from project.runs.record import RunRecord

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
            Change("optimizer.gone", "null", "-"),
            Change("optimizer.new", "-", "[1]"),
        ],
        1,
    )


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
        Change("timm", "-", "1.0"),
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


def test_metrics_are_compared_exactly() -> None:
    then = {"a": 0.1 + 0.2, "b": math.nan, "c": 1.0, "d": math.nan, "only then": 1.0}
    now = {"a": 0.3, "b": math.nan, "c": 1.0, "d": 0.0}
    assert metric_changes(then, now) == ["a", "d"]
