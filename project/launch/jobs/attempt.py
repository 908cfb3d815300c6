"""One attempt at a job, seen from outside: what it is given, and how it ended."""

import contextlib
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from project.errors import RunError
from project.launch.jobs.job import Job
from project.launch.membership import SWEEP
from project.runs.directory import RunDirectory
from project.runs.lock import INHERITED, Lock
from project.runs.record import EXITED, KILLED, TIMED_OUT, Failure, RunRecord, read_record

_LAST_LINES = 30
_LAST_BYTES = 1 << 16
# What ties a process to the terminal, launcher or allocation of whoever starts it.
_NOT_INHERITED = (INHERITED, "LOCAL_RANK", "RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Exit:
    """How the process of an attempt ended.

    Attributes:
        code: Exit code, or minus the number of the signal that killed it; None if nobody saw it.
        timed_out: Whether it was stopped for having taken too long.
        busy: Whether it never began, because another process works in the run's directory.
        stopped: Whether it was told to end because the whole sweep does.
    """

    code: int | None
    timed_out: bool = False
    busy: bool = False
    stopped: bool = False


@dataclass
class Attempt:
    """One attempt at a job.

    Attributes:
        job: The job.
        resume: Whether it goes on from the last checkpoint.
        number: From 1, within this launch.
        lock: Of the run's directory, for the process to inherit; None if it takes it itself.
        place: Where it runs, in a word for people.
    """

    job: Job
    resume: bool
    number: int = 1
    lock: Lock | None = None
    place: str = ""
    _record_before: bytes = field(init=False)
    _ended_before: RunRecord | None = field(init=False)

    def __post_init__(self) -> None:
        """Remembers the record of the attempt before, to know whether this one wrote its own."""
        self._record_before = _content(self.job.run.record_file)
        self._ended_before = _ended(self.job.run)

    def environment(self, sweep: Path, own: Mapping[str, str]) -> dict[str, str]:
        """Variables of the process.

        Args:
            sweep: Directory of the sweep.
            own: Variables of the place where it runs, such as its GPU.
        """
        inherited = {key: value for key, value in os.environ.items() if key not in _NOT_INHERITED}
        # Unbuffered, so that the last words of a killed job are there to be read.
        common = {SWEEP: str(sweep), "PYTHONUNBUFFERED": "1"}
        return {**inherited, **common, **self.job.environment, **own}

    def concluded(self, ended: Exit) -> RunRecord:
        """Completes the record of an attempt whose process is gone.

        Args:
            ended: How it ended.

        Returns:
            The record, never in state ``running``: what ended without a word of its own - killed,
            out of memory, ``sys.exit``, an error before anything was recorded - is a failure with
            the last lines that it printed; what stopped when it was told to is interrupted.
        """
        record = self._own_record()
        if record is None and self._ended_before:
            return self._ended_before
        done = record is not None and record.state in ("finished", "pruned")  # just in time
        if record is None or record.state == "running" or (ended.timed_out and not done):
            record = record or self._blank()
            record.state = "interrupted" if ended.stopped else "failed"
            record.error = self._failure(ended)
            record.finished = datetime.now(UTC).isoformat(timespec="seconds")
        elif record.state == "failed" and record.error is not None:
            record.error.output = _last_lines(self.job.run.output_file)
        else:
            return record
        record.write(self.job.run)
        return record

    def _own_record(self) -> RunRecord | None:
        """The record, if this attempt wrote it."""
        if _content(self.job.run.record_file) in (b"", self._record_before):
            return None
        with contextlib.suppress(RunError):
            return read_record(self.job.run)
        return None

    def _blank(self) -> RunRecord:
        """Of a run that did not come to write one, or only that of an attempt before."""
        with contextlib.suppress(RunError):
            return read_record(self.job.run)
        job = self.job
        return RunRecord(
            overrides=list(job.overrides),
            name=job.name,
            seed=job.config.get("seed"),
            config_fingerprint=job.fingerprint,
            started=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _failure(self, ended: Exit) -> Failure:
        output = _last_lines(self.job.run.output_file)
        if ended.timed_out:
            return Failure(TIMED_OUT, "It took longer than timeout_minutes.", output=output)
        if ended.code is None:
            return Failure(KILLED, "Its process is gone; nobody saw how it ended.", output=output)
        if ended.code < 0:
            return Failure(KILLED, _killed_by(-ended.code), output=output)
        return Failure(EXITED, f"It ended with exit code {ended.code} by itself.", output=output)


def _killed_by(number: int) -> str:
    known = {member.value: member.name for member in signal.Signals}  # real-time ones are not
    name = known.get(number, f"signal {number}")
    hint = " It may have run out of memory." if name == "SIGKILL" else ""
    return f"It was killed by {name}.{hint}"


def _ended(run: RunDirectory) -> RunRecord | None:
    """The record of a run that ended for good; nothing may write over it."""
    with contextlib.suppress(RunError):
        record = read_record(run)
        return record if record.state in ("finished", "pruned") else None
    return None


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def _last_lines(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - _LAST_BYTES))
            text = stream.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    # A progress bar rewrites its line; only what stood there last is of interest.
    lines = [line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.rstrip("\n").split("\n")]
    return "\n".join(lines[-_LAST_LINES:])
