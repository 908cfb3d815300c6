import os
from pathlib import Path
from typing import Any

import pytest

from project.launch.jobs.attempt import Attempt, Exit
from project.launch.jobs.job import Job
from project.runs.directory import RunDirectory
from project.runs.lock import INHERITED
from project.runs.record import EXITED, KILLED, TIMED_OUT, Failure, RunRecord, State, read_record


@pytest.fixture
def job(tmp_path: Path) -> Job:
    config = {"seed": 3}
    run = RunDirectory(tmp_path / "seed=3")
    return Job("seed=3", run, ("seed=3",), ("seed=3",), config, environment={"TRIAL": "7"})


def leave(job: Job, state: State, error: Failure | None = None, **facts: Any) -> None:
    """What the process of an attempt writes."""
    RunRecord(state=state, error=error, name="its own", started=state, **facts).write(job.run)


def printed(job: Job, text: bytes) -> None:
    job.run.output_file.parent.mkdir(parents=True, exist_ok=True)
    job.run.output_file.write_bytes(text)


def test_process_is_told_its_sweep_and_its_place_but_no_lock_of_others(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv(INHERITED, "99")
    monkeypatch.setenv("HOME_OF_USER", "kept")
    told = Attempt(job, False).environment(tmp_path, {"CUDA_VISIBLE_DEVICES": "2"})
    assert told["EVENHAND_SWEEP"] == str(tmp_path)
    assert INHERITED not in told
    assert (told["CUDA_VISIBLE_DEVICES"], told["TRIAL"]) == ("2", "7")
    assert told["HOME_OF_USER"] == "kept"
    assert "LOCAL_RANK" not in told


@pytest.mark.parametrize("state", ["finished", "pruned", "interrupted"])
def test_what_a_process_recorded_of_its_end_stands(job: Job, state: State) -> None:
    attempt = Attempt(job, False)
    leave(job, state)
    before = job.run.record_file.read_bytes()
    assert attempt.concluded(Exit(0)).state == state
    assert job.run.record_file.read_bytes() == before


def test_failure_of_its_own_gets_the_last_lines(job: Job) -> None:
    attempt = Attempt(job, False)
    leave(job, "failed", Failure("ValueError", "too wide", "the trace"))
    printed(job, b"loading\n 10%\r 90%\rdone \xff\nbroken\n")
    attempt.concluded(Exit(1))
    error = read_record(job.run).error
    assert error is not None
    assert (error.type, error.message, error.traceback) == ("ValueError", "too wide", "the trace")
    assert error.output == "loading\ndone \ufffd\nbroken"


@pytest.mark.parametrize(
    ("ended", "kind", "message"),
    [
        (Exit(-9), KILLED, "It was killed by SIGKILL. It may have run out of memory."),
        (Exit(-11), KILLED, "It was killed by SIGSEGV."),
        (Exit(-40), KILLED, "It was killed by signal 40."),
        (Exit(3), EXITED, "It ended with exit code 3 by itself."),
        (Exit(0), EXITED, "It ended with exit code 0 by itself."),
        (Exit(None), KILLED, "Its process is gone; nobody saw how it ended."),
        (Exit(143, timed_out=True), TIMED_OUT, "It took longer than timeout_minutes."),
    ],
    ids=lambda value: str(value.code) if isinstance(value, Exit) else "",
)
@pytest.mark.parametrize("recorded", [False, True], ids=["no record", "a record"])
def test_process_that_died_silently_has_failed(
    job: Job, ended: Exit, kind: str, message: str, *, recorded: bool
) -> None:
    attempt = Attempt(job, False)
    if recorded:
        leave(job, "running")
    printed(job, b"\n".join(b"line %d" % number for number in range(100)))
    said = attempt.concluded(ended)
    written = read_record(job.run)
    assert written == said
    assert written.state == "failed"
    assert written.finished
    assert written.error is not None
    assert (written.error.type, written.error.message) == (kind, message)
    assert written.error.output.splitlines()[0] == "line 70"
    assert written.error.output.splitlines()[-1] == "line 99"


def test_record_that_a_process_did_not_come_to_write_says_what_it_was(job: Job) -> None:
    Attempt(job, False).concluded(Exit(1))
    record = read_record(job.run)
    assert record.overrides == ["seed=3"]
    assert (record.name, record.seed) == ("seed=3", 3)
    assert record.config_fingerprint == job.fingerprint
    assert record.started


def test_timeout_marks_what_stopped_but_not_what_came_just_in_time(job: Job) -> None:
    attempt = Attempt(job, False)
    leave(job, "interrupted")
    assert attempt.concluded(Exit(143, timed_out=True)).state == "failed"
    attempt = Attempt(job, True, 2)
    leave(job, "finished", metrics={"test/accuracy": 0.9})
    record = attempt.concluded(Exit(0, timed_out=True))
    assert (record.state, record.metrics) == ("finished", {"test/accuracy": 0.9})


def test_process_that_the_whole_sweep_stopped_has_not_failed(job: Job) -> None:
    record = Attempt(job, False).concluded(Exit(-15, stopped=True))
    assert record.state == read_record(job.run).state == "interrupted"


def test_what_an_attempt_before_recorded_is_not_this_ones_end(job: Job) -> None:
    leave(job, "interrupted", metrics={"val/accuracy": 0.5})
    attempt = Attempt(job, True, 2)
    record = attempt.concluded(Exit(-9))
    assert record.state == "failed"
    assert record.metrics == {"val/accuracy": 0.5}  # still known of it
    assert record.error is not None
    assert record.error.type == KILLED


def test_damaged_record_is_replaced(job: Job) -> None:
    attempt = Attempt(job, False)
    job.run.path.mkdir()
    job.run.record_file.write_text("{")
    assert attempt.concluded(Exit(-9)).name == "seed=3"
    assert read_record(job.run).state == "failed"


def test_long_output_is_read_from_its_end(job: Job) -> None:
    printed(job, b"x" * 5_000_000 + b"\nlast\n")
    error = Attempt(job, False).concluded(Exit(1)).error
    assert error is not None
    assert error.output.endswith("\nlast")
    assert len(error.output) < 100_000
    assert os.path.getsize(job.run.record_file) < 200_000  # noqa: PTH202 - one number


@pytest.mark.parametrize("state", ["finished", "pruned"])
def test_nothing_is_written_over_a_run_that_ended_for_good(job: Job, state: State) -> None:
    leave(job, state)
    before = job.run.record_file.read_bytes()
    assert Attempt(job, False).concluded(Exit(1)).state == state
    assert job.run.record_file.read_bytes() == before
