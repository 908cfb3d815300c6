"""What SLURM and Ray run on the machine that they have chosen."""

import contextlib
import pickle
import signal
import socket
import subprocess
import sys

from project.launch.jobs.attempt import Exit
from project.launch.remote.order import Order, Outcome
from project.launch.remote.supervisor import KILL, STOP

_SUPERVISOR = "project.launch.remote.supervisor"
_POLL_SECONDS = 0.5  # Ray interrupts a task only while it executes Python


class Supervised:
    """A job that runs on this machine, in a process with a supervisor beside it.

    Interrupted while it is made, it does not begin.

    Args:
        order: The job.
    """

    def __init__(self, order: Order) -> None:
        self._channel, theirs = socket.socketpair()
        self._channel.settimeout(_POLL_SECONDS)
        with theirs:
            self._starter = subprocess.Popen(
                [sys.executable, "-m", _SUPERVISOR, str(theirs.fileno())],
                stdin=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is the launcher's
            )
        self._answer = b""
        assert self._starter.stdin is not None
        with contextlib.suppress(BrokenPipeError), self._starter.stdin as there:
            there.write(pickle.dumps(order))  # if it has died, its silence tells

    def stop(self, *, at_once: bool) -> None:
        """Asks for the job's end, with a checkpoint or at once."""
        with contextlib.suppress(OSError):
            self._channel.send(KILL if at_once else STOP)

    def outcome(self) -> Outcome:
        """Waits for the job; may be interrupted and called again."""
        while True:
            try:
                more = self._channel.recv(1 << 16)
            except TimeoutError:
                continue
            except ConnectionError:
                more = b""
            if not more:
                break
            self._answer += more
        self._channel.close()
        self._starter.wait()
        if not self._answer:
            return Outcome(Exit(None))  # the supervisor was killed
        outcome: Outcome = pickle.loads(self._answer)  # noqa: S301 - from our own supervisor
        return outcome


def run_here(order: Order) -> Outcome:
    """Runs a job on this machine, as long as this process lives and is not interrupted.

    Args:
        order: The job.

    Returns:
        What became of it. It is told to write a checkpoint and to end when this process is
        interrupted (``KeyboardInterrupt``), and when it is killed.
    """
    # Ray's interrupts are Ctrl-C's, which what a shell starts in the background ignores.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    job = Supervised(order)
    while True:
        try:
            return job.outcome()
        except KeyboardInterrupt:
            job.stop(at_once=False)
