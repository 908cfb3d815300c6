"""A process beside the job, on the machine that the job runs on.

Started as ``python -m project.launch.remote.supervisor <descriptor>`` by whoever SLURM or Ray
started there, its owner. It reads an order from standard input, does it, and answers with the
outcome over the socket of that descriptor. The owner asks it by the letters `STOP` and `KILL` to
end the job; if the owner is gone, killed or with its node, the job is not left to itself: it writes
a checkpoint and ends.
"""

import os
import pickle
import select
import signal
import socket
import sys
import time
from threading import Event

from project.errors import EvenhandError
from project.launch.jobs.attempt import Attempt, Exit
from project.launch.jobs.decision import Step, decide
from project.launch.local.fork_server import Request
from project.launch.local.processes import ColdProcess, kill_all, tell
from project.launch.remote.order import Order, Outcome
from project.runs.lock import INHERITED, Lock
from project.runs.sweeps import SweepDirectory

STOP = b"s"  # with a checkpoint
KILL = b"k"

_POLL_SECONDS = 0.2
_CANCEL_SECONDS = 2.0  # between looks at a file on what may be a network's disk
_LOCK_SECONDS = 10.0  # an attempt that was preempted may be just about to end
_LEASE_SECONDS = 150.0  # the same on SLURM: a network's disk keeps the locks of a node that crashed
_GRACE_SECONDS = 60.0  # for a checkpoint
_ORPHAN_SECONDS = 10.0  # the same, if the owner is gone
# SLURM sends what is meant for the owner to every process; loader workers would die of it.
_OF_THE_OWNER = (signal.SIGHUP, signal.SIGUSR2)
# Would have Lightning believe that srun starts the ranks, or have us take this for one of them.
_SCHEDULERS = ("SLURM_", "SUBMITIT_", "PMI_", "PMIX_")
_HARMLESS = ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID")
_SHARE = (
    "Choose a folder that all machines see under the same path, with paths.output=<folder> or "
    "hydra.sweep.dir=<folder>."
)
_SRUN_IS_NOT_USED = "ignore:The `srun` command is available on your system but is not used"


def main() -> None:
    """Carries out one order."""
    for number in _OF_THE_OWNER:
        signal.signal(number, signal.SIG_IGN)  # which the job inherits
    terminated = Event()
    signal.signal(signal.SIGTERM, lambda *_: terminated.set())
    with socket.socket(fileno=int(sys.argv[1])) as owner:
        order: Order = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own owner
        if os.fork():  # a Ray worker that ends kills its children, and then nobody would be here
            return
        outcome = carried_out(order, owner, terminated)
        try:
            owner.sendall(pickle.dumps(outcome))
        except OSError:
            return  # nobody wants to know; the record tells it


def carried_out(order: Order, owner: socket.socket, terminated: Event) -> Outcome:
    """Runs a job, unless it has ended meanwhile or another process works on it.

    Args:
        order: The job.
        owner: Asks for it to be stopped, by what it sends or by being closed.
        terminated: Asks for the same.

    Returns:
        How it ended, as its record says, too.
    """
    nothing = Exit(None, busy=True)
    for folder in (order.sweep, order.folder):
        if not folder.is_dir():
            host = socket.gethostname()
            return Outcome(
                nothing, f"expected {folder} on {host}, too, got nothing there. {_SHARE}"
            )
    if terminated.is_set() or SweepDirectory(order.sweep).cancel_file.exists():
        return Outcome(nothing)
    try:
        lock = _locked(order, owner, terminated)
        if lock is None:
            return Outcome(nothing)
        try:
            return Outcome(_run(order, lock, owner, terminated))
        finally:
            lock.release()
    except EvenhandError as error:
        return Outcome(nothing, str(error))


def _locked(order: Order, owner: socket.socket, terminated: Event) -> Lock | None:
    """The lock of the run's directory; None if others keep it, or nobody wants it any more."""
    on_slurm = os.environ.get("SUBMITIT_EXECUTOR") == "slurm"
    until = time.monotonic() + (_LEASE_SECONDS if on_slurm else _LOCK_SECONDS)
    while (lock := Lock.take(order.job.run.lock_file)) is None and time.monotonic() < until:
        said, _, _ = select.select([owner], [], [], _POLL_SECONDS)
        if said or terminated.is_set() or SweepDirectory(order.sweep).cancel_file.exists():
            return None
    return lock


