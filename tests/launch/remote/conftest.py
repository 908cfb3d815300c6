"""Jobs that stand for trainings, orders for them, and a SLURM that takes them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from project.launch.jobs.attempt import Attempt
from project.launch.jobs.job import Job
from project.launch.remote import slurm_clusters, slurm_queue
from project.launch.remote.order import Order, order_for
from project.runs.directory import RunDirectory
from project.runs.fingerprint import config_fingerprint
from tests.launch.remote.slurm_box import Box, put_into_path

MakeJob = Callable[..., Job]
MakeOrder = Callable[..., Order]
Notes = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """The folder of a sweep."""
    folder = tmp_path / "sweep"
    folder.mkdir()
    return folder


@pytest.fixture
def make_job(sweep: Path) -> MakeJob:
    """``make_job(name, act)``: what `tests.launch.fake_job` does in place of a training."""

    def made(name: str, act: str, module: str = "tests.launch.fake_job", **config: Any) -> Job:
        config = {"seed": 1, "act": act, **config}
        words = (f"+act={act}", f"+fingerprint={config_fingerprint(config)}")
        run = RunDirectory(sweep / name)
        return Job(name, run, (f"act={act}",), words, config, module)

    return made


@pytest.fixture
def make_order(sweep: Path, make_job: MakeJob) -> MakeOrder:
    """``make_order(act)``: an order for one job."""

    def made(act: str, timeout_minutes: float | None = None, **given: Any) -> Order:
        attempt = Attempt(make_job("a", act, **given), resume=False)
        return order_for(attempt, sweep, cores=1, gpus=0, timeout_minutes=timeout_minutes)

    return made


@pytest.fixture
def notes(sweep: Path) -> Notes:
    """``notes()``: what jobs noted of themselves when they ended."""

    def read() -> list[dict[str, Any]]:
        file = sweep / "notes.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    return read


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    """A SLURM that answers whenever it is asked."""
    monkeypatch.setattr(slurm_queue, "_ASK_SECONDS", 0.2)
    monkeypatch.setattr(slurm_clusters.SlurmCluster, "look_seconds", 0.0)
    return put_into_path(tmp_path, monkeypatch)
