"""What submitit runs in an allocation: one job, which survives being preempted."""

import os
import signal
import time
from types import FrameType

from submitit.core.utils import DelayedSubmission

from project.launch.remote.order import Order, Outcome
from project.launch.remote.runner import Supervised
from project.launch.remote.slurm_queue import STOP
from project.runs.sweeps import SweepDirectory

_LINGER_SECONDS = 60.0  # longer than SLURM waits between SIGTERM and SIGKILL


class SlurmTask:
    """One job in an allocation, or in a process that plays one.

    Where SLURM wants the place back - preemption, or the end of the time limit - it sends a signal,
    upon which submitit calls `checkpoint` and puts the job into the queue again.

    Args:
        order: The job.
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        self._job: Supervised | None = None
        self._told = False

    def __call__(self) -> Outcome:
        """Runs the job."""
        self._listen()
        self._job = Supervised(self._order)
        if self._told:
            self._job.stop(at_once=False)
        outcome = self._job.outcome()
        if outcome.exit.stopped and not self._was_meant():
            # By SLURM's SIGTERM. A job that ended now would be taken for done; one that waits is
            # either told to go back to the queue, or killed because its owner cancelled it.
            time.sleep(_LINGER_SECONDS)
        return outcome

    def checkpoint(self) -> DelayedSubmission:
        """Has the job write a checkpoint and end; the next allocation goes on from there."""
        if self._job is not None:
            self._job.stop(at_once=False)
            self._job.outcome()
        return DelayedSubmission(SlurmTask(self._order))

    def _listen(self) -> None:
        executor = os.environ.get("SUBMITIT_EXECUTOR")
        if executor in ("slurm", "local"):
            signal.signal(STOP, self._stop)
        if executor == "local":  # its controller passes on nothing else
            signal.signal(signal.SIGTERM, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        at_once, self._told = self._told, True
        if self._job is not None:
            self._job.stop(at_once=at_once)

    def _was_meant(self) -> bool:
        return self._told or SweepDirectory(self._order.sweep).cancel_file.exists()
