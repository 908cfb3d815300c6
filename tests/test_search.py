"""Searches as a user starts them, killed and started again."""

import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from omegaconf import OmegaConf
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from sqlalchemy.exc import OperationalError

from hydra_plugins.evenhand.launchers import LocalLauncher
from hydra_plugins.evenhand.sweepers import OptunaSweeper
from project.commands import searching
from project.commands.searching import search
from project.errors import ConfigError
from project.launch.jobs.source import Source
from project.launch.search.objectives import Objective
from project.launch.search.settings import read_search
from project.launch.search.space import read_space
from project.launch.search.storage import open_storage
from project.launch.search.trial import RunningTrial
from project.runs.directory import RunDirectory
from project.runs.record import read_record
from project.runs.sweeps import JobStatus
from tests.conftest import REPOSITORY, TINY, TINY_MODEL, Command, command_environment

TRIALS = 20
SPACE = ("optimizer.lr=tag(log,interval(1e-5,1e-1))", "sampler=natural,balanced")


def study_of(sweep: Path) -> optuna.Study:
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(sweep / "study.journal")))
    return optuna.load_study(study_name=sweep.name, storage=storage)


def search_words(photos: Path, sweep: Path, *words: str) -> list[str]:
    return [
        "sweep=optuna",
        *TINY,
        *TINY_MODEL,
        f"data.root={photos}",
        *SPACE,
        f"hydra.sweep.dir={sweep}",
        *words,
    ]


