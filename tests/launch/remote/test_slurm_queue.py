from pathlib import Path

import pytest

from project.launch.remote.slurm_queue import Queued, SlurmQueue, take_back
from project.runs.sweeps import SweepDirectory
from tests.launch.remote.slurm_box import Box, put_into_path


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    return put_into_path(tmp_path, monkeypatch)


def test_what_was_submitted_last_is_remembered(sweep: Path) -> None:
    SlurmQueue(SweepDirectory(sweep)).remember({"a": Queued("41_0", "x"), "b": Queued("41_1", "y")})
    SlurmQueue(SweepDirectory(sweep)).remember({"b": Queued("42", "y")})
    known = SlurmQueue(SweepDirectory(sweep)).known()
    assert known == {"a": Queued("41_0", "x"), "b": Queued("42", "y")}


def test_controller_is_not_asked_again_at_once(sweep: Path, box: Box) -> None:
    queue = SlurmQueue(SweepDirectory(sweep))
    box.queue(_1="RUNNING")
    assert queue.states() == {"1": "RUNNING"}
    box.queue()
    assert queue.states() == {"1": "RUNNING"}
    assert queue.states(now=True) == {}
    assert queue.answers == 2


def test_controller_that_does_not_answer_changes_nothing(
    sweep: Path, box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    queue = SlurmQueue(SweepDirectory(sweep))
    box.queue(_1="RUNNING")
    queue.states()
    (tmp_path / "bin" / "squeue").write_text("#!/bin/bash\necho too busy >&2; exit 1\n")
    assert queue.states(now=True) == {"1": "RUNNING"}
    assert queue.answers == 1
    assert "squeue: too busy" in caplog.text


def test_jobs_of_a_sweep_are_taken_back_without_its_launcher(sweep: Path, box: Box) -> None:
    jobs = {name: Queued(f"41_{number}", "") for number, name in enumerate("abc")}
    SlurmQueue(SweepDirectory(sweep)).remember(jobs)
    box.queue(_41_0="RUNNING", _41_1="PENDING", _7="PENDING")
    assert take_back(SweepDirectory(sweep)) == 1
    assert box.cancelled == ["--signal=HUP 41_0", "41_1"]


def test_sweep_that_never_was_in_the_queue_has_nothing_to_be_taken_back(sweep: Path) -> None:
    assert take_back(SweepDirectory(sweep)) == 0
