import io
import json
from typing import Any

import pytest
from rich.console import Console

from project.report.sweeps.summary import hints, print_failures, print_jobs, summarize
from project.runs.directory import RunDirectory
from project.runs.record import Failure, RunRecord, read_record
from project.runs.sweeps import JobStatus, SweepDirectory, SweepFacts
from tests.report.sweeps.conftest import MakeJob


@pytest.fixture
def printed() -> Any:
    """``printed(function, *arguments)`` gives what is printed on 100 columns."""

    def made(function: Any, *arguments: Any) -> str:
        text = io.StringIO()
        function(*arguments, Console(file=text, width=100, color_system=None))
        return text.getvalue()

    return made


def test_each_job_has_a_row(job: MakeJob, facts: SweepFacts, printed: Any) -> None:
    jobs = [job(1, "finished", place="GPU 1"), job(2, "failed"), job(3, note="waits for a disk")]
    lines = printed(print_jobs, jobs, facts).splitlines()
    assert lines[0] == "3 jobs: 1 finished, 0 running, 1 waiting, 1 failed"
    assert "macro recall" in lines[1]
    assert "val/macro_recall" in lines[1]
    rows = [" ".join(line.split()) for line in lines[3:]]
    assert rows == [
        "1 seed=1 finished 81.2 % 0.7654 1 min 30 s GPU 1",
        "2 seed=2 failed – – 1 min 30 s",
        "3 seed=3 waits for a disk waiting – –",
    ]


def test_headline_leads_the_jobs(job: MakeJob, facts: SweepFacts, printed: Any) -> None:
    done = job(1, "finished")
    assert done.record is not None
    done.record.metrics["test/recall/[b]hat"] = 0.25
    facts.headline = "recall/[b]hat"
    lines = printed(print_jobs, [done, job(2, "failed")], facts).splitlines()
    assert lines[1].split()[2:5] == ["state", "recall", "[b]hat"]
    rows = [" ".join(line.split()) for line in lines[3:]]
    assert rows == [
        "1 seed=1 finished 25.0 % 0.7654 1 min 30 s",
        "2 seed=2 failed – – 1 min 30 s",
    ]


def test_places_that_nobody_knows_take_no_column(
    job: MakeJob, facts: SweepFacts, printed: Any
) -> None:
    assert "place" not in printed(print_jobs, [job(1, "finished")], facts)


def test_failures_are_told_with_their_last_words(job: MakeJob, printed: Any) -> None:
    failed = job(2, "failed")
    lines = printed(print_failures, [job(1, "finished"), failed]).splitlines()
    assert lines == [
        "",
        "failed: seed=2",
        "  ValueError: no [bold]such[/bold] layer",
        "  more",
        "  epoch 1",
        "  too [red]wide",
        f"  {failed.run.path}",
    ]


def test_lines_that_are_longer_than_the_console_stay_whole(job: MakeJob, printed: Any) -> None:
    failed = job(2, "failed")
    failed.run = RunDirectory(failed.run.path / ("deep/" * 30) / "end")
    long = "where " * 30 + "the cause comes last"
    failed.record = RunRecord(state="failed", error=Failure("ValueError", long, output=f"{long}!"))
    assert printed(print_failures, [failed]).splitlines()[2:] == [
        f"  ValueError: {long}",
        f"  {long}!",
        f"  {failed.run.path}",
    ]


def test_jobs_that_failed_alike_are_told_once(job: MakeJob, printed: Any) -> None:
    early = job(9, "failed", record=None, note="holds a run of another configuration")
    text = printed(print_failures, [job(n, "failed") for n in range(5)] + [early])
    assert "failed: seed=0 and 4 more" in text
    assert text.count("ValueError") == 1
    assert "failed: seed=9\n  holds a run of another configuration\n" in text


def test_many_kinds_of_failures_are_counted(job: MakeJob, printed: Any) -> None:
    jobs = [job(n, "failed", record=None, note=f"reason {n}") for n in range(13)]
    text = printed(print_failures, jobs)
    assert text.count("failed: ") == 10
    assert "and 3 more kinds of failures, in summary.md" in text


def test_hints_can_be_pasted(job: MakeJob, sweep: SweepDirectory) -> None:
    place = f"{sweep.path}"
    assert "[1]" in place
    sweep.path.mkdir()
    (sweep.path / "summary.md").touch()
    two = [job(1, "finished"), job(2, "finished")]
    assert hints(sweep, two) == [
        f"Which change helped: python -m project.compare 'runs={place}'",
        f"Tables: {place}/summary.md",
    ]
    assert "compare" not in " ".join(hints(sweep, two, comparable=False))
    assert "compare" not in " ".join(hints(sweep, two[:1]))
    (retry, _) = hints(sweep, [job(1, "failed"), job(2, "pruned"), job(3, "finished")])
    assert retry == f"What is not finished: python -m project.sweep retry 'dir={place}'"


