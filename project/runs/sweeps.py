"""The directory of a sweep, and how far its jobs are: readable while it runs, and after."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol, Self

from project.atomic import write_text
from project.errors import RunError
from project.runs.directory import RunDirectory
from project.runs.lock import Lock, is_locked
from project.runs.progress import Progress, read_progress
from project.runs.record import HEADLINE, RunRecord, read_record

JobState = Literal["waiting", "running", "finished", "failed", "interrupted", "pruned"]

_PATIENCE_SECONDS = 10.0  # with other launchers that write the facts, which takes moments


@dataclass(frozen=True)
class SweepDirectory:
    """The names of what a sweep keeps besides its runs; nothing needs to exist.

    Args:
        path: The folder of the sweep; its runs are folders in it.
    """

    path: Path

    @property
    def facts_file(self) -> Path:
        """What the sweep is (`SweepFacts`)."""
        return self.path / "sweep.json"

    @property
    def log_file(self) -> Path:
        """What its launchers said."""
        return self.path / "sweep.log"

    @property
    def own(self) -> Path:
        """Folder of what launchers, schedulers and searches keep."""
        return self.path / ".sweep"

    @property
    def launchers(self) -> Path:
        """Folder with a locked file for each launcher that runs (`project.runs.launchers`)."""
        return self.own / "launchers"

    @property
    def cancel_file(self) -> Path:
        """Its being there asks the launcher to have the jobs write a checkpoint and to stop."""
        return self.own / "cancel"


@dataclass
class SweepFacts:
    """What a sweep is.

    Attributes:
        command: The words that started it last, fit to be started again.
        folder: Where it was started.
        host: Machine of its last launcher.
        launcher: How jobs are started, such as ``local``.
        started: When it was first started, ISO 8601 in UTC.
        overrides: Of each job, by its directory's name, in the order of the sweep.
        monitor: Metric that decides what is best.
        monitor_mode: ``max`` or ``min``.
        headline: Metric that its tables lead with.
    """

    command: list[str] = field(default_factory=list)
    folder: str = ""
    host: str = ""
    launcher: str = ""
    started: str = ""
    overrides: dict[str, list[str]] = field(default_factory=dict)
    monitor: str = ""
    monitor_mode: str = "max"
    headline: str = HEADLINE

    def write(self, sweep: SweepDirectory) -> None:
        """Writes the facts, replacing earlier ones; jobs of other launchers stay, before ours.

        Args:
            sweep: The sweep that they describe.

        Raises:
            RunError: The disk is full, or the place cannot be written.
        """
        with _alone(sweep.own / "facts.lock"):
            facts, earlier = self, None
            with contextlib.suppress(RunError):  # there is none yet, or it has been damaged
                earlier = SweepFacts.read(sweep)
                facts = replace(self, overrides={**earlier.overrides, **self.overrides})
            if facts != earlier:
                text = json.dumps(asdict(facts), ensure_ascii=False, indent=2)
                write_text(sweep.facts_file, f"{text}\n")

    @classmethod
    def read(cls, sweep: SweepDirectory) -> Self:
        """Reads the facts of a sweep.

        Args:
            sweep: The sweep.

        Raises:
            RunError: There is no sweep, or its facts have been damaged.
        """
        try:
            plain: dict[str, Any] = json.loads(sweep.facts_file.read_bytes())
            return cls(**plain)
        except OSError as error:
            raise RunError(
                f"expected a sweep at {sweep.path}, got no {sweep.facts_file.name} there. Name the "
                "directory of a sweep, such as outputs/sweeps/<name>."
            ) from error
        except (ValueError, TypeError) as error:
            raise RunError(
                f"expected the facts of a sweep in {sweep.facts_file}, got content that is none "
                f"({error}). Start the sweep again by its command, which writes it anew."
            ) from error


@contextlib.contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Holds a lock during the block, or none if another process keeps it: it may be suspended."""
    lock = Lock.take(file, seconds=_PATIENCE_SECONDS)
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


@dataclass
class JobStatus:
    """How far one job of a sweep is.

    Attributes:
        name: Of its directory.
        run: Its directory.
        overrides: What it overrides.
        state: ``waiting`` until its first process starts, and again between retries.
        place: Where it runs, or ran last, such as ``GPU 2``.
        attempts: Processes that this launch started for it.
        skipped: Whether it had ended before this launch.
        progress: Of a running job.
        record: Of a job that has ended.
        note: What else is to be said, such as that another launcher works on it.
    """

    name: str
    run: RunDirectory
    overrides: Sequence[str] = ()
    state: JobState = "waiting"
    place: str = ""
    attempts: int = 0
    skipped: bool = False
    progress: Progress | None = None
    record: RunRecord | None = None
    note: str = ""


class Watcher(Protocol):
    """Shows a sweep while it runs."""

    def changed(self, jobs: Sequence[JobStatus]) -> None:
        """Hears how far all jobs are, whenever something happens and about twice a second.

        Args:
            jobs: In the order of the sweep; a search appends to them.
        """
        ...

    def said(self, text: str) -> None:
        """Hears what else people should know."""
        ...

    def closed(self) -> None:
        """Hears that there will be nothing more; safe to call twice."""
        ...


def read_jobs(sweep: SweepDirectory) -> list[JobStatus]:
    """Reads how far the jobs of a sweep are, whether or not a launcher runs.

    Args:
        sweep: The sweep.

    Returns:
        The status of each job, in the order of the sweep. What says that it runs, but has no
        process, was interrupted.

    Raises:
        RunError: There is no sweep, or a file of it is damaged.
    """
    facts = SweepFacts.read(sweep)
    return [
        read_job(JobStatus(name, RunDirectory(sweep.path / name), overrides))
        for name, overrides in facts.overrides.items()
    ]


def read_job(job: JobStatus) -> JobStatus:
    """Brings the status of a job up to date with its directory.

    Args:
        job: Is changed.

    Returns:
        The same.

    Raises:
        RunError: Its record is damaged.
    """
    if is_locked(job.run.lock_file):
        job.state, job.progress = "running", read_progress(job.run)
        return job
    if job.run.record_file.exists():
        job.record = read_record(job.run)
        state = job.record.state
        job.state = "interrupted" if state == "running" else state
    return job
