"""SLURM's queue, and the note of what a sweep has put there; light to import."""

import getpass
import json
import logging
import math
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from project.atomic import write_text
from project.runs.sweeps import SweepDirectory

log = logging.getLogger(__name__)

# What we send to end a job; SLURM itself uses others.
STOP = signal.SIGHUP

_ASK_SECONDS = 15.0  # between questions to SLURM's controller, which many share
_ANSWER_SECONDS = 60.0  # a busy controller takes its time
_HURRY_SECONDS = 2.0  # both, where jobs are to end at once
_IDS_AT_A_TIME = 500  # on one command line
_BEFORE_IT_BEGINS = {
    "PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD",
    "SPECIAL_EXIT",
}  # fmt: skip


@dataclass(frozen=True)
class Queued:
    """What a sweep submitted for one of its directories; it may be over.

    Attributes:
        id: SLURM's, such as ``123_4``.
        fingerprint: Of the configuration that it runs.
    """

    id: str
    fingerprint: str


class SlurmQueue:
    """SLURM's queue, as one sweep sees it. Asks ``squeue``, which needs no accounting.

    Args:
        sweep: Keeps the ids of its jobs, for later launches.
    """

    def __init__(self, sweep: SweepDirectory) -> None:
        self._note = sweep.own / "slurm.json"
        self._states: dict[str, str] = {}
        self._asked = -math.inf
        self._in_a_hurry = False
        self.answers = 0

    def known(self) -> dict[str, Queued]:
        """What was submitted last for each directory."""
        try:
            plain: dict[str, list[str]] = json.loads(self._note.read_bytes())
            return {name: Queued(*values) for name, values in plain.items()}
        except (OSError, ValueError, TypeError):
            return {}  # a job that is submitted twice finds the other at work, or done

    def remember(self, submitted: Mapping[str, Queued]) -> None:
        """Notes what was submitted for directories."""
        known = {**self.known(), **submitted}
        plain = {name: [queued.id, queued.fingerprint] for name, queued in known.items()}
        write_text(self._note, json.dumps(plain, indent=1) + "\n")

    def states(self, *, now: bool = False) -> Mapping[str, str]:
        """State of each job of this user that waits or runs, by id.

        Args:
            now: Whether to ask even if the last answer is fresh.

        Returns:
            What SLURM said last; `answers` counts how often it did.
        """
        pause = min(_ASK_SECONDS, _HURRY_SECONDS) if self._in_a_hurry else _ASK_SECONDS
        if not now and time.monotonic() - self._asked < pause:
            return self._states
        user = getpass.getuser()
        said = self._said("squeue", "--noheader", "--array", f"--user={user}", "--format=%i %T")
        self._asked = time.monotonic()
        if said is not None:
            pairs = (line.split(maxsplit=1) for line in said.splitlines())
            self._states = {pair[0]: pair[1].strip() for pair in pairs if len(pair) == 2}
            self.answers += 1
        return self._states

    def stop(self, ids: Iterable[str], *, at_once: bool = False) -> set[str]:
        """Takes waiting jobs out of the queue, and has running ones end.

        Args:
            ids: The jobs; those that are over do not matter.
            at_once: Whether running ones are killed, instead of told to write a checkpoint.

        Returns:
            Those that had not begun, and never will.
        """
        self._in_a_hurry = at_once
        states = self.states(now=True)
        there = {id_ for id_ in ids if id_ in states}
        waiting = {id_ for id_ in there if states[id_] in _BEFORE_IT_BEGINS}
        running = sorted(there - waiting)
        told = signal.SIGKILL if at_once else STOP
        self._scancel(running, f"--signal={told.name.removeprefix('SIG')}")
        self._scancel([*sorted(waiting), *(running if at_once else [])])
        return waiting

    def _scancel(self, ids: Sequence[str], *options: str) -> None:
        for start in range(0, len(ids), _IDS_AT_A_TIME):
            self._said("scancel", *options, *ids[start : start + _IDS_AT_A_TIME])

    def _said(self, *command: str) -> str | None:
        return _said(*command, seconds=_HURRY_SECONDS if self._in_a_hurry else _ANSWER_SECONDS)


def take_back(sweep: SweepDirectory) -> int:
    """Stops what a sweep has put into SLURM's queue, whether or not its launcher lives.

    Args:
        sweep: The sweep.

    Returns:
        How many of its jobs were still waiting.
    """
    queue = SlurmQueue(sweep)
    ids = [queued.id for queued in queue.known().values()]
    return len(queue.stop(ids)) if ids else 0


def _said(*command: str, seconds: float) -> str | None:
    """What a command of SLURM's prints; None, and a warning, if it does not work."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=True)
    except subprocess.CalledProcessError as error:
        log.warning("%s: %s", command[0], error.stderr.strip())
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning("%s: %s", command[0], error)
    else:
        return done.stdout
    return None
