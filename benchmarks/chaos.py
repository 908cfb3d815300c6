"""Kills a sweep again and again, and compares what comes out with a sweep that was left alone.

    python benchmarks/chaos.py --folder outputs/chaos

Trains a sweep of small runs without disturbance, then the same sweep while its launcher, its jobs
or all of them get SIGKILL at random moments; whenever the launcher is dead, the same command is
started again. In the end every job must have finished once, with the predictions of the undisturbed
sweep, byte for byte.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from project.runs.directory import RunDirectory
from project.runs.record import read_record
from project.runs.sweeps import SweepDirectory, SweepFacts

REPOSITORY = Path(__file__).parent.parent
TARGETS = ("launcher", "job", "all jobs", "everything")
LONGEST_SECONDS = 1800.0  # a sweep that stands still is a failure, too
POLL_SECONDS = 0.2


@dataclass
class Outcome:
    """What is left of a disturbed sweep, beside an undisturbed one.

    Attributes:
        kills: How often each target was hit.
        launches: How often the command was started.
        finished: Jobs that finished.
        resumed: Attempts that went on from a checkpoint, over all jobs.
        changed: Jobs of which anything changed after they had finished.
        different: Jobs whose predictions, metrics or curves are not those of the undisturbed sweep.
    """

    kills: Counter[str] = field(default_factory=Counter)
    launches: int = 0
    finished: list[str] = field(default_factory=list)
    resumed: int = 0
    changed: set[str] = field(default_factory=set)
    different: list[str] = field(default_factory=list)


def main() -> None:
    """Reads the command line, runs both sweeps and prints what came out."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, required=True, help="gets data and both sweeps")
    parser.add_argument("--jobs", type=int, default=12)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=800)
    parser.add_argument("--seed", type=int, default=0, help="of the moments and of who is hit")
    parser.add_argument("--wait", type=float, default=35.0, help="most seconds between two kills")
    given = parser.parse_args()
    outcome = run(given.folder, given.jobs, given.kills, given.epochs, given.seed, given.wait)
    hits = ", ".join(f"{count} x {target}" for target, count in sorted(outcome.kills.items()))
    done = sum(outcome.kills.values())
    print(f"{done} kills ({hits}), {outcome.launches} launches")
    print(f"{len(outcome.finished)} of {given.jobs} jobs finished, {outcome.resumed} resumptions")
    print(f"changed after they had finished: {', '.join(sorted(outcome.changed)) or 'none'}")
    print(f"not equal to the undisturbed sweep: {', '.join(outcome.different) or 'none'}")
    if done < given.kills:
        print(f"the sweep ended before {given.kills} kills: raise --epochs")
    whole = len(outcome.finished) == given.jobs and done == given.kills
    if not whole or outcome.changed or outcome.different:
        sys.exit(1)


def run(
    folder: Path, jobs: int, kills: int, epochs: int, seed: int = 0, longest_wait: float = 40.0
) -> Outcome:
    """Runs both sweeps.

    Args:
        folder: Gets data and sweeps; what is there of an earlier time is removed.
        jobs: Of a sweep.
        kills: Of the disturbed one.
        epochs: Of each job.
        seed: Of the moments and of who is hit.
        longest_wait: Between two kills, in seconds.
    """
    folder = folder.absolute()
    for name in ("calm", "disturbed"):
        shutil.rmtree(folder / name, ignore_errors=True)
    with _launched(command(folder, "calm", jobs, epochs), folder / "calm.log") as calm:
        if calm.wait(LONGEST_SECONDS) != 0:
            raise SystemExit(f"the undisturbed sweep failed: see {folder}/calm.log")
    outcome = Outcome()
    _disturb(folder, command(folder, "disturbed", jobs, epochs), kills, seed, longest_wait, outcome)
    _compare(folder, outcome)
    return outcome


