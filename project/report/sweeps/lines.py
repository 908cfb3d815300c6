"""A sweep as plain lines, one for each thing that happens to a job."""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from project.report.metrics import title
from project.report.scores import measured_split, percent
from project.report.sweeps.words import (
    ENDED,
    labels,
    printable,
    reached,
    span,
    told_apart,
    why,
)
from project.runs.record import HEADLINE
from project.runs.sweeps import JobStatus

log = logging.getLogger(__name__)

_WIDEST_VERB = 11


@dataclass(frozen=True)
class _Seen:
    """What was known of a job when it was last looked at."""

    state: str = "waiting"
    attempts: int = 0
    skipped: bool = False
    note: str = ""

    @classmethod
    def of(cls, job: JobStatus) -> "_Seen":
        return cls(job.state, job.attempts, job.skipped, job.note)


class Lines:
    """Tells in a line when a job starts, ends, fails, is tried again or is skipped.

    Args:
        write: Takes each line, without its end.
        headline: The metric that is told of a job that has finished.
    """

    def __init__(self, write: Callable[[str], None], headline: str = HEADLINE) -> None:
        self._write = write
        self._headline = headline
        self._seen: dict[str, _Seen] = {}

    def changed(self, jobs: Sequence[JobStatus]) -> None:
        """Tells what is new."""
        changed = [job for job in jobs if self._seen.get(job.name, _Seen()) != _Seen.of(job)]
        if not changed:
            return
        called = dict(zip((job.name for job in jobs), _called(jobs), strict=True))
        for job in changed:
            before = self._seen.get(job.name, _Seen())
            for verb, detail in _events(before, job, self._headline):
                self.said(f"{verb:<{_WIDEST_VERB}} {called[job.name]}{detail}")
            self._seen[job.name] = _Seen.of(job)

    def said(self, text: str) -> None:
        """Writes a text, each of its lines with the time."""
        now = datetime.now().astimezone()
        for line in printable(text).rstrip().splitlines():
            self._write(f"{now:%Y-%m-%d %H:%M:%S}  {line.rstrip()}")

    def closed(self) -> None:
        """Has nothing to let go of."""


def into(file: Path) -> Callable[[str], None]:
    """Appends lines to a file, whoever else does so.

    A file that cannot be written is a warning, once: a full disk must not end the launcher.

    Args:
        file: Its folders are made.

    Returns:
        What takes the lines.
    """
    warned = False

    def append(line: str) -> None:
        nonlocal warned
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a", encoding="utf-8", errors="backslashreplace") as stream:
                stream.write(f"{line}\n")
        except OSError as error:
            if not warned:
                log.warning("Cannot write %s: %s", file, error.strerror)
            warned = True

    return append


def _called(jobs: Sequence[JobStatus]) -> Iterator[str]:
    """Label of how many, and what the job overrides."""
    for label, overrides in zip(labels(jobs), told_apart(jobs), strict=True):
        yield f"{label}/{len(jobs)} {overrides}" if label.isdigit() else f"{label} {overrides}"


def _events(before: _Seen, job: JobStatus, headline: str) -> Iterator[tuple[str, str]]:
    """What has happened since, as a verb and what follows the job."""
    note = f": {job.note}" if job.note and job.note != before.note else ""
    if job.skipped and not before.skipped:
        yield "skipped", f": {_result(job, headline) or job.state} earlier"
        return
    if job.attempts > before.attempts:
        yield "started", _where(job) + (note if job.state == "running" else "")
    elif job.state == "running" and before.state != "running":
        yield "running", _where(job) + note
    elif job.state == before.state and note:
        yield "note", note
    if job.state in ENDED and before.state != job.state:
        yield job.state, _outcome(job, headline) + note
    elif job.state == "waiting" and before.state != "waiting":
        reason = why(job.record)
        yield "waiting", f": {reason}{note}" if reason else note


def _where(job: JobStatus) -> str:
    place = f" on {job.place}" if job.place else ""
    return place + (f", attempt {job.attempts}" if job.attempts > 1 else "")


def _outcome(job: JobStatus, headline: str) -> str:
    if job.record is None:
        return ""
    seconds = job.record.seconds.get("total")
    took = f" after {span(seconds)}" if seconds else ""
    told = _result(job, headline) if job.state == "finished" else why(job.record)
    if job.state == "interrupted":  # it was asked to stop, and did
        told = ""
    place = f" ({job.run.path})" if job.state == "failed" else ""
    return f"{took}{': ' if told else ''}{told}{place}"


def _result(job: JobStatus, headline: str) -> str:
    if job.record is None:
        return ""
    value = reached(job, headline)
    said = f"{measured_split(job.record)} {printable(title(headline, ' of '))}"
    return "" if math.isnan(value) else f"{said} {percent(value)}"