def descendants(process: int) -> list[int]:
    """All processes below one, by what the kernel knows of parents."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended since
            continue
        parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, left = [], [process]
    while left:
        children = parents.get(left.pop(), [])
        found += children
        left += children
    return found


@pytest.fixture
def kill() -> Iterator[object]:
    """``kill(process, all_of_it)``; whatever it leaves is killed in the end."""
    started: set[int] = set()

    def killed(process: subprocess.Popen[bytes], *, with_jobs: bool) -> None:
        below = descendants(process.pid)
        started.update(below)
        process.kill()
        process.wait()
        for one in below if with_jobs else []:
            _kill(one)

    yield killed
    for one in started:
        if _is_ours(one):
            _kill(one)


def _kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return


def _is_ours(process: int) -> bool:
    """An id may have been given to another process since."""
    try:
        return b"project." in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False


@pytest.mark.slow
def test_search_killed_three_times_ends_with_exactly_its_trials(
    command: Command, photos: Path, tmp_path: Path, kill: object
) -> None:
    assert callable(kill)
    sweep, moments = tmp_path / "sweep", random.Random(3)
    early = "hydra.sweeper.pruner_options={n_startup_trials: 2}"
    words = search_words(
        photos, sweep, "trainer.max_epochs=3", "hydra.sweeper.pruner=median", early,
        f"hydra.sweeper.n_trials={TRIALS}",
    )  # fmt: skip
    for with_jobs in (True, False, True):
        with (tmp_path / "output.log").open("ab") as output:
            launcher = subprocess.Popen(
                [sys.executable, "-m", "project.train", *words],
                cwd=REPOSITORY, env=command_environment(tmp_path), stdout=output, stderr=output,
            )  # fmt: skip
        before = len(list(sweep.glob("trial=*/run.json")))
        while len(list(sweep.glob("trial=*/run.json"))) < before + 3 and launcher.poll() is None:
            time.sleep(0.05)
        time.sleep(moments.uniform(0, 2))
        assert launcher.poll() is None, (tmp_path / "output.log").read_text()[-3000:]
        kill(launcher, with_jobs=with_jobs)
    done = command("train", *words)
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-3000:]

    trials = study_of(sweep).trials
    states = [trial.state for trial in trials]
    assert len(trials) == TRIALS
    assert set(states) == {TrialState.COMPLETE, TrialState.PRUNED}
    assert f"{TRIALS} trials: " in done.stdout
    runs = sorted(path.parent for path in sweep.glob("trial=*/run.json"))
    assert [run.name[:10] for run in runs] == [f"trial={number:04}" for number in range(TRIALS)]
    chosen = {tuple(trial.params.items()) for trial in trials}
    assert len(chosen) == TRIALS
    for run, trial in zip(runs, trials, strict=True):
        record = read_record(RunDirectory(run))
        assert record.state == ("finished" if trial.state is TrialState.COMPLETE else "pruned")
        if trial.state is TrialState.COMPLETE:
            assert trial.value == record.metrics["val/macro_recall"]


@pytest.mark.slow
def test_search_prints_a_command_that_trains_the_best_trial_again(
    command: Command, photos: Path, tmp_path: Path
) -> None:
    sweep = tmp_path / "sweep"
    done = command("train", *search_words(photos, sweep, "hydra.sweeper.n_trials=3"))
    assert done.returncode == 0, done.stderr[-3000:]
    found = re.search(r"Best trial (\d): val/macro_recall \S+\n +(python -m .*)", done.stdout)
    assert found is not None, done.stdout
    best = next(sweep.glob(f"trial=000{found[1]},*"))
    words = shlex.split(found[2])[3:]
    again = command("train", *words, f"hydra.run.dir={tmp_path}/again")
    assert again.returncode == 0, again.stderr[-3000:]
    then, now = (read_record(RunDirectory(path)) for path in (best, tmp_path / "again"))
    assert now.config_fingerprint == then.config_fingerprint
    assert now.metrics == then.metrics
    left = {file.name for file in (sweep / "search").iterdir()}
    assert {"trials.csv", "history.png", "parameters.png", "epochs.png"} <= left


@pytest.mark.slow
def test_search_for_two_goals_in_a_database_prints_what_is_not_beaten(
    command: Command, photos: Path, tmp_path: Path
) -> None:
    words = search_words(
        photos, tmp_path / "sweep",
        "hydra.sweeper.objective=[val/macro_recall,milliseconds_per_image]",
        "hydra.sweeper.sampler=nsgaii", "hydra.sweeper.sampler_options={population_size: 2}",
        f"hydra.sweeper.storage=sqlite:///{tmp_path}/studies.db", "hydra.sweeper.study_name=two",
        "hydra.sweeper.n_trials=4",
    )  # fmt: skip
    done = command("train", *words)
    assert done.returncode == 0, done.stderr[-3000:]
    study = optuna.load_study(study_name="two", storage=f"sqlite:///{tmp_path}/studies.db")
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 4
    assert all(trial.values[1] > 0 for trial in study.trials)
    assert "Not beaten in all of them" in done.stdout
    assert (tmp_path / "sweep" / "search" / "front.png").exists()


@pytest.mark.slow
def test_two_processes_of_a_trial_agree_that_it_is_pruned(
    command: Command, photos: Path, tmp_path: Path
) -> None:
    journal = str(tmp_path / "study.journal")
    study = optuna.create_study(storage=open_storage(journal), study_name="s", direction="maximize")
    best = study.ask()
    best.report(2.0, 0)  # more than can be reached
    study.tell(best, 2.0)
    trial = RunningTrial(
        journal, "s", study.ask()._trial_id, "val/macro_recall", "median", {"n_startup_trials": 1}
    )
    words = [word for word in (*TINY, *TINY_MODEL) if not word.startswith("trainer=")]
    done = command(
        "train", *words, f"data.root={photos}", "trainer=ddp", "trainer.accelerator=cpu",
        "trainer.devices=2", "trainer.max_epochs=3", f"hydra.run.dir={tmp_path}/run",
        **trial.environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Pruned after epoch 1" in done.stderr
    assert read_record(RunDirectory(tmp_path / "run")).state == "pruned"
    assert list(study.trials[1].intermediate_values) == [0]  # one process has reported


@pytest.mark.slow
def test_two_launchers_of_a_search_make_no_more_trials_together(
    photos: Path, tmp_path: Path
) -> None:
    sweep = tmp_path / "sweep"
    words = search_words(photos, sweep, "hydra.sweeper.n_trials=5", "hydra.launcher.cpu_jobs=1")
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "project.train", *words],
            cwd=REPOSITORY, env=command_environment(tmp_path), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        for _ in range(2)
    ]  # fmt: skip
    said = [launcher.communicate(timeout=1200)[0] for launcher in both]
    assert [launcher.returncode for launcher in both] == [0, 0], said
    assert [trial.state for trial in study_of(sweep).trials] == [TrialState.COMPLETE] * 5
    assert len(list(sweep.glob("trial=*/run.json"))) == 5
    assert all("5 trials: 5 complete" in text for text in said)


@pytest.mark.slow
def test_search_that_is_stopped_tells_what_was_best_and_goes_on(
    command: Command, photos: Path, tmp_path: Path
) -> None:
    sweep = tmp_path / "sweep"
    words = search_words(photos, sweep, "hydra.sweeper.n_trials=6")
    output = tmp_path / "output.log"
    with output.open("wb") as stream:
        launcher = subprocess.Popen(
            [sys.executable, "-m", "project.train", *words],
            cwd=REPOSITORY, env=command_environment(tmp_path), stdout=stream, stderr=stream,
        )  # fmt: skip
    while not list(sweep.glob("trial=*/report.html")) and launcher.poll() is None:
        time.sleep(0.1)
    time.sleep(1)  # the launcher hears of it
    launcher.send_signal(signal.SIGINT)
    assert launcher.wait(120) == 130, output.read_text()[-3000:]
    assert "Best trial" in output.read_text()
    done = command("train", *words)
    assert done.returncode == 0, done.stderr[-3000:]
    assert [trial.state for trial in study_of(sweep).trials] == [TrialState.COMPLETE] * 6


def test_search_with_a_launcher_that_takes_a_list_is_refused(
    command: Command, photos: Path, tmp_path: Path
) -> None:
    words = search_words(photos, tmp_path / "sweep", "hydra/launcher=basic")
    done = command("train", *words)
    assert done.returncode == 1
    assert (
        "expected a launcher that takes one job after the other, got BasicLauncher" in done.stderr
    )


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("hydra.sweeper.sampler=bayes", "hydra.sweeper.sampler: expected one of tpe, random, grid"),
        ("hydra.sweeper.trials=3", "hydra.sweeper.trials: there is no such key"),
        ("model.widht=3", "Did you mean model.width?"),
    ],
)
def test_mistake_in_a_search_is_told_before_anything_starts(
    command: Command, photos: Path, tmp_path: Path, word: str, message: str
) -> None:
    done = command("train", *search_words(photos, tmp_path / "sweep", word))
    assert done.returncode == 1
    assert message in done.stderr
    assert not (tmp_path / "sweep").exists()


def test_search_without_optuna_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ConfigError, match="hydra/sweeper=optuna: expected the package optuna"):
        OptunaSweeper().sweep([])


def test_search_of_a_command_that_does_not_train_is_refused(tmp_path: Path) -> None:
    config = OmegaConf.create({"hydra": {"sweep": {"dir": str(tmp_path)}}})
    with pytest.raises(ConfigError, match="expected a command that trains"):
        search(OptunaSweeper().options, ["x=1,2"], config, None, LocalLauncher())  # type: ignore[arg-type] # is not asked


class NoTrials(LocalLauncher):
    """Runs nothing, and ends as a sweep does."""

    def __init__(self, ends: Callable[[], list[JobStatus]]) -> None:
        super().__init__()
        self.ends = ends

    def stream(self, make_source: Callable[..., Source]) -> list[JobStatus]:
        make_source(lambda *_: pytest.fail("nothing is run"))
        return self.ends()


def searched(tmp_path: Path, ends: Callable[[], list[JobStatus]]) -> list[JobStatus]:
    given = {
        "monitor": "val/macro_recall",
        "monitor_mode": "max",
        "hydra": {"sweep": {"dir": str(tmp_path / "sweep")}},
    }
    options, config = OptunaSweeper().options, OmegaConf.create(given)
    return search(options, ["x=1,2"], config, None, NoTrials(ends))  # type: ignore[arg-type] # is not asked


@pytest.mark.parametrize("broken", ["print_search", "write_text", "_searched"])
def test_report_that_fails_costs_the_sweep_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    broken: str,
) -> None:
    def fails(*_: object) -> None:
        raise OperationalError("SELECT", {}, Exception("the database is gone"))

    monkeypatch.setattr(searching, broken, fails)
    statuses = [JobStatus("a", RunDirectory(tmp_path / "a"))]
    assert searched(tmp_path, lambda: statuses) == statuses
    assert "The search is not reported: OperationalError: " in caplog.text

    def interrupted() -> list[JobStatus]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        searched(tmp_path, interrupted)


def test_command_of_a_trial_says_where_configurations_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["train", "-m", "--config-dir", "my own", "x=1,2"])
    options = OptunaSweeper().options
    space = read_space({}, ["x=1,2"])
    settings = read_search(options, space, tmp_path, Objective("val/accuracy", "maximize"))
    assert searching._command(settings, {"x": "1"}).endswith("train --config-dir 'my own' x=1")


def test_multirun_with_the_sweeper_is_the_same_search(
    command: Command, photos: Path, tmp_path: Path
) -> None:
    words = search_words(photos, tmp_path / "sweep", "hydra.sweeper.objective=test/accuracy")[1:]
    done = command("train", "--multirun", "hydra/sweeper=optuna", *words)
    assert done.returncode == 1
    assert (
        "hydra.sweeper.objective=test/accuracy: the best of many trials by the test" in done.stderr
    )
