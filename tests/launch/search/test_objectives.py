import math
from typing import Any

import pytest

from project.errors import ConfigError
from project.launch.search.objectives import OVERALL, SPEED, Objective, read_objectives
from project.models.metrics import metric_names
from project.runs.record import RunRecord

MONITOR = Objective("val/macro_recall", "maximize")


def read(names: Any, directions: Any = None, allow_test: bool = False) -> list[Objective]:
    return read_objectives(names, directions, MONITOR, allow_test=allow_test)


def test_what_a_run_monitors_is_the_objective_by_default() -> None:
    loss = Objective("val/loss", "minimize")
    assert read_objectives(None, None, loss, allow_test=False) == [loss]


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("val/macro_f1", "maximize"),
        ("val/recall/outer coat", "maximize"),
        ("val/calibration_error", "minimize"),
        ("val/loss", "minimize"),
        (SPEED, "minimize"),
    ],
)
def test_direction_is_known_of_each_metric(name: str, direction: Any) -> None:
    assert read(name) == read([name]) == read(name, direction) == [Objective(name, direction)]


def test_two_objectives_have_two_directions() -> None:
    found = read(["val/macro_recall", SPEED], ["maximize", None])
    assert [one.direction for one in found] == ["maximize", "minimize"]


def test_every_metric_of_a_run_can_be_an_objective() -> None:
    names = [name for name in metric_names(["hat"]) if not name.startswith("support")]
    assert {*OVERALL} == {"loss", *(name for name in names if "/" not in name)}
    assert [one.name for one in read([f"val/{name}" for name in names])]


@pytest.mark.parametrize(
    ("names", "directions", "message"),
    [
        ("val/macro_recal", None, r"expected a metric, got .* Did you mean \"val/macro_recall\"\?"),
        ("accuracy", None, 'Did you mean "val/accuracy"'),
        ("banana", None, "There are val/loss, .*milliseconds_per_image and val/recall/<class>"),
        ("train/loss", None, "expected a metric"),
        ("val/support/hat", None, "expected a metric"),
        ([], None, "expected different metrics"),
        (["val/loss", "val/loss"], None, "expected different metrics"),
        ("val/loss", "down", "expected maximize or minimize, got 'down'"),
        ("val/loss", "maximize", "direction=maximize: the best val/loss is the minimum"),
        ("val/accuracy", "minimize", "the best val/accuracy is the maximum"),
        (["val/loss", SPEED], "minimize", "expected one for each of val/loss, milliseconds"),
    ],
)
def test_objective_that_makes_no_sense_is_refused(
    names: Any, directions: Any, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        read(names, directions)


def test_choosing_by_the_test_split_is_refused_unless_allowed() -> None:
    with pytest.raises(ConfigError, match=r"Choose by val/macro_recall; or add .*allow_test=true"):
        read("test/macro_recall")
    assert read("test/macro_recall", allow_test=True)[0].name == "test/macro_recall"


def test_value_is_what_the_record_says() -> None:
    record = RunRecord(metrics={"val/loss": 0.5}, milliseconds_per_image=2.5)
    assert Objective("val/loss", "minimize").value(record) == 0.5
    assert Objective(SPEED, "minimize").value(record) == 2.5


def test_what_was_not_measured_is_not_a_number() -> None:
    record = RunRecord(metrics={})
    assert math.isnan(MONITOR.value(record))
    assert math.isnan(Objective(SPEED, "minimize").value(record))


def test_what_validation_measures_can_be_watched() -> None:
    assert MONITOR.is_validated
    assert not Objective(SPEED, "minimize").is_validated
