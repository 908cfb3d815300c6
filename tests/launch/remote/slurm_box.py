"""Commands that stand for SLURM's, and attempts that are handed to them."""

import os
import stat
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from project.launch.jobs.attempt import Attempt, Exit
from project.launch.jobs.job import Job
from project.launch.remote.slurm import SlurmExecutor

# Stands for SLURM: keeps what it is sent, and a queue in a file that tests change.
COMMANDS = {
    "sbatch": """
number=$(ls "$SLURM_BOX" | grep -c script)
cp "$1" "$SLURM_BOX/$number.script"
id=$((41 + number))
last=$(sed -n 's/.*--array=0-\\([0-9]*\\)%.*/\\1/p' "$1")
if [ -z "$last" ]; then echo "$id PENDING"; fi >> "$SLURM_BOX/queue"
for n in $(seq 0 ${last:--1}); do echo "${id}_$n PENDING"; done >> "$SLURM_BOX/queue"
echo "Submitted batch job $id"
""",
    "srun": """
while [[ $1 == --* ]]; do
  case $1 in --output | --error) shift 2 ;; *) shift ;; esac
done
exec "$@"
""",
    "scontrol": 'echo "$@" >> "$SLURM_BOX/scontrol.log"',
    "squeue": 'echo "$@" >> "$SLURM_BOX/squeue.log"; cat "$SLURM_BOX/queue" 2>/dev/null; true',
    "scancel": 'echo "$@" >> "$SLURM_BOX/scancel.log"',
    "sacct": "exit 1",
}


class Box:
    """What the commands of SLURM were given, and what they answer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def scripts(self) -> list[list[str]]:
        """Lines of what was submitted."""
        return [file.read_text().splitlines() for file in sorted(self.folder.glob("*.script"))]

    def queue(self, **states: str) -> None:
        """Sets the queue: ``_41_0="RUNNING"`` is job 41_0."""
        lines = [f"{id_.removeprefix('_')} {state}\n" for id_, state in states.items()]
        (self.folder / "queue").write_text("".join(lines))

    def allocate(self, number: int, **variables: str) -> "subprocess.Popen[bytes]":
        """Runs a script as SLURM would in an allocation."""
        script = ["bash", str(self.folder / f"{number}.script")]
        return subprocess.Popen(script, env={**os.environ, **variables}, stdout=subprocess.DEVNULL)

    @property
    def requeued(self) -> list[str]:
        """Arguments of each call of ``scontrol``."""
        file = self.folder / "scontrol.log"
        return file.read_text().splitlines() if file.exists() else []

    @property
    def cancelled(self) -> list[str]:
        """Arguments of each call of ``scancel``."""
        file = self.folder / "scancel.log"
        return file.read_text().splitlines() if file.exists() else []


def put_into_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    """Puts the commands where programs are looked for, also by processes of the test."""
    commands, box = tmp_path / "bin", tmp_path / "box"
    for folder in (commands, box):
        folder.mkdir()
    for name, script in COMMANDS.items():
        (commands / name).write_text(f"#!/bin/bash\n{script}\n")
        (commands / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_BOX", str(box))
    return Box(box)


def attempts(make_job: Callable[..., Job], *acts: str, **config: Any) -> list[Attempt]:
    jobs = [make_job(f"{act.partition(':')[0]}{n}", act, **config) for n, act in enumerate(acts)]
    return [Attempt(job, resume=False) for job in jobs]


def submitted(executor: SlurmExecutor, begun: Sequence[Attempt]) -> None:
    for attempt in begun:
        executor.begin(attempt)
    assert executor.wait(0.0) == []


def outcomes(executor: SlurmExecutor, count: int, seconds: float = 60) -> dict[str, Exit]:
    """How the next jobs end, by name."""
    found: dict[str, Exit] = {}
    until = time.monotonic() + seconds
    while len(found) < count:
        assert time.monotonic() < until, "jobs did not end in time"
        found |= {attempt.job.name: ended for attempt, ended in executor.wait(0.5)}
    return found
