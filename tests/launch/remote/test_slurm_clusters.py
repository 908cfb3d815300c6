import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from submitit.core.utils import DelayedSubmission

from project.launch.jobs.attempt import Attempt, Exit
from project.launch.remote import slurm_queue
from project.launch.remote.order import order_for
from project.launch.remote.slurm import Allocation, SlurmExecutor
from project.launch.remote.slurm_task import SlurmTask
from project.runs.lock import is_locked
from project.runs.record import read_record
from tests.launch.remote.conftest import MakeJob, Notes
from tests.launch.remote.slurm_box import Box, attempts, outcomes, submitted

# Jobs are run by the scripts that SLURM was sent, or by processes of this machine in its place.
pytestmark = pytest.mark.slow


def wait_for_checkpoint(attempt: Attempt, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not attempt.job.run.checkpoint("last").exists():
        assert time.monotonic() < until, "no checkpoint in time"
        time.sleep(0.05)


def tell_child(parent: object, number: signal.Signals) -> None:
    """Sends a signal to the process that submitit starts in an allocation."""
    found = subprocess.run(["pgrep", "-P", str(parent)], capture_output=True, text=True, check=True)
    os.kill(int(found.stdout), number)


ARRAY = {"SLURM_ARRAY_JOB_ID": "41", "SLURM_JOB_ID": "42", "SLURM_NTASKS": "1"}


def test_array_that_is_preempted_goes_back_to_the_queue_and_on_from_its_checkpoint(
    box: Box, make_job: MakeJob, sweep: Path, notes: Notes
) -> None:
    executor = SlurmExecutor(sweep, Allocation())
    one, other = attempts(make_job, "wait", "ok")
    submitted(executor, [one, other])
    allocation = box.allocate(0, **ARRAY, SLURM_ARRAY_TASK_ID="0")
    wait_for_checkpoint(one)
    tell_child(allocation.pid, signal.SIGUSR2)
    allocation.wait()
    assert box.requeued == ["requeue 41_0"]
    assert states([one]) == ["interrupted"]
    assert executor.wait(0.0) == []  # it has not ended
    for task in ("0", "1"):
        box.allocate(0, **ARRAY, SLURM_ARRAY_TASK_ID=task).wait()
    assert outcomes(executor, 2) == {"wait0": Exit(0), "ok1": Exit(0)}
    assert [note["resume"] for note in notes() if note["name"] == "wait0"] == [False, True]


def test_job_in_an_allocation_stops_when_the_launcher_says_so(
    box: Box, make_job: MakeJob, sweep: Path
) -> None:
    executor = SlurmExecutor(sweep, Allocation())
    (attempt,) = attempts(make_job, "wait")
    submitted(executor, [attempt])
    allocation = box.allocate(0, SLURM_JOB_ID="41")
    wait_for_checkpoint(attempt)
    tell_child(allocation.pid, slurm_queue.STOP)
    allocation.wait()
    assert outcomes(executor, 1) == {"wait0": Exit(143, stopped=True)}
    assert box.requeued == []


def cluster(sweep: Path, name: str = "local") -> SlurmExecutor:
    return SlurmExecutor(sweep, Allocation(cpus_per_task=1), cluster=name)


# submitit does not close the log files of its debugging.
@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", ["local", "debug"])
def test_each_job_ends_for_itself_alone(make_job: MakeJob, sweep: Path, name: str) -> None:
    executor = cluster(sweep, name)
    begun = attempts(make_job, "ok", "fail", "kill")
    submitted_somewhere(executor, begun, lambda: None)
    assert states(begun) == ["finished", "failed", "failed"]


def submitted_somewhere(
    executor: SlurmExecutor, begun: Sequence[Attempt], meanwhile: Callable[[], None]
) -> dict[str, Exit]:
    found: dict[str, Exit] = {}
    for attempt in begun:
        executor.begin(attempt)
    found |= {attempt.job.name: ended for attempt, ended in executor.wait(0.0)}
    meanwhile()
    return found | outcomes(executor, len(begun) - len(found))


def states(begun: Sequence[Attempt]) -> list[str]:
    return [read_record(attempt.job.run).state for attempt in begun]


@pytest.mark.parametrize("at_once", [False, True])
def test_job_stops_when_it_is_told(make_job: MakeJob, sweep: Path, at_once: bool) -> None:
    executor = cluster(sweep)
    (attempt,) = attempts(make_job, "wait")

    def stop() -> None:
        wait_for_checkpoint(attempt)
        executor.stop(attempt, at_once=at_once)

    found = submitted_somewhere(executor, [attempt], stop)
    assert found["wait0"].stopped
    assert states([attempt]) == ["interrupted"]


def test_preempted_job_is_queued_again_and_goes_on(
    make_job: MakeJob, sweep: Path, notes: Notes
) -> None:
    (attempt,) = attempts(make_job, "wait")
    executor = cluster(sweep)

    def interrupt() -> None:
        wait_for_checkpoint(attempt)
        tell_child(executor._jobs[0].handle.job_id, signal.SIGUSR2)

    assert submitted_somewhere(executor, [attempt], interrupt) == {"wait0": Exit(0)}
    assert states([attempt]) == ["finished"]
    assert [note["resume"] for note in notes()] == [False, True]


def test_job_that_uses_up_all_its_allocations_has_timed_out(make_job: MakeJob, sweep: Path) -> None:
    (attempt,) = attempts(make_job, "wait")
    # So short a limit is over by submitit's rules whenever the signal comes.
    allocation = Allocation(cpus_per_task=1, timeout_minutes=5, max_timeouts=0)
    executor = SlurmExecutor(sweep, allocation, cluster="local")

    def interrupt() -> None:
        wait_for_checkpoint(attempt)
        tell_child(executor._jobs[0].handle.job_id, signal.SIGUSR2)

    found = submitted_somewhere(executor, [attempt], interrupt)
    assert found == {"wait0": Exit(None, timed_out=True)}
    assert states([attempt]) == ["interrupted"]


def test_what_a_node_could_not_do_is_in_what_the_job_printed(
    make_job: MakeJob, sweep: Path
) -> None:
    (attempt,) = attempts(make_job, "ok")
    executor = cluster(sweep)
    attempt.job.run.config_file.parent.mkdir(parents=True)
    attempt.job.run.record_file.write_text("damaged")
    assert submitted_somewhere(executor, [attempt], lambda: None) == {"ok0": Exit(1)}
    assert "expected the record of a run" in attempt.job.run.output_file.read_text()


def test_task_that_was_preempted_before_it_began_is_queued_again(
    make_job: MakeJob, sweep: Path, tmp_path: Path
) -> None:
    (attempt,) = attempts(make_job, "ok")
    again = SlurmTask(order_for(attempt, sweep, cores=1, gpus=0)).checkpoint()
    again.dump(tmp_path / "task")
    loaded = DelayedSubmission.load(tmp_path / "task")
    assert loaded.function().exit == Exit(0)
    assert isinstance(loaded.function, SlurmTask)


def test_allocation_that_is_killed_leaves_the_end_open_and_no_job(
    make_job: MakeJob, sweep: Path
) -> None:
    (attempt,) = attempts(make_job, "wait")
    executor = cluster(sweep)

    def kill() -> None:
        wait_for_checkpoint(attempt)
        tell_child(executor._jobs[0].handle.job_id, signal.SIGKILL)

    assert submitted_somewhere(executor, [attempt], kill) == {"wait0": Exit(None)}
    until = time.monotonic() + 30
    while is_locked(attempt.job.run.lock_file):
        assert time.monotonic() < until, "the job lives on"
        time.sleep(0.05)
    assert states([attempt]) == ["interrupted"]
