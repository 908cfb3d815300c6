"""What there is to say of the jobs of a sweep, for all of its outputs alike."""

import math
import re
import time
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from project.report.scores import NOT_DEFINED, duration, measured_split, value_of
from project.runs.progress import Progress
from project.runs.record import RunRecord
from project.runs.sweeps import JobState, JobStatus

ENDED: tuple[JobState, ...] = ("finished", "failed", "interrupted", "pruned")
_ORDER: tuple[JobState, ...] = (
    "finished", "running", "waiting", "failed", "interrupted", "pruned"
)  # fmt: skip
_LAST_LINES = 8
_ALWAYS_SAID = 4  # of these states, also where there is none in it
_ESCAPE_SEQUENCE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|.)")


def printable(text: str) -> str:
    r"""Text without what would move a terminal's cursor or change its colours.

    Args:
        text: Anything that a job, a library or a user wrote. Line ends stay.

    Example:
        >>> printable("\x1b[31mred\x1b[0m [1/2]\r\n")
        'red [1/2]\n'
    """
    text = _ESCAPE_SEQUENCE.sub("", text).replace("\t", " ")
    return "".join(c for c in text if c == "\n" or unicodedata.category(c) != "Cc")


def tally(jobs: Iterable[JobStatus], *, all_states: bool = False) -> str:
    """How many jobs are in which state.

    Args:
        jobs: The jobs.
        all_states: Whether the usual states are named also where no job is in them.

    Returns:
        As in ``1 finished, 2 running, 0 waiting, 0 failed``; empty where nothing is to be said.
    """
    counts = Counter(job.state for job in jobs)
    usual = _ORDER[:_ALWAYS_SAID] if all_states else ()
    said = [state for state in _ORDER if counts[state] or state in usual]
    return ", ".join(f"{counts[state]} {state}" for state in said)


def how_far(jobs: Sequence[JobStatus]) -> str:
    """How far the whole sweep is, and how long it will take as far as can be told."""
    noun = "job" if len(jobs) == 1 else "jobs"
    seconds = sweep_seconds_left(jobs)
    left = "" if seconds is None else f", about {roughly(seconds)} left"
    return f"{len(jobs)} {noun}: {tally(jobs, all_states=True)}{left}"


def labels(jobs: Sequence[JobStatus]) -> list[str]:
    """What each job is called where there is little room: its trial, else its number from 1."""
    first = [job.name.partition(",")[0] for job in jobs]
    return [
        name if name.startswith("trial=") else str(number) for number, name in enumerate(first, 1)
    ]


def told_apart(jobs: Sequence[JobStatus]) -> list[str]:
    """What each job overrides, but for what all of them do.

    Args:
        jobs: The jobs of a sweep.

    Returns:
        For each job its own overrides, with the last part of each key where that is unique; the
        name of its directory where there is nothing of its own.
    """
    often = Counter(override for job in jobs for override in dict.fromkeys(job.overrides))
    own = [[o for o in job.overrides if often[o] < len(jobs)] for job in jobs]
    keys = {override.partition("=")[0] for overrides in own for override in overrides}
    endings = Counter(map(_ending, keys))
    return [
        printable(" ".join(_shortened(override, endings) for override in overrides) or job.name)
        for job, overrides in zip(jobs, own, strict=True)
    ]


def epoch(job: JobStatus) -> str:
    """Which epoch of how many a running job is in, counted from 1, as in ``3/12``."""
    if job.progress is None or job.state != "running":
        return ""
    present, epochs = job.progress.epoch + 1, job.progress.epochs
    return f"{min(present, epochs)}/{epochs}" if epochs else str(present)


def best_value(job: JobStatus) -> float | None:
    """The best value so far of the metric that decides which epoch is best."""
    if job.record is not None and job.record.best is not None and job.state != "running":
        return job.record.best.value
    return job.progress.best if job.progress else None


def decimals(value: float | None) -> str:
    """A metric with four digits, or a dash where there is none."""
    return NOT_DEFINED if value is None or math.isnan(value) else f"{value:.4f}"


