import threading
from pathlib import Path

import pytest

from project.errors import RunError
from project.runs import sweeps
from project.runs.directory import RunDirectory
from project.runs.lock import Lock
from project.runs.progress import Progress, write_progress
from project.runs.record import Failure, RunRecord
from project.runs.sweeps import JobStatus, SweepDirectory, SweepFacts, read_job, read_jobs


@pytest.fixture
def sweep(tmp_path: Path) -> SweepDirectory:
    """A sweep of three jobs that has just been written."""
    sweep = SweepDirectory(tmp_path / "sampler=natural,balanced")
    overrides = {name: [f"sampler={name}"] for name in ("root", "natural", "모자")}
    SweepFacts(["python"], "/here", "host", "local", "now", overrides).write(sweep)
    return sweep


def leave(sweep: SweepDirectory, name: str, **facts: object) -> RunDirectory:
    run = RunDirectory(sweep.path / name)
    RunRecord(**facts).write(run)  # type: ignore[arg-type]
    return run


def test_every_file_has_its_place(tmp_path: Path) -> None:
    sweep = SweepDirectory(tmp_path)
    places = {
        sweep.facts_file: "sweep.json",
        sweep.log_file: "sweep.log",
        sweep.own: ".sweep",
        sweep.launchers: ".sweep/launchers",
        sweep.cancel_file: ".sweep/cancel",
    }
    assert places == {tmp_path / expected: expected for expected in places.values()}


def test_facts_are_read_as_they_were_written(sweep: SweepDirectory) -> None:
    facts = SweepFacts.read(sweep)
    assert (facts.command, facts.host, facts.launcher) == (["python"], "host", "local")
    assert list(facts.overrides) == ["root", "natural", "모자"]
    assert facts.monitor_mode == "max"


def test_launchers_of_one_directory_keep_each_others_jobs(sweep: SweepDirectory) -> None:
    ours, theirs = SweepFacts.read(sweep), SweepFacts.read(sweep)
    theirs.overrides = {"root": ["old"], "theirs": []}
    theirs.write(sweep)
    ours.overrides = {"ours": [], "root": ["sampler=root"]}
    ours.write(sweep)
    together = SweepFacts.read(sweep).overrides
    assert list(together) == ["root", "natural", "모자", "theirs", "ours"]
    assert together["root"] == ["sampler=root"]


def test_facts_that_are_written_at_once_lose_no_job(sweep: SweepDirectory) -> None:
    together = threading.Barrier(4)

    def launch(number: int) -> None:
        facts = SweepFacts()
        together.wait()
        for job in range(5):
            facts.overrides[f"{number}-{job}"] = []
            facts.write(sweep)

    threads = [threading.Thread(target=launch, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(SweepFacts.read(sweep).overrides) == 3 + 4 * 5


def test_facts_that_did_not_change_are_not_written_again(sweep: SweepDirectory) -> None:
    before = sweep.facts_file.stat().st_ino
    facts = SweepFacts.read(sweep)
    facts.write(sweep)
    assert sweep.facts_file.stat().st_ino == before
    facts.folder = "/there"
    facts.write(sweep)
    assert SweepFacts.read(sweep).folder == "/there"


def test_process_that_is_suspended_keeps_nobody_from_writing(
    sweep: SweepDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeps, "_PATIENCE_SECONDS", 0.1)
    lock = Lock.take(sweep.own / "facts.lock")
    assert lock is not None
    SweepFacts(overrides={"late": []}).write(sweep)
    lock.release()
    assert list(SweepFacts.read(sweep).overrides) == ["root", "natural", "모자", "late"]


def test_damaged_facts_are_written_anew(sweep: SweepDirectory) -> None:
    sweep.facts_file.write_text("{", encoding="utf-8")
    SweepFacts(overrides={"root": []}).write(sweep)
    assert list(SweepFacts.read(sweep).overrides) == ["root"]


def test_folder_without_a_sweep_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"expected a sweep at .*, got no sweep\.json there"):
        SweepFacts.read(SweepDirectory(tmp_path))


@pytest.mark.parametrize("content", ["", "[1]", '{"color": 1}'], ids=["empty", "list", "unknown"])
def test_damaged_facts_are_named(sweep: SweepDirectory, content: str) -> None:
    sweep.facts_file.write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match=r"facts of a sweep in .*sweep\.json, got content that is"):
        read_jobs(sweep)


def test_job_without_a_directory_waits(sweep: SweepDirectory) -> None:
    jobs = read_jobs(sweep)
    assert [(job.name, job.state) for job in jobs] == [
        ("root", "waiting"), ("natural", "waiting"), ("모자", "waiting")
    ]  # fmt: skip
    assert jobs[0].overrides == ["sampler=root"]
    assert jobs[0].run.path == sweep.path / "root"


@pytest.mark.parametrize("state", ["finished", "failed", "interrupted", "pruned"])
def test_job_that_has_ended_says_how(sweep: SweepDirectory, state: str) -> None:
    leave(sweep, "root", state=state, error=Failure("KILLED", "By a signal."))
    job = read_jobs(sweep)[0]
    assert job.state == state
    assert job.record is not None
    assert job.record.error == Failure("KILLED", "By a signal.")


def test_what_says_that_it_runs_without_a_process_was_interrupted(sweep: SweepDirectory) -> None:
    run = leave(sweep, "root", state="running")
    progress = Progress(1, 2, 0.5, "loss", None, 3.0, None)
    write_progress(run, progress)
    assert read_jobs(sweep)[0].state == "interrupted"
    lock = Lock.take(run.lock_file)
    assert lock is not None
    job = read_jobs(sweep)[0]
    assert (job.state, job.progress) == ("running", progress)
    lock.release()


def test_finished_run_that_a_process_works_on_runs(sweep: SweepDirectory) -> None:
    run = leave(sweep, "root", state="finished")
    lock = Lock.take(run.lock_file)
    assert lock is not None
    assert read_job(JobStatus("root", run)).state == "running"
    lock.release()
    assert read_job(JobStatus("root", run)).state == "finished"


def test_damaged_record_is_named(sweep: SweepDirectory) -> None:
    leave(sweep, "root").record_file.write_text("{")
    with pytest.raises(RunError, match=r"record of a run in .*root.run\.json"):
        read_jobs(sweep)
