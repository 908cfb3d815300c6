"""Searches whose trials are no trainings: they measure what their parameters say."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from project.launch.jobs.decision import Step, decide
from project.launch.jobs.job import Job
from project.launch.search.objectives import Objective
from project.launch.search.settings import Search, read_search
from project.launch.search.source import Compose, OptunaSource
from project.launch.search.space import read_space
from project.launch.search.trial import TRIAL, RunningTrial
from project.runs.directory import RunDirectory
from project.runs.names import run_name
from project.runs.record import Failure, RunRecord, read_record
from project.runs.sweeps import JobStatus, SweepDirectory

MONITOR = Objective("val/macro_recall", "maximize")
WORDS = ("data=folder", "lr=tag(log,interval(1e-4,1e-1))", "sampler=natural,balanced")
DEFAULTS: dict[str, Any] = {
    "n_trials": 6,
    "objective": None,
    "direction": None,
    "allow_test": False,
    "sampler": "random",
    "sampler_options": None,
    "seed": 1,
    "pruner": None,
    "pruner_options": None,
    "storage": None,
    "study_name": None,
}


def search_of(sweep: Path, words: Sequence[str] = WORDS, **options: Any) -> Search:
    return read_search(DEFAULTS | options, read_space({}, words), sweep, MONITOR)


def composed(sweep: Path) -> Compose:
    """Makes jobs as a launcher would."""

    def compose(overrides: Sequence[str], number: int, environment: Mapping[str, str]) -> Job:
        config = dict(word.split("=", 1) for word in overrides)
        run = RunDirectory(sweep / run_name(overrides[1:]))
        words = tuple(overrides)
        return Job(run.path.name, run, words, words, config, environment=dict(environment))

    return compose


def measured(job: Job) -> dict[str, float]:
    """The nearer to a learning rate of 0.01 the better."""
    rate = float(job.config.get("lr", 0.01))
    return {"val/macro_recall": 1 / (1 + abs(rate - 0.01)), "val/accuracy": rate}


class Launcher:
    """Runs the trials of a search one after the other; notes each that it trained."""

    def __init__(self, sweep: Path, search: Search, compose: Compose | None = None) -> None:
        self.source = OptunaSource(search, SweepDirectory(sweep), compose or composed(sweep))
        self.trained: list[Job] = []
        self._known: list[Job] | None = None

    def step(self, act: Callable[[Job, RunRecord], None] | None = None) -> JobStatus | None:
        """One trial; None if there is none now."""
        if self._known is None:
            self._known = self.source.known()
        job = self._known.pop(0) if self._known else self.source.take()
        if job is None:
            return None
        if decide(job) is not Step.SKIP:
            self.trained.append(job)
            record = RunRecord(state="finished", config_fingerprint=job.fingerprint)
            record.metrics = measured(job)
            record.milliseconds_per_image = 1.0
            if act is not None:
                act(job, record)
            record.write(job.run)
        record = read_record(job.run)
        status = JobStatus(job.name, job.run, job.overrides, record.state, record=record)
        self.source.ended(status)
        return status

    def run(self, act: Callable[[Job, RunRecord], None] | None = None) -> list[Job]:
        """All trials; returns those that were trained."""
        try:
            while self.step(act):
                pass
        finally:
            self.source.close()
        return self.trained


def fails(job: Job, record: RunRecord) -> None:
    record.state, record.error = "failed", Failure("ValueError", "no such layer")


def prunes(job: Job, record: RunRecord) -> None:
    """Asks the study after each of three epochs, as the callback does."""
    trial = RunningTrial(**json.loads(job.environment[TRIAL]))
    for epoch in range(3):
        if trial.falls_behind(epoch, measured(job)["val/macro_recall"] * (epoch + 1) / 3):
            record.state = "pruned"
            return


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    return tmp_path / "sweep"
