import json
import os
import resource
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from project import sweep as entry
from project.errors import ConfigError, RunError
from project.launch import cancelling
from project.runs.directory import RunDirectory
from project.runs.launchers import announced
from project.runs.lock import Lock
from project.runs.record import Best, Failure, RunRecord, read_record
from project.runs.sweeps import JobStatus, SweepDirectory, SweepFacts
from tests.conftest import COLORS, COUNTS, TINY, TINY_MODEL, Command, Compose

OWN = f"process {os.getpid()} on {socket.gethostname()}"


@pytest.fixture
def sweep(tmp_path: Path) -> SweepDirectory:
    """One job has finished, one failed, one waits; the launcher is gone."""
    sweep = SweepDirectory(tmp_path / "sampler=a,b [1]")
    facts = SweepFacts(
        command=[sys.executable, "-m", "platform", "--terse"],
        folder=str(tmp_path),
        host=socket.gethostname(),
        launcher="local",
        overrides={f"seed={seed}": [f"seed={seed}"] for seed in (1, 2, 3)},
        monitor="val/macro_recall",
    )
    facts.write(sweep)
    leave(sweep, 1, "finished")
    leave(sweep, 2, "failed")
    return sweep


def leave(sweep: SweepDirectory, seed: int, state: Any) -> None:
    record = RunRecord(state=state, best=Best("val/macro_recall", 0.75, 1))
    record.error = Failure("ValueError", "no such layer") if state == "failed" else None
    record.write(RunDirectory(sweep.path / f"seed={seed}"))


def run(compose_config: Compose, sweep: SweepDirectory, *words: str) -> list[JobStatus]:
    return entry.run(compose_config("sweep", f"dir='{sweep.path}'", *words))


def test_status_shows_every_job_and_where_failures_are(
    command: Command, sweep: SweepDirectory, tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    done = command("sweep", "status", f"dir={sweep.path}", COLUMNS="90")
    assert done.returncode == 0, done.stderr
    assert "3 jobs: 1 finished, 0 running, 1 waiting, 1 failed" in done.stdout
    assert "best: val/macro_recall" in done.stdout
    assert f"failed: {sweep.path}/seed=2" in done.stdout
    assert f"last launcher: local on {socket.gethostname()}; not running any more" in done.stdout
    assert sorted(tmp_path.rglob("*")) == before  # it leaves nothing


def test_status_names_the_launchers_that_run(
    compose_config: Compose, sweep: SweepDirectory, capsys: Any
) -> None:
    with announced(sweep):
        run(compose_config, sweep)
    assert f"\nlauncher: local, {OWN}\n" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["dir={}"], ["{}"], ["dir={}", "status"], ["{}", "status"]])
def test_words_may_come_in_any_order(
    compose_config: Compose, sweep: SweepDirectory, words: list[str]
) -> None:
    arranged = entry.ACTIONS.arranged([word.format(sweep.path) for word in words])
    assert f"dir={sweep.path}" in arranged
    assert len(run(compose_config, sweep, *(w for w in arranged if "dir=" not in w))) == 3


def test_command_starts_in_a_moment(command: Command, sweep: SweepDirectory) -> None:
    before = processor_seconds()
    assert command("sweep", "status", f"dir={sweep.path}").returncode == 0
    assert processor_seconds() - before < 2  # about 0.7, and ten with what training imports


def processor_seconds() -> float:
    """Of all processes that this one has started and waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["statsu"],
            r"expected one of status, retry, cancel, got 'statsu'\. Did you mean \"status",
        ),
        (["retry", "--multirun"], "--multirun: expected one sweep at a time"),
    ],
)
def test_misspelt_words_are_answered(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        entry.ACTIONS.arranged(words)


def test_options_of_hydra_are_left_alone() -> None:
    words = ["--cfg", "job", "dir=outputs/sweeps/one", "retry"]
    assert entry.ACTIONS.arranged(words) == [*words[:3], "action=retry"]


def test_misspelt_action_and_missing_folder_are_answered(
    compose_config: Compose, sweep: SweepDirectory
) -> None:
    with pytest.raises(ConfigError, match="expected one of status, retry, cancel, got 'stop'"):
        run(compose_config, sweep, "action=stop")
    with pytest.raises(ConfigError, match=r"dir: a value is needed .* Add dir=<sweep directory>"):
        entry.run(compose_config("sweep"))


def test_mistakes_are_answered_on_the_command_line(command: Command, tmp_path: Path) -> None:
    done = command("sweep", "status", f"dir={tmp_path}")
    assert done.returncode == 1
    assert f"error: expected a sweep at {tmp_path}, got no sweep.json there" in done.stderr
    done = command("sweep", "status", "folder=x")
    assert done.returncode == 1
    assert "folder: there is no such key" in done.stderr
    assert "Traceback" not in done.stderr


def test_retry_starts_the_command_again_where_it_was_started(
    command: Command, sweep: SweepDirectory
) -> None:
    done = command("sweep", "retry", f"dir={sweep.path}")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "To do: 1 finished, 1 waiting, 1 failed."
    assert [line.split() for line in lines[1:3]] == [["failed", "seed=2"], ["waiting", "seed=3"]]
    terse = subprocess.run(
        [sys.executable, "-m", "platform", "--terse"], capture_output=True, text=True, check=True
    )
    assert lines[3] == terse.stdout.strip()  # printed by the command that took its place


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would take the place of the process: folder and words."""
    found: list[Any] = []
    monkeypatch.setattr(os, "execv", lambda _, words: found.append((Path.cwd(), words)))
    monkeypatch.chdir("/")
    return found


