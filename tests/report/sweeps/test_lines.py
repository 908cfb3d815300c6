import re
from pathlib import Path

import pytest

from project.report.sweeps.lines import Lines, into
from project.runs.record import Failure
from project.runs.sweeps import JobStatus
from tests.report.sweeps.conftest import MakeJob, progress, record


class Written:
    """Lines without their times."""

    def __init__(self, headline: str = "macro_recall") -> None:
        self.raw: list[str] = []
        self.lines = Lines(self.raw.append, headline)

    def new(self, *jobs: JobStatus) -> list[str]:
        """What a change says that was not said before."""
        before = len(self.raw)
        self.lines.changed(jobs)
        timed = [
            re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  (.*)", x) for x in self.raw[before:]
        ]
        return [" ".join(match[1].split()) for match in timed if match]


@pytest.fixture
def written() -> Written:
    return Written()


def test_a_job_is_told_from_its_start_to_its_end(job: MakeJob, written: Written) -> None:
    one, other = job(1), job(2)
    assert written.new(one, other) == []
    running = job(1, "running")
    assert written.new(running, other) == ["started 1/2 seed=1 on GPU 2"]
    running.progress = progress(epoch=5)
    assert written.new(running, other) == []
    assert written.new(job(1, "finished", attempts=1), other) == [
        "finished 1/2 seed=1 after 1 min 30 s: test macro recall 81.2 %"
    ]
    assert written.new(job(1, "finished", attempts=1), other) == []


def test_headline_is_told_in_words(job: MakeJob) -> None:
    done = job(1, "finished", attempts=1)
    assert done.record is not None
    done.record.metrics["test/recall/[b] \x1b[1mhat"] = 0.25
    told = Written("recall/[b] \x1b[1mhat").new(done)
    assert told[1] == "finished 1/1 seed=1 after 1 min 30 s: test recall of [b] hat 25.0 %"


def test_headline_that_was_not_measured_is_left_out(job: MakeJob) -> None:
    told = Written("f1/hat").new(job(1, "finished", attempts=1))
    assert told[1] == "finished 1/1 seed=1 after 1 min 30 s"


def test_status_may_be_the_same_object_changed(job: MakeJob, written: Written) -> None:
    status = job(1)
    written.new(status)
    status.state, status.attempts = "running", 1
    assert written.new(status) == ["started 1/1 seed=1"]


def test_failure_names_its_cause_and_its_directory(job: MakeJob, written: Written) -> None:
    failed = job(1, "failed", attempts=1)
    cause = "ValueError: no [bold]such[/bold] layer"
    assert written.new(failed) == [
        "started 1/1 seed=1",
        f"failed 1/1 seed=1 after 1 min 30 s: {cause} ({failed.run.path})",
    ]


def test_retry_is_told_with_its_reason_and_its_number(job: MakeJob, written: Written) -> None:
    written.new(job(1, "running"))
    again = job(1, "waiting", attempts=1, record=record("failed"), note="is tried again (1 of 2)")
    assert written.new(again) == [
        "waiting 1/1 seed=1: ValueError: no [bold]such[/bold] layer: is tried again (1 of 2)"
    ]
    goes_on = job(1, "running", attempts=2, note="goes on from its last checkpoint")
    assert written.new(goes_on) == [
        "started 1/1 seed=1 on GPU 2, attempt 2: goes on from its last checkpoint"
    ]


def test_what_happened_between_two_looks_is_not_lost(job: MakeJob, written: Written) -> None:
    written.new(job(1))
    assert [line.split()[0] for line in written.new(job(1, "pruned", attempts=1))] == [
        "started", "pruned"
    ]  # fmt: skip


def test_skipped_and_foreign_jobs_are_told(job: MakeJob, written: Written) -> None:
    skipped = job(1, "finished", skipped=True)
    foreign = job(2, "running", attempts=0, place="", note="by another launcher")
    stopped = job(3, "interrupted")
    assert stopped.record is not None
    stopped.record.error = Failure("SystemExit", "143")  # of no interest: it was asked to
    assert written.new(skipped, foreign, stopped) == [
        "skipped 1/3 seed=1: test macro recall 81.2 % earlier",
        "running 2/3 seed=2: by another launcher",
        "interrupted 3/3 seed=3 after 1 min 30 s",
    ]
    foreign.note = "its launcher is gone"
    assert written.new(skipped, foreign, stopped) == ["note 2/3 seed=2: its launcher is gone"]


def test_trial_has_no_number_of_how_many(job: MakeJob, written: Written) -> None:
    assert written.new(job(1, "running", name="trial=03,seed=1")) == [
        "started trial=03 trial=03,seed=1 on GPU 2"
    ]


def test_no_control_characters_are_written(job: MakeJob, written: Written) -> None:
    failed = job(1, "failed", place="\x1b[31mGPU", attempts=1)
    assert failed.record is not None
    assert failed.record.error is not None
    failed.record.error.message = "\x1b[1mbold\x1b[0m\r\nmore"
    written.new(failed)
    written.lines.said("one\n\x1b[31mtwo\x07\n")
    text = "".join(written.raw)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", text)
    assert written.raw[-1].endswith("  two")
    written.lines.closed()


def test_lines_are_appended_to_a_file(tmp_path: Path) -> None:
    for line in ("one", "모자 \udcff"):
        into(tmp_path / "sweep" / "sweep.log")(line)
    text = (tmp_path / "sweep" / "sweep.log").read_text(encoding="utf-8")
    assert text == "one\n모자 \\udcff\n"


def test_log_that_cannot_be_written_is_a_warning_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    append = into(tmp_path / "file" / "sweep.log")
    append("line")
    append("line")
    assert len(caplog.records) == 1
    assert f"Cannot write {tmp_path}/file/sweep.log: " in caplog.text
