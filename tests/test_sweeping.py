"""Sweeps as a user starts them, with real training."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from project.runs.directory import RunDirectory
from project.runs.record import read_record
from project.runs.sweeps import SweepDirectory, read_jobs
from tests.conftest import REPOSITORY, TINY, TINY_MODEL, Command, command_environment

pytestmark = pytest.mark.slow

Words = Callable[..., list[str]]


@pytest.fixture
def words(photos: Path, tmp_path: Path) -> Words:
    """``words("seed=1,2")`` is the command line of a tiny sweep into ``sweep``."""

    def made(*more: str) -> list[str]:
        place = f"hydra.sweep.dir={tmp_path}/sweep"
        return ["--multirun", *TINY, *TINY_MODEL, f"data.root={photos}", place, *more]

    return made


def test_same_command_again_skips_what_finished_and_adds_what_is_new(
    command: Command, words: Words, tmp_path: Path
) -> None:
    assert command("train", *words("seed=1,2")).returncode == 0
    before = (tmp_path / "sweep" / "seed=1" / "run.json").read_bytes()
    again = command("train", *words("seed=1,2,3"))
    assert again.returncode == 0, again.stderr[-3000:]
    assert "skipped" in again.stdout
    assert (tmp_path / "sweep" / "seed=1" / "run.json").read_bytes() == before
    assert read_record(RunDirectory(tmp_path / "sweep" / "seed=3")).state == "finished"


def test_sweep_without_a_folder_is_found_again_by_its_command(
    command: Command, photos: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        done = command("train", "-m", *TINY, *TINY_MODEL, f"data.root={photos}", "seed=1")
        assert done.returncode == 0, done.stderr[-3000:]
    assert len(list((tmp_path / "outputs" / "sweeps").iterdir())) == 1
    assert "skipped" in done.stdout


def test_other_configuration_and_other_photos_are_refused(
    command: Command, words: Words, tmp_path: Path, photos: Path
) -> None:
    root = tmp_path / "photos"
    subprocess.run(["cp", "-r", str(photos), str(root)], check=True)
    own = [f"data.root={root}", "seed=1,2"]
    assert command("train", *words(*own)).returncode == 0
    changed = command("train", *words(*own, "optimizer.lr=0.5"))
    assert changed.returncode == 1
    assert "optimizer.lr: " in changed.stderr
    assert " there, 0.5 here" in changed.stderr
    next((root / "train" / "top").glob("*.jpg")).unlink()
    moved = command("train", *words(*own))
    assert moved.returncode == 1
    assert "on other data" in moved.stderr


def test_job_of_two_processes_trains_under_a_sweep(
    command: Command, words: Words, tmp_path: Path
) -> None:
    both = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]
    done = command("train", *words(*both, "seed=1,2"), CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 0, done.stderr[-3000:]
    runs = sorted((tmp_path / "sweep").glob("*/run.json"))
    assert [json.loads(run.read_bytes())["state"] for run in runs] == ["finished"] * 2


def test_forked_jobs_compute_what_fresh_processes_do(
    command: Command, words: Words, tmp_path: Path
) -> None:
    found = []
    for warm in ("true", "false"):
        place = f"hydra.sweep.dir={tmp_path}/{warm}"
        done = command("train", *words("seed=3,4", place, f"hydra.launcher.warm_start={warm}"))
        assert done.returncode == 0, done.stderr[-3000:]
        run = RunDirectory(tmp_path / warm / "seed=3")
        found.append([run.predictions(split).read_bytes() for split in ("val", "test")])
    assert found[0] == found[1]


def test_fake_gpus_are_given_one_to_a_job(command: Command, words: Words, tmp_path: Path) -> None:
    done = command("train", *words("seed=1,2,3"), CUDA_VISIBLE_DEVICES="GPU-a,GPU-b")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "on GPU GPU-a" in done.stdout
    assert "on GPU GPU-b" in done.stdout


def test_ctrl_c_keeps_what_was_reached_and_the_command_goes_on(
    command: Command, words: Words, tmp_path: Path
) -> None:
    long = words("seed=1,2,3", "trainer.max_epochs=40", "hydra.launcher.cpu_jobs=1")
    environment = {**command_environment(tmp_path), "CUDA_VISIBLE_DEVICES": ""}
    launcher = subprocess.Popen(
        [sys.executable, "-m", "project.train", *long],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    sweep = SweepDirectory(tmp_path / "sweep")
    wait_until((tmp_path / "sweep" / "seed=1" / "checkpoints" / "last.ckpt").exists)
    launcher.send_signal(signal.SIGINT)
    printed, _ = launcher.communicate(timeout=120)
    assert launcher.returncode == 130, printed[-3000:]
    assert [job.state for job in read_jobs(sweep)] == ["interrupted", "waiting", "waiting"]
    done = command("train", *long, CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 0, done.stderr[-3000:]
    record = read_record(RunDirectory(tmp_path / "sweep" / "seed=1"))
    assert (record.state, record.attempts) == ("finished", 2)


def test_evaluations_are_swept_like_trainings(
    command: Command, words: Words, tmp_path: Path
) -> None:
    assert command("train", *words("seed=1,2")).returncode == 0
    run = f"run={tmp_path}/sweep/seed=1"
    done = command(
        "evaluate", "-m", run, "data.split=val,test", "trainer.enable_progress_bar=false"
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(list((tmp_path / "outputs" / "sweeps").glob("*/*/run.json"))) == 2


def wait_until(ready: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not ready():
        assert time.monotonic() < until
        time.sleep(0.1)