def _run(order: Order, lock: Lock, owner: socket.socket, terminated: Event) -> Exit:
    step = decide(order.job)  # again: it may have run since it was queued, and been preempted
    if step is Step.SKIP:
        return Exit(None, busy=True)
    attempt = Attempt(order.job, step is Step.CONTINUE, lock=lock)
    process = _started(order, attempt)
    ended = _Watch(process, order, owner, terminated).until_end()
    kill_all(process.id)
    attempt.concluded(ended)
    return ended


def _started(order: Order, attempt: Attempt) -> ColdProcess:
    job = order.job
    job.run.output_file.parent.mkdir(parents=True, exist_ok=True)
    assert attempt.lock is not None
    request = Request(
        module=job.module,
        arguments=job.arguments(resume=attempt.resume),
        environment=_environment(order, attempt),
        folder=str(order.folder),
        output=str(job.run.output_file),
        told=INHERITED,
    )
    return ColdProcess(request, [attempt.lock.descriptor])


def _environment(order: Order, attempt: Attempt) -> dict[str, str]:
    variables = attempt.environment(order.sweep, order.variables)
    own = {
        name: value
        for name, value in variables.items()
        if not name.startswith(_SCHEDULERS) or name in _HARMLESS
    }
    warnings = [_SRUN_IS_NOT_USED, *filter(None, [own.get("PYTHONWARNINGS")])]
    return {**own, "PYTHONWARNINGS": ",".join(warnings)}


class _Watch:
    """Waits for a job's process, and ends it when it is to end.

    Args:
        process: The job's.
        order: The job.
        owner: May ask for its end.
        terminated: Asks for it, too.
    """

    def __init__(
        self,
        process: ColdProcess,
        order: Order,
        owner: socket.socket,
        terminated: Event,
    ) -> None:
        self._process = process
        self._cancel_file = SweepDirectory(order.sweep).cancel_file
        minutes = order.timeout_minutes
        self._ends = time.monotonic() + minutes * 60 if minutes else float("inf")
        self._owner: socket.socket | None = owner
        self._terminated = terminated
        self._told = False
        self._owner_asked = False
        self._kill_at = float("inf")
        self._timed_out = False
        self._look_again = 0.0

    def until_end(self) -> Exit:
        """Returns how the process ended."""
        while (code := self._process.ended()) is None:
            self._listen()
            self._look_around()
        return Exit(code, timed_out=self._timed_out, stopped=self._told and not self._timed_out)

    def _listen(self) -> None:
        """Waits a moment for what the owner says."""
        if self._owner is None:
            time.sleep(_POLL_SECONDS)
            return
        ready, _, _ = select.select([self._owner], [], [], _POLL_SECONDS)
        if not ready:
            return
        said = _received(self._owner)
        if not said:
            self._owner = None
            # Who has asked for the job's end and now is gone was killed to have it at once. Where
            # all processes got a signal, the owner's end says nothing.
            self._stop(0.0 if self._owner_asked else _ORPHAN_SECONDS)
        else:
            self._owner_asked = True
            self._stop(0.0 if KILL in said else _GRACE_SECONDS)

    def _look_around(self) -> None:
        now = time.monotonic()
        if now > self._ends and not self._told:
            self._timed_out = True
            self._stop(_GRACE_SECONDS)
        if now > self._look_again:
            self._look_again = now + _CANCEL_SECONDS
            if self._cancel_file.exists():
                self._stop(_GRACE_SECONDS)
        if self._terminated.is_set():
            self._stop(_GRACE_SECONDS)
        if now >= self._kill_at:
            kill_all(self._process.id)

    def _stop(self, grace: float) -> None:
        """Has the job write a checkpoint and end within so many seconds."""
        if not self._told:
            tell(self._process.id, signal.SIGTERM)
        self._told = True
        self._kill_at = min(self._kill_at, time.monotonic() + grace)


def _received(owner: socket.socket) -> bytes:
    try:
        return owner.recv(16)
    except ConnectionError:
        return b""


if __name__ == "__main__":
    main()
