import errno
import json
import math
import os
import sys
import time
from datetime import UTC, datetime
from typing import NoReturn

import pytest

from project.errors import DataError, Pruned, RunError
from project.runs.directory import RunDirectory
from project.runs.environment import CodeVersion, Hardware
from project.runs.record import (
    KILLED,
    Best,
    DataFacts,
    Diagnosis,
    Failure,
    Pretrained,
    RunRecord,
    State,
    read_record,
    recording,
    refuse_finished,
)


def full_record() -> RunRecord:
    return RunRecord(
        state="finished",
        command="python -m project.train seed=3",
        overrides=["seed=3"],
        name="seed=3",
        seed=3,
        headline="recall/모자",
        config_fingerprint="0123456789abcdef",
        recipe_fingerprint="fedcba9876543210",
        started="2024-05-01T10:00:00+00:00",
        finished="2024-05-01T10:02:00+00:00",
        metrics={"test/macro_recall": 0.1 + 0.2, "test/recall/모자": 1.0},
        best=Best("val/macro_recall", 0.9, 7),
        classes=["모자", 't-shirt "old"'],
        counts={"train": {"모자": 21, 't-shirt "old"': 498}},
        draws={"모자": 84, 't-shirt "old"': 498},
        data=DataFacts("/photos", "abc", {"train": 519}, {"모자/1.jpg": "zero bytes"}, 2),
        code=CodeVersion("c0ffee", dirty=True),
        packages={"torch": "2.6.0"},
        hardware=Hardware("a processor", 2, 8.0, ["a GPU"]),
        seconds={"train": 1.5},
        messages=["2 photos of test have near-duplicates in train."],
        diagnoses=[Diagnosis("collapse", "All are 모자.", {"class": "모자", "photos": 40})],
        pretrained=Pretrained("/runs/first", ["seed=2"], "0123", "abcd", {"val/accuracy": 0.5}),
        error=Failure("ValueError", "no", "Traceback"),
    )


def test_a_record_comes_back_as_it_was_written(run: RunDirectory) -> None:
    full_record().write(run)
    assert read_record(run) == full_record()


def test_an_empty_record_comes_back_too(run: RunDirectory) -> None:
    RunRecord().write(run)
    assert read_record(run) == RunRecord()


def test_people_can_read_class_names_in_any_script(run: RunDirectory) -> None:
    full_record().write(run)
    assert '"모자": 21' in run.record_file.read_text(encoding="utf-8")


def test_what_is_not_a_number_is_null_in_the_file_and_nan_again_after(run: RunDirectory) -> None:
    record = RunRecord(metrics={"test/recall/hat": math.nan, "val/loss": math.inf})
    record.best = Best("val/loss", math.nan, 0)
    record.write(run)

    def no_constant(name: str) -> NoReturn:
        raise AssertionError(name)

    text = run.record_file.read_text(encoding="utf-8")
    plain = json.loads(text, parse_constant=no_constant)
    assert plain["metrics"] == {"test/recall/hat": None, "val/loss": None}
    back = read_record(run)
    assert math.isnan(back.metrics["test/recall/hat"])
    assert back.best is not None
    assert math.isnan(back.best.value)


def test_a_file_name_that_is_no_text_survives(run: RunDirectory) -> None:
    name = os.fsdecode(b"hat/\xff.jpg")
    RunRecord(data=DataFacts(skipped={name: "zero bytes"})).write(run)
    assert read_record(run).data.skipped == {name: "zero bytes"}


def test_record_of_a_version_without_headlines_has_the_usual_one(run: RunDirectory) -> None:
    full_record().write(run)
    plain = json.loads(run.record_file.read_bytes())
    del plain["headline"]
    run.record_file.write_text(json.dumps(plain))
    assert read_record(run).headline == "macro_recall"