def jobs_of(sweep: SweepDirectory, runs: list[RunDirectory]) -> list[JobStatus]:
    return [
        JobStatus(run.path.name, run, record.overrides, record.state, record=record)
        for run in runs
        for record in (read_record(run),)
    ]


def test_summary_of_folds_is_printed_and_written(
    folded: Any, sweep: SweepDirectory, facts: SweepFacts, printed: Any
) -> None:
    name = sweep.path.name
    runs = [folded(f"{name}/fold={fold}", fold=fold) for fold in (0, 1, 2)]
    text = printed(summarize, sweep, facts, jobs_of(sweep, runs))
    assert "Repeats, test images" in text
    assert "3 folds" in text
    assert "6/6 [61.0, 100.0]" in text
    assert "project.compare" not in text  # one recipe
    assert "3 folds" in (sweep.path / "summary.md").read_text(encoding="utf-8")
    plain = json.loads((sweep.path / "summary.json").read_text(encoding="utf-8"))
    assert plain["recipes"][0]["recalls"][0]["correct"] == 6
    assert len((sweep.path / "summary.csv").read_text(encoding="utf-8").splitlines()) == 7


def test_headline_leads_wherever_a_sweep_is_summed_up(
    folded: Any, sweep: SweepDirectory, facts: SweepFacts, printed: Any
) -> None:
    name = sweep.path.name
    runs = [folded(f"{name}/fold={fold}", fold=fold, wrong=(4,)) for fold in (0, 1, 2)]
    facts.headline = "recall/outer"
    text = printed(summarize, sweep, facts, jobs_of(sweep, runs))
    heading = next(line for line in text.splitlines() if line.startswith("recipe"))
    assert heading.split()[1:5] == ["runs", "recall", "outer", "accuracy"]
    for row in ("| recipe | runs | recall outer | accuracy |", "| job | state | recall outer |"):
        assert row in (sweep.path / "summary.md").read_text(encoding="utf-8")
    first = (sweep.path / "summary.csv").read_text(encoding="utf-8").splitlines()[1]
    assert first.startswith("sampler=natural,recall/outer,3,0.66")
    plain = json.loads((sweep.path / "summary.json").read_text(encoding="utf-8"))
    assert plain["headline"] == "recall/outer"


def test_recipes_without_repeats_are_left_to_the_comparison(
    folded: Any, sweep: SweepDirectory, facts: SweepFacts, printed: Any
) -> None:
    name = sweep.path.name
    runs = [folded(f"{name}/{s}", s, fold=None, tested=[0, 3, 6]) for s in ("natural", "root")]
    text = printed(summarize, sweep, facts, jobs_of(sweep, runs))
    assert "Repeats" not in text
    assert "python -m project.compare" in text


def test_folds_of_several_recipes_are_not_sent_to_the_comparison(
    folded: Any, sweep: SweepDirectory, facts: SweepFacts, printed: Any
) -> None:
    runs = [
        folded(f"{sweep.path.name}/{s}{fold}", s, fold=fold)
        for s in ("natural", "root")
        for fold in (0, 1)
    ]
    text = printed(summarize, sweep, facts, jobs_of(sweep, runs))
    assert text.count("2 folds") == 2
    assert "project.compare" not in text


def test_sweep_without_a_finished_job_has_a_summary(
    job: MakeJob, sweep: SweepDirectory, facts: SweepFacts, printed: Any
) -> None:
    text = printed(summarize, sweep, facts, [job(1), job(2, "failed")])
    assert "What is not finished" in text
    assert (sweep.path / "summary.md").is_file()


def test_damaged_run_is_named_and_the_rest_is_said(
    folded: Any, sweep: SweepDirectory, facts: SweepFacts, printed: Any
) -> None:
    run = folded(f"{sweep.path.name}/a")
    jobs = jobs_of(sweep, [run])
    run.config_file.unlink()
    text = printed(summarize, sweep, facts, jobs)
    assert text.startswith("1 job: 1 finished")
    assert "The summary is not complete: expected the configuration of a run" in text
    assert "Tables: " not in text


def test_full_disk_costs_the_files_alone(
    job: MakeJob, sweep: SweepDirectory, facts: SweepFacts, printed: Any
) -> None:
    sweep.path.write_text("a file, where a folder cannot be")
    text = printed(summarize, sweep, facts, [job(1, "failed")])
    assert "failed: seed=1" in text
    assert "The summary is not complete: cannot write" in text
