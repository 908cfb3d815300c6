import io

import pytest
from rich.console import Console

from project.report.sweeps.table import jobs_view
from project.runs.sweeps import JobStatus
from tests.report.sweeps.conftest import MakeJob


def shown(
    jobs: list[JobStatus],
    height: int | None = None,
    width: int = 100,
    monitor: str = "val/f1",
    headline: str = "macro_recall",
) -> list[str]:
    text = io.StringIO()
    console = Console(file=text, width=width, color_system=None)
    console.print(jobs_view("my [red]sweep[/red]", jobs, monitor, height, headline))
    return text.getvalue().splitlines()


def test_each_job_has_a_row_with_all_that_is_known(job: MakeJob) -> None:
    lines = shown([job(1, "running"), job(2, "finished", place="GPU 1"), job(3), job(4, "failed")])
    assert lines[0] == "my [red]sweep[/red]"
    assert lines[1].startswith("4 jobs: 1 finished, 1 running, 1 waiting, 1 failed, about ")
    assert lines[2] == "best: val/f1"
    assert lines[3].split() == [
        "job",
        "overrides",
        "state",
        "macro",
        "recall",
        "place",
        "epoch",
        "best",
        "time",
        "left",
    ]
    row = " ".join(lines[5].split())
    assert row.startswith("1 seed=1 running GPU 2 3/12 0.7123 30 s 2 min")
    assert lines[6].split() == [
        "2",
        "seed=2",
        "finished",
        "81.2",
        "%",
        "0.7654",
        "1",
        "min",
        "30",
        "s",
    ]
    assert lines[7].split() == ["3", "seed=3", "waiting"]
    assert lines[8].split()[:3] == ["4", "seed=4", "failed"]


def test_headline_has_a_column_once_a_job_has_reached_it(job: MakeJob) -> None:
    assert "recall" not in shown([job(1, "running"), job(2, "failed")])[3]
    done = job(1, "finished")
    assert done.record is not None
    done.record.metrics["test/recall/[b]hat"] = 0.25
    lines = shown([done, job(2, "finished")], headline="recall/[b]hat")
    assert lines[3].split()[2:5] == ["state", "recall", "[b]hat"]
    assert lines[5].split()[2:5] == ["finished", "25.0", "%"]
    assert lines[6].split()[2:4] == ["finished", "0.7654"]


def test_long_name_of_a_class_leaves_room_for_names_of_jobs(job: MakeJob) -> None:
    name = "No vehicles over 3.5 t permitted here"
    done = job(1, "finished")
    assert done.record is not None
    done.record.metrics[f"test/recall/{name}"] = 0.25
    lines = shown([done], headline=f"recall/{name}", width=80)
    assert "recall No vehicles …" in lines[3]
    assert "seed=1" in lines[5]
    assert max(map(len, lines)) <= 80


def test_notes_stand_beside_the_overrides(job: MakeJob) -> None:
    lines = shown([job(1, note="by another [launcher]\x1b[31m")])
    assert "seed=1  by another [launcher]" in lines[-1]


@pytest.mark.parametrize("height", [8, 12, 24, 60])
def test_long_sweep_fits_the_height(job: MakeJob, height: int) -> None:
    jobs = [job(n, "finished") for n in range(100)]
    jobs += [job(200, "running", overrides=["x" * 300])] + [job(n) for n in range(300, 400)]
    lines = shown(jobs, height)
    assert len(lines) < height
    assert any(" running " in line for line in lines[5:])
    assert lines[-1] == "and 200 more: 100 finished, 100 waiting"
    assert max(map(len, lines)) <= 100


def test_running_jobs_come_before_failures_and_the_latest_failures_before_others(
    job: MakeJob,
) -> None:
    jobs = [job(n, "failed") for n in range(20)] + [job(n, "running") for n in (50, 51)]
    lines = shown(jobs, height=12)
    assert [line.split()[1] for line in lines[5:-1]] == [
        "seed=17", "seed=18", "seed=19", "seed=50", "seed=51"
    ]  # fmt: skip
    assert lines[-1] == "and 17 more: 17 failed"


def test_jobs_that_fit_are_all_shown(job: MakeJob) -> None:
    lines = shown([job(n, "finished") for n in range(5)], height=12)
    assert len(lines) == 10
    assert "more" not in lines[-1]


def test_without_a_height_names_are_broken_and_not_cut(job: MakeJob) -> None:
    lines = shown([job(1, overrides=["a.b=" + "모자" * 60, "seed=1"]), job(2)], width=60)
    assert sum(line.count("모") for line in lines) == 60
    cut = shown([job(1, overrides=["a.b=" + "모자" * 60, "seed=1"]), job(2)], 30, width=60)
    assert sum(line.count("모") for line in cut) < 30
    assert "…" in "".join(cut)


def test_sweep_without_a_monitor_names_none(job: MakeJob) -> None:
    assert not any(line.startswith("best:") for line in shown([job(1)], monitor=""))