def command(folder: Path, name: str, jobs: int, epochs: int) -> list[str]:
    """The command line of a sweep of small runs."""
    seeds = ",".join(str(seed) for seed in range(1, jobs // 2 + 1))
    return [
        sys.executable, "-m", "project.train", "--multirun",
        f"data.root={folder}/photos", "data.source.scale=0.05", "data.size=32",
        "data.num_workers=0",
        "data.batch_size=16", "model.width=8", f"trainer.max_epochs={epochs}", "trainer=cpu",
        "trainer.enable_progress_bar=false", "callbacks=[default,ema]",
        "sampler=natural,balanced", f"seed={seeds}",
        f"paths.output={folder}/outputs", f"hydra.sweep.dir={folder}/{name}",
    ]  # fmt: skip


@contextlib.contextmanager
def _launched(words: list[str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            words, cwd=REPOSITORY, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _disturb(
    folder: Path, words: list[str], kills: int, seed: int, longest_wait: float, outcome: Outcome
) -> None:
    """Kills and starts again until all kills are done, then lets the sweep end."""
    chance = random.Random(seed)
    sweep = folder / "disturbed"
    seen: dict[str, bytes] = {}
    done = 0
    until = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < until:
        outcome.launches += 1
        with _launched(words, folder / "disturbed.log") as launcher:
            while done < kills and launcher.poll() is None:
                moment = time.monotonic() + chance.uniform(0.5, longest_wait)
                while time.monotonic() < moment and launcher.poll() is None:
                    time.sleep(POLL_SECONDS)
                    _note_finished(sweep, seen, outcome)
                target = chance.choice(TARGETS)
                if launcher.poll() is None and _kill(launcher, sweep, target, chance):
                    done += 1
                    outcome.kills[target] += 1
            if done >= kills:
                launcher.wait(LONGEST_SECONDS)
            else:
                launcher.wait()
        _note_finished(sweep, seen, outcome)
        if launcher.returncode == 0:
            return


def _kill(
    launcher: "subprocess.Popen[bytes]", sweep: Path, target: str, chance: random.Random
) -> bool:
    """Kills; returns whether anybody was hit."""
    jobs = job_processes(sweep)
    hit = {"job": jobs and [chance.choice(jobs)], "launcher": []}.get(target, jobs)
    for process in hit:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    if target in ("launcher", "everything"):
        launcher.kill()
        return True
    return bool(hit)


def job_processes(sweep: Path) -> list[int]:
    """The main processes of a sweep's running jobs: leaders of a session that hold a run's lock."""
    locks = {str(RunDirectory(run).lock_file) for run in sweep.glob("*") if run.is_dir()}
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            held = {str(link.readlink()) for link in (entry / "fd").iterdir()}
            if held & locks and os.getsid(int(entry.name)) == int(entry.name):
                found.append(int(entry.name))
    return sorted(found)


def _note_finished(sweep: Path, seen: dict[str, bytes], outcome: Outcome) -> None:
    """Remembers the record of each run that has finished, and finds out whether one changes."""
    for file in sweep.glob("*/run.json"):
        content = file.read_bytes()
        name = file.parent.name
        if name in seen and seen[name] != content:
            outcome.changed.add(name)
        elif json.loads(content)["state"] == "finished":
            seen[name] = content


def _compare(folder: Path, outcome: Outcome) -> None:
    for name in SweepFacts.read(SweepDirectory(folder / "calm")).overrides:
        calm, disturbed = (RunDirectory(folder / sweep / name) for sweep in ("calm", "disturbed"))
        record = read_record(disturbed)
        if record.state == "finished":
            outcome.finished.append(name)
        outcome.resumed += record.attempts - 1
        files = [calm.metrics_file, *(calm.predictions(split) for split in ("val", "test"))]
        same = all(
            file.read_bytes() == (disturbed.path / file.relative_to(calm.path)).read_bytes()
            for file in files
        )
        if not same or read_record(calm).metrics != record.metrics:
            outcome.different.append(name)


if __name__ == "__main__":
    main()
