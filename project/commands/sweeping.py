"""Runs the jobs that a sweeper chose, shows how far they are, and sums up."""

import json
import logging
import shlex
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from project.errors import ConfigError, RunError
from project.launch.cli.outcome import report_failure
from project.launch.jobs.composing import Composer, entry_module
from project.launch.jobs.executor import Executor
from project.launch.jobs.job import Job
from project.launch.jobs.source import ListedJobs, Source
from project.launch.policy import Policy
from project.launch.sweep import Sweep
from project.report.sweeps.live import watcher_for
from project.report.sweeps.summary import summarize
from project.runs.launchers import announced
from project.runs.record import HEADLINE
from project.runs.sweeps import JobStatus, SweepDirectory, SweepFacts

log = logging.getLogger(__name__)

_TRAINING = "project.train"
_FINGERPRINTS = "project.fingerprints"

Call = Callable[[str, Sequence[str], Path], int]


@dataclass(frozen=True)
class Launch:
    """One launch of a sweep.

    Attributes:
        composer: Makes jobs of overrides.
        launcher: Name of the launcher, for people.
        policy: What to do about failures, time and disk.
        executor: Makes what runs the jobs, from the sweep's directory and the devices of a job.
    """

    composer: Composer
    launcher: str
    policy: Policy
    executor: Callable[[Path, int], Executor]


def run_listed(launch: Launch, overrides: Sequence[Sequence[str]], first: int) -> list[JobStatus]:
    """Runs the jobs of a list.

    Args:
        launch: How.
        overrides: Of each job.
        first: Number of the first.

    Returns:
        How each job is in the end.

    Raises:
        EvenhandError: Before anything starts: two jobs would share a directory, or a directory
            holds something else.
        KeyboardInterrupt: After Ctrl-C, when running jobs have written a checkpoint.
    """
    jobs = [launch.composer(words, number) for number, words in enumerate(overrides, first)]
    return run(launch, ListedJobs(_distinct(jobs)))


def run(launch: Launch, source: Source) -> list[JobStatus]:
    """Runs the jobs of a source, and reports failures to the command.

    Args:
        launch: How.
        source: Gives the jobs.

    Returns:
        How each job is in the end.

    Raises:
        EvenhandError: As `run_listed`.
        KeyboardInterrupt: As `run_listed`.
    """
    directory = SweepDirectory(launch.composer.sweep)
    known = source.known()
    devices = max((job.devices for job in known), default=launch.composer.devices)
    facts = _facts(launch, directory, known)
    console = Console()
    watcher = watcher_for(console, directory, facts)
    executor = launch.executor(directory.path, devices)
    data = _DataFingerprints(known, directory, getattr(executor, "call", _called))
    sweep = Sweep(directory, facts, executor, source, launch.policy, watcher, data)
    with announced(directory):
        try:
            sweep.run()
        finally:
            watcher.closed()
            statuses = sweep.statuses
            if any(status.attempts or status.skipped for status in statuses):
                summarize(directory, facts, statuses, console)
    failed = [status.name for status in statuses if status.state == "failed"]
    left = [status.name for status in statuses if status.state in ("waiting", "interrupted")]
    for name in (*failed, *left):
        report_failure(name)
    return statuses


def _facts(launch: Launch, directory: SweepDirectory, known: Sequence[Job]) -> SweepFacts:
    facts = _earlier_facts(directory)
    facts.started = facts.started or datetime.now(UTC).isoformat(timespec="seconds")
    facts.command = [sys.executable, "-m", entry_module(), *sys.argv[1:]]
    facts.folder, facts.host = str(Path.cwd()), socket.gethostname()
    facts.launcher = launch.launcher
    config = launch.composer.config
    facts.monitor = str(config.get("monitor", ""))
    facts.monitor_mode = str(config.get("monitor_mode", "max"))
    facts.headline = _headline([job.config for job in known] or [config])
    return facts


def _headline(configs: Iterable[Mapping[Any, Any]]) -> str:
    """What all configurations want tables to lead with; where they disagree, the default."""
    wanted = {str(config.get("headline", HEADLINE)) for config in configs}
    return wanted.pop() if len(wanted) == 1 else HEADLINE


def _earlier_facts(directory: SweepDirectory) -> SweepFacts:
    """Of earlier launches; empty where there are none, or they cannot be read any more."""
    if directory.facts_file.exists():
        try:
            return SweepFacts.read(directory)
        except RunError as error:
            log.warning("%s is written anew: %s", directory.facts_file, error.__cause__)
    return SweepFacts()


def _distinct(jobs: Iterable[Job]) -> list[Job]:
    """Leaves out jobs that come twice; refuses different ones of one name."""
    found: dict[str, Job] = {}
    for job in jobs:
        same = found.setdefault(job.name, job)
        if same.fingerprint != job.fingerprint:
            raise ConfigError(
                f"Two jobs would share the directory {job.name}: {shlex.join(same.overrides)} and "
                f"{shlex.join(job.overrides)}. Give one of their keys its whole name, or number "
                "jobs with 'hydra.sweep.subdir=${hydra:job.num}'."
            )
    return list(found.values())


class _DataFingerprints:
    """Fingerprints of the data of jobs as they are now, each asked for once.

    Reading photos takes what a launcher does not import, so a process of its own does it.

    Args:
        jobs: Those whose data are looked at together.
        sweep: Of the jobs.
        call: Runs a module with a command line, printing into a file; gives its exit code.
    """

    def __init__(self, jobs: Sequence[Job], sweep: SweepDirectory, call: Call) -> None:
        self._jobs = [job for job in jobs if job.module == _TRAINING]
        self._folder = sweep.own
        self._call = call
        self._known: dict[str, str | None] = {}

    def __call__(self, job: Job) -> str | None:
        """The fingerprint; None where it cannot be told."""
        if job.module != _TRAINING:
            return None
        if _data(job) not in self._known:
            self._ask([job, *self._jobs])
        return self._known[_data(job)]

    def _ask(self, jobs: Sequence[Job]) -> None:
        configs = {_data(job): job.config for job in jobs if _data(job) not in self._known}
        self._known |= dict.fromkeys(configs)
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            asked, answered, printed = (Path(folder, name) for name in ("asked", "answered", "log"))
            asked.write_text(json.dumps(list(configs.values())), encoding="utf-8")
            code = self._call(_FINGERPRINTS, [str(asked), str(answered)], printed)
            if code == 0:
                self._known |= zip(configs, json.loads(answered.read_bytes()), strict=True)
                return
            said = printed.read_text(encoding="utf-8", errors="replace")
        log.warning("The data cannot be compared with those of earlier runs:\n%s", said)


def _called(module: str, arguments: Sequence[str], output: Path) -> int:
    with output.open("wb") as stream:
        words = [sys.executable, "-m", module, *arguments]
        return subprocess.run(words, stdout=stream, stderr=stream, check=False).returncode


def _data(job: Job) -> str:
    return json.dumps(job.config.get("data"), sort_keys=True)
