import shutil
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from project.launch.jobs.checkpoints import Keep, short_of_space, tidy
from project.runs.directory import RunDirectory
from project.runs.lock import Lock
from project.runs.record import Best, RunRecord, State
from project.runs.sweeps import JobStatus, SweepDirectory

FILES = ("best", "last", "previous")


@pytest.fixture
def left(tmp_path: Path) -> Any:
    """``left("a", 0.5)`` leaves a run with three checkpoints and its best value."""

    def made(name: str, value: float | None = None, state: State = "finished") -> JobStatus:
        run = RunDirectory(tmp_path / "sweep" / name)
        best = None if value is None else Best("val/macro_recall", value, 0)
        record = RunRecord(state=state, best=best)
        record.write(run)
        run.checkpoints.mkdir()
        for stem in FILES:
            (run.checkpoints / f"{stem}.ckpt").write_bytes(bytes(1000))
        return JobStatus(name, run, state=state if state != "running" else "failed", record=record)

    return made


def kept(*jobs: JobStatus) -> list[tuple[str, ...]]:
    return [tuple(sorted(f.stem for f in job.run.checkpoints.glob("*.ckpt"))) for job in jobs]


@pytest.mark.parametrize(
    ("keep", "mode", "expected"),
    [
        ("all", "max", [FILES, FILES, FILES]),
        ("best", "max", [("best",), ("best",), ("best",)]),
        ("best_of_sweep", "max", [(), ("best",), ()]),
        ("best_of_sweep", "min", [("best",), (), ()]),
        ("none", "max", [(), (), ()]),
    ],
)
def test_finished_runs_keep_what_was_asked_for(
    left: Any, keep: Keep, mode: str, expected: Sequence[tuple[str, ...]]
) -> None:
    jobs = [left("a", 0.5), left("b", 0.75), left("c", 0.75)]
    tidy(jobs, keep, mode)
    assert kept(*jobs) == expected


def test_best_of_the_sweep_changes_hands(left: Any) -> None:
    first = left("a", 0.5)
    tidy([first], "best_of_sweep", "max")
    assert kept(first) == [("best",)]
    second, third = left("b", 0.75), left("c", 0.25)
    tidy([first, second, third], "best_of_sweep", "max")
    assert kept(first, second, third) == [(), ("best",), ()]


@pytest.mark.parametrize("value", [None, float("nan")])
def test_run_without_a_value_is_never_best(left: Any, value: float | None) -> None:
    blank, good = left("a", value), left("b", 0.1)
    tidy([blank, good], "best_of_sweep", "max")
    assert kept(blank, good) == [(), ("best",)]


@pytest.mark.parametrize("keep", ["best", "best_of_sweep", "none"])
def test_unfinished_runs_keep_all(left: Any, keep: Keep) -> None:
    states: list[State] = ["failed", "interrupted", "running", "pruned"]
    jobs = [left(state, 0.9, state) for state in states]
    tidy(jobs, keep, "max")
    assert kept(*jobs) == [FILES] * len(states)


def test_run_that_a_process_works_on_keeps_all(left: Any) -> None:
    job = left("a", 0.5)
    lock = Lock.take(job.run.lock_file)
    assert lock is not None
    tidy([job], "none", "max")
    assert kept(job) == [FILES]
    lock.release()
    tidy([job], "none", "max")
    assert kept(job) == [()]


def test_run_that_was_begun_anew_elsewhere_keeps_all(left: Any) -> None:
    job = left("a", 0.5)
    RunRecord(state="interrupted").write(job.run)
    tidy([job], "none", "max")
    assert kept(job) == [FILES]


def test_what_cannot_be_deleted_is_a_warning(
    left: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(self: Path, *, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    jobs = [left("a", 0.5), left("b", 0.5)]
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        tidy(jobs, "none", "max")
    assert "Checkpoints of a could not be deleted" in caplog.text
    assert "Checkpoints of b could not be deleted" in caplog.text


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Any:
    """``free(bytes)`` has every disk have so much room."""

    def has(size: int) -> None:
        usage = SimpleNamespace(free=size)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)

    return has


def test_disk_with_room_for_a_run_is_not_short(left: Any, free: Any, tmp_path: Path) -> None:
    sweep, jobs = SweepDirectory(tmp_path / "sweep"), [left("a"), left("b")]
    (jobs[1].run.checkpoints / "last.ckpt.unfinished").write_bytes(bytes(5000))
    free(10_000 + 4 * 5000)
    assert short_of_space(sweep, jobs, 10_000) is None
    free(10_000 + 4 * 5000 - 1)
    assert short_of_space(sweep, jobs, 10_000)


def test_shortage_says_what_is_needed_and_what_to_do(left: Any, free: Any, tmp_path: Path) -> None:
    free(1_500_000_000)
    said = short_of_space(SweepDirectory(tmp_path / "sweep"), [left("a")], 2_000_000_000)
    assert said is not None
    assert said.startswith("expected 2.00 GB of free space for another job (2.00 GB in reserve")
    assert f"got 1.50 GB at {tmp_path / 'sweep'}. Free some" in said
    assert "hydra.launcher.keep_checkpoints=best" in said


def test_sweep_without_a_folder_is_measured_where_it_will_be(tmp_path: Path) -> None:
    sweep = SweepDirectory(tmp_path / "not" / "there")
    assert short_of_space(sweep, [], 0) is None
    said = short_of_space(sweep, [], shutil.disk_usage(tmp_path).total * 2)
    assert said is not None
    assert f"at {tmp_path}. " in said
