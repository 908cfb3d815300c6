import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from project.launch.jobs.attempt import Exit
from project.launch.remote import runner
from project.launch.remote.order import Order, Outcome
from project.launch.remote.runner import Supervised, run_here
from project.runs.lock import is_locked
from project.runs.record import read_record
from tests.launch.remote.conftest import MakeOrder

# What SLURM or Ray would start: a process that is the owner of one job. What a shell starts in the
# background ignores Ctrl-C, and so do Ray's workers that come of it.
OWNER = """
import pickle, signal, sys
from pathlib import Path
from project.launch.remote.runner import run_here

signal.signal(signal.SIGINT, signal.SIG_IGN)
outcome = run_here(pickle.loads(Path(sys.argv[1]).read_bytes()))
Path(sys.argv[2]).write_bytes(pickle.dumps(outcome))
"""


def owner(order: Order, tmp_path: Path) -> "subprocess.Popen[bytes]":
    """Starts an owner, and waits until its job has a checkpoint."""
    (tmp_path / "order").write_bytes(pickle.dumps(order))
    files = [str(tmp_path / "order"), str(tmp_path / "outcome")]
    process = subprocess.Popen([sys.executable, "-c", OWNER, *files])
    wait_until(order.job.run.checkpoint("last").exists)
    return process


def wait_until(true: Callable[[], bool], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


def test_job_runs_in_processes_of_its_own(make_order: MakeOrder) -> None:
    order = make_order("ok")
    assert run_here(order) == Outcome(Exit(0))
    assert read_record(order.job.run).state == "finished"


def test_interrupted_owner_waits_for_the_checkpoint(make_order: MakeOrder, tmp_path: Path) -> None:
    order = make_order("wait")
    process = owner(order, tmp_path)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 0
    answer = (tmp_path / "outcome").read_bytes()
    assert answer == pickle.dumps(Outcome(Exit(143, stopped=True)))


def test_job_does_not_outlive_its_owner_for_long(make_order: MakeOrder, tmp_path: Path) -> None:
    order = make_order("wait")
    process = owner(order, tmp_path)
    process.kill()
    process.wait()
    wait_until(lambda: not is_locked(order.job.run.lock_file))
    assert read_record(order.job.run).state == "interrupted"


def test_supervisor_that_dies_leaves_the_end_open(
    make_order: MakeOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_SUPERVISOR", "tests.launch.remote.nothing")
    assert run_here(make_order("ok")) == Outcome(Exit(None))


def test_signals_of_slurm_for_the_owner_do_not_reach_the_job(make_order: MakeOrder) -> None:
    order = make_order("tell", module="tests.launch.remote.telling_job")
    assert Supervised(order).outcome() == Outcome(Exit(0))
    told = (order.job.run.path / "told.json").read_text()
    assert '"SIGHUP"' in told
    assert '"SIGUSR2"' in told
    assert '"SIGTERM"' not in told.partition('"ignored"')[2]
