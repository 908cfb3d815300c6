"""Sweeps through SLURM as a user starts them; submitit's processes of this machine play it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hydra_plugins.evenhand.remote import SlurmLauncher
from project.errors import ConfigError
from project.launch.jobs.source import ListedJobs
from project.runs.directory import RunDirectory
from project.runs.record import read_record
from project.runs.sweeps import SweepDirectory, SweepFacts
from tests.conftest import REPOSITORY, TINY, TINY_MODEL, Command, command_environment
from tests.launch.remote.slurm_box import put_into_path

EPOCHS = "trainer.max_epochs=30"
WORDS = (*(word for word in TINY if not word.startswith("trainer.max_epochs")), *TINY_MODEL, EPOCHS)
SLURM = ("--multirun", "hydra/launcher=slurm", "hydra.launcher.cpus_per_task=1")


@pytest.mark.slow
def test_preempted_jobs_go_on_and_come_to_the_same_end(
    command: Command, photos: Path, tmp_path: Path
) -> None:
    words = [*WORDS, f"data.root={photos}", "augmentation=color"]
    sweep = tmp_path / "sweep"
    here = [*SLURM, "hydra.launcher.cluster=local", *words, "seed=1,2", f"hydra.sweep.dir={sweep}"]
    launcher = subprocess.Popen(
        [sys.executable, "-m", "project.train", *here],
        cwd=REPOSITORY,
        env=command_environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    preempt(RunDirectory(sweep / "seed=1"), sweep, launcher)
    said, _ = launcher.communicate(timeout=900)
    assert launcher.returncode == 0, said
    assert "2 finished" in said
    assert SweepFacts.read(SweepDirectory(sweep)).launcher == "slurm"
    records = [read_record(RunDirectory(sweep / f"seed={seed}")) for seed in (1, 2)]
    assert [record.state for record in records] == ["finished", "finished"]
    assert max(record.attempts for record in records) == 2

    again = command("train", *here)
    assert again.returncode == 0, again.stderr
    assert [read_record(RunDirectory(sweep / f"seed={seed}")) for seed in (1, 2)] == records

    alone = command("train", *words, "seed=1", f"hydra.run.dir={tmp_path}/alone")
    assert alone.returncode == 0, alone.stderr
    files = [
        RunDirectory(tmp_path / name).predictions("test") for name in ("sweep/seed=1", "alone")
    ]
    assert files[0].read_bytes() == files[1].read_bytes()


def preempt(run: RunDirectory, sweep: Path, launcher: "subprocess.Popen[str]") -> None:
    """Tells whoever plays an allocation, once a job has a checkpoint, that its place is wanted."""
    until = time.monotonic() + 600
    while not run.checkpoint("last").exists():
        assert time.monotonic() < until, "no checkpoint in time"
        assert launcher.poll() is None, launcher.communicate()
        time.sleep(0.02)
    tasks = ["pgrep", "-f", f"submitit.core._submit {SweepDirectory(sweep).own}"]
    found = subprocess.run(tasks, capture_output=True, text=True, check=True).stdout.split()
    for process in found:
        os.kill(int(process), signal.SIGUSR2)


def test_sweep_is_left_to_slurm_and_not_submitted_twice(
    command: Command, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = put_into_path(tmp_path, monkeypatch)
    place = f"hydra.sweep.dir={tmp_path}/sweep"
    words = [*SLURM, *WORDS, f"data.root={photos}", place, "hydra.launcher.wait=false"]
    for _ in range(2):
        done = command("train", *words, "hydra.launcher.partition=gpu", "seed=1,2,3")
        assert done.returncode == 0, done.stderr
        assert "The jobs are SLURM's now" in done.stdout + done.stderr
    (script,) = box.scripts
    assert "#SBATCH --array=0-2%3" in script
    assert "#SBATCH --partition=gpu" in script
    assert not (tmp_path / "sweep" / "seed=1" / "run.json").exists()


def test_machine_without_slurm_is_told_so(command: Command, photos: Path, tmp_path: Path) -> None:
    words = [*SLURM, *WORDS, f"data.root={photos}", f"hydra.sweep.dir={tmp_path}/sweep", "seed=1,2"]
    done = command("train", *words, PATH=str(tmp_path))
    assert done.returncode == 1
    assert "expected the commands of SLURM, got no sbatch here" in done.stderr
    assert "Traceback" not in done.stderr


def test_search_cannot_be_left_to_slurm() -> None:
    with pytest.raises(ConfigError, match=r"launcher\.wait=false: a search chooses the next job"):
        SlurmLauncher(wait=False).stream(lambda _: ListedJobs([]))