def test_keys_of_a_later_version_are_left_out(run: RunDirectory) -> None:
    full_record().write(run)
    plain = json.loads(run.record_file.read_bytes())
    plain["invented_later"] = plain["hardware"]["invented_later"] = 1
    run.record_file.write_text(json.dumps(plain))
    assert read_record(run) == full_record()


@pytest.mark.parametrize(
    "content",
    ['{"state": "finis', "[]", "{}", '{"state": "finished", "best": 3}', "\xff"],
    ids=["torn", "a list", "empty", "wrong type", "no text"],
)
def test_a_damaged_record_is_named(run: RunDirectory, content: str) -> None:
    run.path.mkdir(parents=True)
    run.record_file.write_bytes(content.encode("latin-1"))
    with pytest.raises(RunError, match=r"run\.json, got content that is none .*restore it"):
        read_record(run)


def test_a_missing_record_is_named(run: RunDirectory) -> None:
    with pytest.raises(RunError, match=r"expected the record of a run at .*No such file"):
        read_record(run)


def test_a_run_is_running_inside_and_finished_after(run: RunDirectory) -> None:
    with recording(run, RunRecord(name="baseline")) as record:
        assert read_record(run).state == "running"
        assert read_record(run).finished is None
        record.metrics["test/accuracy"] = 0.5
    after = read_record(run)
    assert (after.state, after.name, after.metrics) == (
        "finished",
        "baseline",
        {"test/accuracy": 0.5},
    )
    assert after.finished is not None
    begin, end = datetime.fromisoformat(after.started), datetime.fromisoformat(after.finished)
    assert begin <= end <= datetime.now(UTC)
    assert after.seconds["total"] >= 0


def test_a_failed_run_says_why(run: RunDirectory) -> None:
    def fail(record: RunRecord) -> NoReturn:
        record.metrics["val/accuracy"] = 0.25
        raise DataError("no photos")

    with pytest.raises(DataError, match="no photos"), recording(run, RunRecord()) as record:
        fail(record)
    after = read_record(run)
    assert after.state == "failed"
    assert after.error is not None
    assert (after.error.type, after.error.message) == ("DataError", "no photos")
    assert 'raise DataError("no photos")' in after.error.traceback
    assert after.metrics == {"val/accuracy": 0.25}
    assert "total" in after.seconds


def test_only_the_end_of_a_long_traceback_is_kept(run: RunDirectory) -> None:
    def sink(depth: int) -> NoReturn:
        if depth % 2:  # two alternating lines, which Python does not abbreviate
            sink(depth - 1)
        if depth:
            sink(depth - 1)
        raise DataError("deep")

    with pytest.raises(DataError), recording(run, RunRecord()):
        sink(40)
    error = read_record(run).error
    assert error is not None
    assert len(error.traceback.splitlines()) == 30
    assert error.traceback.endswith("DataError: deep")


@pytest.mark.parametrize("signal", [KeyboardInterrupt(), SystemExit(143)], ids=["ctrl-c", "term"])
def test_an_interrupted_run_is_no_failed_one(run: RunDirectory, signal: BaseException) -> None:
    with pytest.raises(type(signal)), recording(run, RunRecord()):
        raise signal
    assert read_record(run).state == "interrupted"


@pytest.mark.parametrize("code", [0, 1, 3, None, "bye"])
def test_a_run_that_exits_by_itself_has_failed(run: RunDirectory, code: str | int | None) -> None:
    with pytest.raises(SystemExit), recording(run, RunRecord()):
        sys.exit(code)
    record = read_record(run)
    assert record.state == "failed"
    assert record.error is not None
    assert record.error.type == "SystemExit"
    assert "sys.exit(code)" in record.error.traceback


