from pathlib import Path
from typing import Any

import pytest

from project.errors import RunError
from project.launch.jobs.decision import Step, decide
from project.launch.jobs.job import Job
from project.runs.directory import RunDirectory
from project.runs.record import EXITED, KILLED, TIMED_OUT, Failure, State
from tests.left_runs import MakeRun

CONFIG = {"seed": 1, "model": {"width": 8}, "data": {"num_workers": 0}}


def job_in(run: RunDirectory, config: dict[str, Any] = CONFIG) -> Job:
    return Job(run.path.name, run, (), (), config)


def checkpoint(run: RunDirectory) -> RunDirectory:
    run.checkpoints.mkdir()
    run.checkpoint("last").touch()
    return run


def test_job_without_a_record_starts(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "seed=1")
    assert decide(job_in(run)) is Step.START
    run.path.mkdir()
    assert decide(job_in(checkpoint(run))) is Step.START


@pytest.mark.parametrize("state", ["finished", "pruned"])
def test_what_has_ended_for_good_is_skipped(make_run: MakeRun, state: State) -> None:
    assert decide(job_in(make_run("a", CONFIG, state=state))) is Step.SKIP


@pytest.mark.parametrize("state", ["interrupted", "running"])
def test_what_was_stopped_goes_on_from_its_checkpoint(make_run: MakeRun, state: State) -> None:
    run = make_run("a", CONFIG, state=state)
    assert decide(job_in(run)) is Step.START
    assert decide(job_in(checkpoint(run))) is Step.CONTINUE


@pytest.mark.parametrize(
    ("kind", "step"),
    [
        (KILLED, Step.CONTINUE),
        (TIMED_OUT, Step.CONTINUE),
        ("ValueError", Step.START),
        (EXITED, Step.CONTINUE),
        ("SystemExit", Step.START),
        ("RuntimeError", Step.START),
        ("OSError", Step.CONTINUE),
        ("ConnectionResetError", Step.CONTINUE),
        ("FileNotFoundError", Step.CONTINUE),
        ("MemoryError", Step.CONTINUE),
        ("OutOfMemoryError", Step.CONTINUE),
        ("RunError", Step.CONTINUE),
    ],
)
def test_failure_of_its_own_starts_anew_and_one_from_around_it_goes_on(
    make_run: MakeRun, kind: str, step: Step
) -> None:
    run = make_run("a", CONFIG, state="failed", error=Failure(kind, "why"))
    assert decide(job_in(run)) is Step.START
    assert decide(job_in(checkpoint(run))) is step


def test_another_configuration_is_refused_with_what_differs(make_run: MakeRun) -> None:
    run = checkpoint(make_run("a", CONFIG, state="interrupted"))
    other = {**CONFIG, "model": {"width": 16, "depth": 2}}
    message = (
        r"a holds a run \(interrupted\) of another configuration, which stays as it is:\n"
        r"  model\.width: 8 there, 16 here\n  model\.depth: nothing there, 2 here\n"
        r"Choose another folder with hydra\.sweep\.dir=<folder>, or move that run away\."
    )
    with pytest.raises(RunError, match=message):
        decide(job_in(run, other))


def test_long_differences_are_cut(make_run: MakeRun) -> None:
    run = make_run("a", CONFIG)
    other = {**CONFIG, "model": {f"key{number}": 1 for number in range(12)}}
    with pytest.raises(RunError, match=r"key6: nothing there, 1 here\n  and 5 more\n"):
        decide(job_in(run, other))


def test_what_cannot_change_a_result_is_no_other_configuration(make_run: MakeRun) -> None:
    run = make_run("a", CONFIG)
    assert decide(job_in(run, {**CONFIG, "data": {"num_workers": 4}})) is Step.SKIP


def test_fingerprint_that_was_taken_by_other_rules_is_no_difference(make_run: MakeRun) -> None:
    run = make_run("a", CONFIG, config_fingerprint="of another version")
    assert decide(job_in(run)) is Step.SKIP


@pytest.mark.parametrize("state", ["failed", "interrupted", "running"])
def test_run_that_has_reached_nothing_is_not_in_the_way_of_another(
    make_run: MakeRun, state: State
) -> None:
    run = make_run("a", CONFIG, state=state, data="before")
    other = job_in(run, {**CONFIG, "seed": 2})
    assert decide(other, lambda _: "after") is Step.START
    run.config_file.unlink()  # it was killed before it wrote one
    assert decide(other) is Step.START


def test_other_data_are_refused(make_run: MakeRun) -> None:
    run = make_run("a", CONFIG, data="before")
    job = job_in(run)
    assert decide(job, lambda _: "before") is Step.SKIP
    assert decide(job, lambda _: None) is Step.SKIP  # cannot be told
    with pytest.raises(RunError, match=r"other data.*\n  photos, labels or split: before there, a"):
        decide(job, lambda _: "after")


def test_data_are_not_looked_at_where_nothing_is_known_of_those_before(make_run: MakeRun) -> None:
    def look(_: Job) -> str:
        pytest.fail("a scan costs time")

    assert decide(job_in(make_run("a", CONFIG, state="failed")), look) is Step.START
    assert decide(job_in(make_run("b", CONFIG, data="")), look) is Step.SKIP


def test_damaged_record_is_refused(make_run: MakeRun) -> None:
    run = make_run("a", CONFIG)
    run.record_file.write_text("{", encoding="utf-8")
    with pytest.raises(RunError, match="record of a run"):
        decide(job_in(run))
