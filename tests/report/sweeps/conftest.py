"""Sweeps to show, without any training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from project.runs.directory import RunDirectory
from project.runs.progress import Progress
from project.runs.record import Best, Failure, RunRecord
from project.runs.sweeps import JobStatus, SweepDirectory, SweepFacts

MakeJob = Callable[..., JobStatus]


@pytest.fixture
def sweep(tmp_path: Path) -> SweepDirectory:
    """The directory of a sweep whose name needs quotes in a shell."""
    return SweepDirectory(tmp_path / "sampler=natural,balanced [1]")


@pytest.fixture
def facts() -> SweepFacts:
    return SweepFacts(command=["python", "-m", "project.train"], monitor="val/macro_recall")


@pytest.fixture
def job(sweep: SweepDirectory) -> MakeJob:
    """``job(3, "running")`` makes a job with a seed, in a state, and what belongs to that."""

    def made(seed: int, state: Any = "waiting", **facts: Any) -> JobStatus:
        name = f"seed={seed}"
        made = JobStatus(name, RunDirectory(sweep.path / name), ["data.size=64", name], state=state)
        if state == "running":
            made.place, made.attempts, made.progress = "GPU 2", 1, progress()
        elif state != "waiting":
            made.record = record(state)
        for key, value in facts.items():
            setattr(made, key, value)
        return made

    return made


def progress(**facts: Any) -> Progress:
    known: dict[str, Any] = {
        "epoch": 2, "epochs": 12, "done": 0.2, "monitor": "val/macro_recall", "best": 0.71234,
        "seconds": 30.0, "seconds_left": 120.0,
    }  # fmt: skip
    return Progress(**{**known, **facts})


def record(state: Any, seconds: float = 90.0) -> RunRecord:
    """Of a job that has ended."""
    made = RunRecord(state=state, seconds={"total": seconds})
    if state == "finished":
        made.metrics = {"test/macro_recall": 0.812}
        made.best = Best("val/macro_recall", 0.7654, 3)
    if state == "failed":
        output = "epoch 1\n\x1b[31mtoo [red]wide\x1b[0m\n"
        made.error = Failure("ValueError", "no [bold]such[/bold] layer\nmore", "trace", output)
    return made
