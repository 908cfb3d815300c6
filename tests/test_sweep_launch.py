"""Launches of sweeps that have no jobs, so that nothing trains."""

import json
import logging
import os
from pathlib import Path
from typing import Any, cast

import pytest
from omegaconf import OmegaConf

from project.commands.sweeping import Launch, run
from project.launch.jobs.composing import Composer
from project.launch.jobs.executor import Executor
from project.launch.jobs.source import ListedJobs
from project.launch.policy import Policy
from project.runs.launchers import living_launchers
from project.runs.sweeps import SweepDirectory, SweepFacts


@pytest.fixture
def sweep(tmp_path: Path) -> SweepDirectory:
    return SweepDirectory(tmp_path / "sweep")


class Idle:
    """An executor with nothing to do, which remembers who worked on the sweep in the end."""

    holds_locks = True

    def __init__(self, sweep: SweepDirectory) -> None:
        self._sweep = sweep
        self.living: list[str] = []

    def has_room(self) -> bool:
        return False

    def close(self) -> None:
        self.living = living_launchers(self._sweep)


def launch(sweep: SweepDirectory) -> Idle:
    executor = Idle(sweep)
    config = OmegaConf.create(
        {"hydra": {"sweep": {"dir": str(sweep.path)}}, "monitor": "val/accuracy"}
    )
    composer = Composer(cast("Any", None), config)
    run(Launch(composer, "local", Policy(), lambda *_: cast("Executor", executor)), ListedJobs([]))
    return executor


def test_launcher_announces_itself_while_it_runs(sweep: SweepDirectory) -> None:
    (name,) = launch(sweep).living
    assert name.startswith(f"process {os.getpid()} on ")
    assert living_launchers(sweep) == []


def test_damaged_facts_are_written_anew_by_the_next_launch(
    sweep: SweepDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    launch(sweep)
    started = SweepFacts.read(sweep).started
    sweep.facts_file.write_text("{", encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        launch(sweep)
    assert "sweep.json is written anew: Expecting property name" in caplog.text
    facts = SweepFacts.read(sweep)
    assert facts.started >= started
    assert facts.monitor == "val/accuracy"
    assert json.loads(sweep.facts_file.read_bytes())["launcher"] == "local"


def test_next_launch_keeps_when_the_sweep_was_started(sweep: SweepDirectory) -> None:
    SweepFacts(started="long ago", overrides={"seed=1": []}).write(sweep)
    launch(sweep)
    facts = SweepFacts.read(sweep)
    assert (facts.started, facts.overrides) == ("long ago", {"seed=1": []})