@pytest.mark.parametrize(
    ("state", "error", "then"),
    [
        ("interrupted", Failure("SystemExit", "143"), "interrupted"),
        ("failed", Failure(KILLED, "It was killed by SIGKILL."), "failed"),
        ("running", None, "interrupted"),
    ],
)
def test_an_attempt_that_got_nowhere_leaves_what_was_known_of_the_one_before(
    run: RunDirectory, state: State, error: Failure | None, then: State
) -> None:
    for _ in range(2):
        record = RunRecord(state=state, error=error, messages=["old"])
        with pytest.raises(DataError), recording(run, record, lambda: False):
            raise DataError("no photos")
        after = read_record(run)
        assert (after.state, after.error) == (then, error)
        assert after.messages == [
            "old", "Going on failed before it began (DataError: no photos)."
        ]  # fmt: skip


def test_an_attempt_that_got_somewhere_and_failed_has_failed(run: RunDirectory) -> None:
    before = RunRecord(state="interrupted")
    with pytest.raises(DataError), recording(run, before, lambda: True):
        raise DataError("no photos")
    after = read_record(run)
    assert (after.state, after.messages) == ("failed", [])


def test_a_signal_before_an_attempt_gets_anywhere_is_an_interruption(run: RunDirectory) -> None:
    with pytest.raises(KeyboardInterrupt), recording(run, RunRecord("failed"), lambda: False):
        raise KeyboardInterrupt
    assert read_record(run).state == "interrupted"


def test_a_full_disk_does_not_hide_the_first_error(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fail() -> NoReturn:
        monkeypatch.setattr(os, "fsync", full)
        raise DataError("no photos")

    with pytest.raises(DataError, match="no photos") as caught, recording(run, RunRecord()):
        fail()
    assert "could not be updated" in caught.value.__notes__[0]
    assert "No space left" in caught.value.__notes__[0]


def test_a_run_taken_up_again_forgets_how_it_ended(run: RunDirectory) -> None:
    with pytest.raises(KeyboardInterrupt), recording(run, RunRecord()):
        raise KeyboardInterrupt
    with recording(run, read_record(run)):
        within = read_record(run)
    assert (within.state, within.error, within.finished) == ("running", None, None)
    assert read_record(run).error is None


def test_stages_add_up_and_count_when_they_fail() -> None:
    def fail() -> NoReturn:
        time.sleep(0.01)
        raise DataError("no photos")

    record = RunRecord()
    for _ in range(2):
        with record.stage("train"):
            time.sleep(0.01)
    with pytest.raises(DataError), record.stage("test"):
        fail()
    assert 0.02 <= record.seconds["train"] < 1
    assert 0.01 <= record.seconds["test"] < 1


def test_a_finished_run_is_not_overwritten(run: RunDirectory) -> None:
    with recording(run, RunRecord()):
        refuse_finished(run)
    with pytest.raises(RunError, match=r"a run that finished at 20\d\d-.*overwrite it\. Choose"):
        refuse_finished(run)


def test_a_new_or_an_interrupted_run_may_start(run: RunDirectory) -> None:
    refuse_finished(run)
    with pytest.raises(KeyboardInterrupt), recording(run, RunRecord()):
        raise KeyboardInterrupt
    refuse_finished(run)


def test_a_run_that_goes_on_keeps_its_beginning_and_adds_up_its_time(run: RunDirectory) -> None:
    record = RunRecord()
    record.seconds["total"] = 60.0
    with pytest.raises(KeyboardInterrupt), recording(run, record):
        raise KeyboardInterrupt
    began = record.started = "2026-01-31T12:00:00+00:00"
    with recording(run, record):
        pass
    assert (record.state, record.started, record.error) == ("finished", began, None)
    assert record.seconds["total"] >= 60


def test_a_pruned_run_is_neither_failed_nor_finished(run: RunDirectory) -> None:
    with pytest.raises(Pruned), recording(run, RunRecord()):
        raise Pruned("Trial 3 falls behind.")
    record = read_record(run)
    assert record.state == "pruned"
    assert record.error is not None
    assert record.error.message == "Trial 3 falls behind."


def test_a_remark_is_made_once() -> None:
    record = RunRecord(messages=["first"])
    record.remark(["first", "second"])
    assert record.messages == ["first", "second"]