def seconds_taken(job: JobStatus) -> float | None:
    """How long a job has taken: all of it where it has ended, training only while it runs."""
    if job.state == "running":
        return _aged(job.progress, job.progress.seconds, +1) if job.progress else None
    return job.record.seconds.get("total") if job.record else None


def seconds_left(job: JobStatus) -> float | None:
    """What is left of a running job at its pace; None where unknown."""
    if job.progress is None or job.state != "running" or job.progress.seconds_left is None:
        return None
    return max(_aged(job.progress, job.progress.seconds_left, -1), 0.0)


def sweep_seconds_left(jobs: Sequence[JobStatus]) -> float | None:
    """What is left of the whole sweep if it goes on with as many jobs at a time as now.

    Args:
        jobs: The jobs of a sweep.

    Returns:
        A rough guess, seconds; None where nothing runs or no job's length is known.
    """
    running = [job for job in jobs if job.state == "running"]
    left = [seconds for job in running if (seconds := seconds_left(job)) is not None]
    waiting = sum(job.state == "waiting" for job in jobs)
    each = _usual_seconds(jobs)
    if not running or not left or (waiting and each is None):
        return None
    rest = sum(left) / len(left) * len(running) + waiting * (each or 0.0)
    return max(rest / len(running), *left)


def span(seconds: float | None) -> str:
    """A time span in whole seconds or larger units; empty for None.

    Example:
        >>> span(3.21), span(125), span(None)
        ('3 s', '2 min 5 s', '')
    """
    if seconds is None:
        return ""
    return f"{seconds:.0f} s" if round(seconds) < 60 else duration(seconds)


def roughly(seconds: float) -> str:
    """A guessed time span, in minutes once it is two.

    Example:
        >>> roughly(95), roughly(719), roughly(9000)
        ('1 min 35 s', '12 min', '2 h 30 min')
    """
    return span(seconds if seconds < 120 else 60 * round(seconds / 60)).removesuffix(" 0 s")


def why(record: RunRecord | None) -> str:
    """What ended a run too early, on one line; empty where nothing is known."""
    if record is None or record.error is None:
        return ""
    lines = printable(record.error.message).strip().splitlines()
    return f"{record.error.type}: {lines[0]}" if lines else record.error.type


def failure(job: JobStatus) -> str:
    """All that is known of why a job failed, in as many lines as it takes."""
    error = job.record.error if job.record else None
    said = f"{error.type}: {error.message}".removesuffix(": ") if error else job.note
    return printable(said).strip()


def reached(job: JobStatus, metric: str) -> float:
    """A metric of the test images, or of those that the run was measured on; NaN without any."""
    if job.record is None:
        return math.nan
    return value_of(job.record, measured_split(job.record), metric)


def last_words(job: JobStatus) -> str:
    """The last lines that a job printed, else the end of its traceback."""
    if job.record is None or job.record.error is None:
        return ""
    text = job.record.error.output or job.record.error.traceback
    lines = [line.rstrip() for line in printable(text).splitlines() if line.strip()]
    return "\n".join(lines[-_LAST_LINES:])


def _aged(progress: Progress, seconds: float, sign: int) -> float:
    return seconds + sign * max(time.time() - progress.time, 0.0)


def _usual_seconds(jobs: Sequence[JobStatus]) -> float | None:
    """Length of a job, from those that finished, else from those that are on their way."""
    for state in ("finished", "running"):
        known = [
            taken + (seconds_left(job) or 0.0)
            for job in jobs
            if job.state == state and (taken := seconds_taken(job)) is not None
        ]
        if known:
            return sum(known) / len(known)
    return None


def _ending(key: str) -> str:
    return key.rpartition(".")[2]


def _shortened(override: str, endings: Counter[str]) -> str:
    key, sign, value = override.partition("=")
    return f"{_ending(key)}{sign}{value}" if endings[_ending(key)] == 1 else override
