import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from project.launch.jobs.attempt import Exit
from project.launch.remote import slurm_task
from project.launch.remote.order import Outcome
from project.launch.remote.slurm_task import SlurmTask
from project.runs.sweeps import SweepDirectory
from tests.launch.remote.conftest import MakeOrder

STOPPED = Outcome(Exit(143, stopped=True))


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Collects how long a task waits after its job has ended by a signal."""
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    job: Any = lambda _: SimpleNamespace(outcome=lambda: STOPPED, stop=lambda **_: None)  # noqa: E731
    monkeypatch.setattr(slurm_task, "Supervised", job)
    return waited


def test_allocation_that_slurm_terminates_stays_until_it_is_told_what_is_next(
    make_order: MakeOrder, slept: list[float]
) -> None:
    assert SlurmTask(make_order("ok"))() == STOPPED
    assert slept == [60.0]


def test_allocation_ends_at_once_when_the_launcher_stopped_its_job(
    make_order: MakeOrder, slept: list[float]
) -> None:
    task = SlurmTask(make_order("ok"))
    task._stop(1, None)
    assert task() == STOPPED
    assert slept == []


def test_allocation_ends_at_once_when_the_sweep_is_cancelled(
    make_order: MakeOrder, slept: list[float], sweep: Path
) -> None:
    SweepDirectory(sweep).own.mkdir()
    SweepDirectory(sweep).cancel_file.touch()
    assert SlurmTask(make_order("ok"))() == STOPPED
    assert slept == []


def test_second_request_means_at_once(make_order: MakeOrder) -> None:
    asked: list[bool] = []
    task = SlurmTask(make_order("ok"))
    job: Any = SimpleNamespace(stop=lambda *, at_once: asked.append(at_once))
    task._job = job
    task._stop(1, None)
    task._stop(1, None)
    assert asked == [False, True]