def test_retry_uses_this_interpreter(
    compose_config: Compose, sweep: SweepDirectory, executed: list[Any], tmp_path: Path
) -> None:
    facts = SweepFacts.read(sweep)
    facts.command = ["/another/python", "-m", "project.train", "seed=1,2"]
    facts.write(sweep)
    run(compose_config, sweep, "action=retry")
    assert executed == [(tmp_path, [sys.executable, "-m", "project.train", "seed=1,2"])]


def test_long_lists_of_what_is_to_be_done_are_cut(
    compose_config: Compose, sweep: SweepDirectory, executed: list[Any], capsys: Any
) -> None:
    facts = SweepFacts.read(sweep)
    facts.overrides = {f"seed={seed}": [] for seed in range(30)}
    facts.write(sweep)
    run(compose_config, sweep, "action=retry")
    assert "  and 9 more" in capsys.readouterr().out
    assert len(executed) == 1


def test_nothing_to_retry_is_said(
    compose_config: Compose, sweep: SweepDirectory, executed: list[Any], capsys: Any
) -> None:
    leave(sweep, 2, "pruned")
    leave(sweep, 3, "finished")
    run(compose_config, sweep, "action=retry")
    assert "Nothing to do: 2 finished, 1 pruned." in capsys.readouterr().out
    assert executed == []


def test_search_may_have_more_trials_than_it_has_begun(
    compose_config: Compose, sweep: SweepDirectory, executed: list[Any]
) -> None:
    facts = SweepFacts.read(sweep)
    facts.overrides = {"trial=00,lr=0.1": ["lr=0.1"]}
    sweep.facts_file.unlink()  # jobs that it names would stay
    facts.write(sweep)
    RunRecord(state="finished").write(RunDirectory(sweep.path / "trial=00,lr=0.1"))
    run(compose_config, sweep, "action=retry")
    assert len(executed) == 1


def test_sweep_that_runs_is_not_started_twice(
    compose_config: Compose, sweep: SweepDirectory, executed: list[Any]
) -> None:
    with announced(sweep), pytest.raises(RunError, match=rf"whose launcher is {OWN}\. W"):
        run(compose_config, sweep, "action=retry")
    assert executed == []


def test_command_that_cannot_be_started_again_is_named(
    compose_config: Compose, sweep: SweepDirectory, executed: list[Any]
) -> None:
    facts = SweepFacts.read(sweep)
    facts.folder = "/no/such/folder"
    facts.write(sweep)
    with pytest.raises(RunError, match=r"the folder in which the sweep was started at /no/such"):
        run(compose_config, sweep, "action=retry")
    facts.command = []
    facts.write(sweep)
    with pytest.raises(RunError, match=r"the command of a sweep in .*sweep\.json, got \[\]"):
        run(compose_config, sweep, "action=retry")


def test_cancelling_what_does_not_run_says_how_it_is(
    compose_config: Compose, sweep: SweepDirectory, capsys: Any
) -> None:
    run(compose_config, sweep, "action=cancel")
    assert "Stopped: 1 finished, 1 waiting, 1 failed." in capsys.readouterr().out


def test_job_that_does_not_stop_is_named(
    compose_config: Compose, sweep: SweepDirectory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "processes" / "self" / "fd").mkdir(parents=True)
    monkeypatch.setattr(cancelling, "_PROCESSES", tmp_path / "processes")  # as elsewhere
    facts = SweepFacts.read(sweep)
    facts.host, facts.launcher = "another-machine", "slurm"
    facts.write(sweep)
    lock = Lock.take(RunDirectory(sweep.path / "seed=3").lock_file)
    assert lock is not None
    message = r"(?s)within 1 s, .*on another-machine or where its launcher \(slurm\).*\n  seed=3\n"
    with pytest.raises(RunError, match=message):
        run(compose_config, sweep, "action=cancel", "patience_seconds=1")
    assert sweep.cancel_file.exists()
    lock.release()


def test_help_names_what_can_be_set(command: Command) -> None:
    done = command("sweep", "--help")
    assert done.returncode == 0
    assert "patience_seconds" in done.stdout


def test_launcher_that_does_not_stop_is_named(
    compose_config: Compose, sweep: SweepDirectory
) -> None:
    with announced(sweep), pytest.raises(RunError, match=rf"\n  its launcher, {OWN}\n"):
        run(compose_config, sweep, "action=cancel", "patience_seconds=1")


@pytest.mark.slow
def test_folds_end_in_one_row_over_all_photos(
    command: Command, photos: Path, tmp_path: Path
) -> None:
    folds = ["data.resplit=true", "data.folds=3", "data.fold=range(3)"]
    place = tmp_path / "folds"
    done = command(
        "train", "--multirun", *TINY, *TINY_MODEL, f"data.root={photos}", *folds,
        f"hydra.sweep.dir={place}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "3 folds" in done.stdout
    assert "\x1b" not in done.stdout
    (recipe,) = json.loads((place / "summary.json").read_text(encoding="utf-8"))["recipes"]
    tested = {recall["name"]: recall["tested"] for recall in recipe["recalls"]}
    assert tested == {name: sum(c[name] for c in COUNTS.values()) for name in COLORS}
    shares = [read_record(RunDirectory(place / f"fold={n}")).metrics for n in range(3)]
    mean = sum(metrics["test/accuracy"] for metrics in shares) / 3
    assert recipe["metrics"]["accuracy"]["mean"] == pytest.approx(mean)
    done = command("sweep", "retry", f"dir={place}")
    assert "Nothing to do: 3 finished." in done.stdout
