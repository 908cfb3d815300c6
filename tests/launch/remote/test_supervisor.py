import json
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from project.launch.jobs.attempt import Exit
from project.launch.remote import supervisor
from project.launch.remote.order import Order, Outcome
from project.launch.remote.supervisor import KILL, STOP, carried_out
from project.runs.directory import RunDirectory
from project.runs.lock import INHERITED, Lock, is_locked
from project.runs.record import RunRecord, read_record
from project.runs.sweeps import SweepDirectory
from tests.launch.remote.conftest import MakeOrder, Notes

NOTHING = Exit(None, busy=True)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_LOCK_SECONDS", 0.3)
    monkeypatch.setattr(supervisor, "_CANCEL_SECONDS", 0.2)


def done(
    order: Order, meanwhile: Callable[[socket.socket, Event], object] | None = None
) -> Outcome:
    """Carries an order out, while the owner does something once the job has a checkpoint."""
    ours, theirs = socket.socketpair()
    terminated = Event()

    def act() -> None:
        while not order.job.run.checkpoint("last").exists():
            time.sleep(0.05)
        assert meanwhile is not None
        meanwhile(ours, terminated)

    thread = threading.Thread(target=act)
    with ours, theirs:
        if meanwhile is not None:
            thread.start()
        outcome = carried_out(order, theirs, terminated)
        if meanwhile is not None:
            thread.join()
    return outcome


def state(order: Order) -> str:
    return read_record(order.job.run).state


def test_job_runs_and_its_end_is_told(make_order: MakeOrder) -> None:
    order = make_order("ok")
    assert done(order) == Outcome(Exit(0))
    assert state(order) == "finished"
    assert not is_locked(order.job.run.lock_file)


def test_job_that_dies_without_a_word_gets_a_record(make_order: MakeOrder) -> None:
    order = make_order("kill")
    assert done(order) == Outcome(Exit(-signal.SIGKILL))
    error = read_record(order.job.run).error
    assert error is not None
    assert (error.type, error.output) == ("killed", "eating memory")


def test_nothing_starts_where_another_process_works(make_order: MakeOrder, notes: Notes) -> None:
    order = make_order("ok")
    lock = Lock.take(order.job.run.lock_file)
    assert lock is not None
    assert done(order) == Outcome(NOTHING)
    lock.release()
    assert notes() == []


def test_lock_that_is_released_in_a_moment_is_waited_for(
    make_order: MakeOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_LOCK_SECONDS", 20.0)
    order = make_order("ok")
    lock = Lock.take(order.job.run.lock_file)
    assert lock is not None
    timer = threading.Timer(0.5, lock.release)
    timer.start()
    assert done(order) == Outcome(Exit(0))
    timer.join()


def test_lock_of_a_node_that_crashed_is_waited_for_on_slurm(
    make_order: MakeOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "slurm")
    order = make_order("ok")
    lock = Lock.take(order.job.run.lock_file)
    assert lock is not None
    timer = threading.Timer(1.5, lock.release)  # longer than elsewhere
    timer.start()
    assert done(order) == Outcome(Exit(0))
    timer.join()


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda owner, _: owner.send(STOP), id="its owner asks"),
        pytest.param(lambda owner, _: owner.close(), id="its owner is gone"),
        pytest.param(lambda _, terminated: terminated.set(), id="SIGTERM"),
    ],
)
def test_who_waits_for_a_lock_ends_when(
    make_order: MakeOrder,
    monkeypatch: pytest.MonkeyPatch,
    ask: Callable[[socket.socket, Event], None],
) -> None:
    monkeypatch.setattr(supervisor, "_LOCK_SECONDS", 60.0)
    order, terminated, begin = make_order("ok"), Event(), time.monotonic()
    lock = Lock.take(order.job.run.lock_file)
    assert lock is not None
    ours, theirs = socket.socketpair()
    with ours, theirs:
        timer = threading.Timer(0.5, ask, [ours, terminated])
        timer.start()
        assert carried_out(order, theirs, terminated) == Outcome(NOTHING)
        timer.join()
    lock.release()
    assert time.monotonic() - begin < 20


def test_job_that_finished_while_it_was_queued_is_not_run_again(
    make_order: MakeOrder, notes: Notes
) -> None:
    order = make_order("ok")
    done(order)
    assert done(order) == Outcome(NOTHING)
    assert len(notes()) == 1


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda owner, _: owner.send(STOP), id="its owner asks"),
        pytest.param(lambda owner, _: owner.close(), id="its owner is gone"),
        pytest.param(lambda _, terminated: terminated.set(), id="SIGTERM"),
    ],
)
def test_job_writes_a_checkpoint_and_ends_when(
    make_order: MakeOrder, notes: Notes, ask: Callable[[socket.socket, Event], None]
) -> None:
    order = make_order("wait")
    assert done(order, ask) == Outcome(Exit(143, stopped=True))
    assert state(order) == "interrupted"
    assert done(order) == Outcome(Exit(0))
    assert [note["resume"] for note in notes()] == [False, True]


def test_job_of_a_cancelled_sweep_ends(make_order: MakeOrder, sweep: Path) -> None:
    file = SweepDirectory(sweep).cancel_file

    def cancel(owner: socket.socket, terminated: Event) -> None:
        file.parent.mkdir()
        file.touch()

    order = make_order("wait")
    assert done(order, cancel) == Outcome(Exit(143, stopped=True))
    assert done(order) == Outcome(NOTHING)  # and what was still queued does not begin
    file.unlink()
    assert done(order) == Outcome(Exit(0))


def test_job_that_does_not_end_is_killed_once_its_time_is_up(
    make_order: MakeOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_GRACE_SECONDS", 0.5)
    order = make_order("deaf", module="tests.launch.remote.deaf_job")
    outcome = done(order, lambda owner, _: owner.send(STOP))
    assert outcome == Outcome(Exit(-signal.SIGKILL, stopped=True))
    assert state(order) == "interrupted"


def test_job_is_killed_where_that_is_wanted_at_once(make_order: MakeOrder) -> None:
    order = make_order("deaf", module="tests.launch.remote.deaf_job")
    begin = time.monotonic()
    outcome = done(order, lambda owner, _: owner.send(KILL))
    assert outcome == Outcome(Exit(-signal.SIGKILL, stopped=True))
    assert time.monotonic() - begin < 15


@pytest.mark.parametrize(
    ("first", "least", "most"),
    [
        pytest.param(lambda owner, _: owner.send(STOP), 0.0, 3.5, id="owner asked, killed at once"),
        pytest.param(lambda _, terminated: terminated.set(), 4.0, 30.0, id="SIGTERM, has time"),
    ],
)
def test_end_of_the_owner_means_at_once_only_if_it_had_asked(
    make_order: MakeOrder,
    monkeypatch: pytest.MonkeyPatch,
    first: Callable[[socket.socket, Event], None],
    least: float,
    most: float,
) -> None:
    monkeypatch.setattr(supervisor, "_ORPHAN_SECONDS", 4.0)
    asked: list[float] = []

    def act(owner: socket.socket, terminated: Event) -> None:
        first(owner, terminated)
        time.sleep(1)
        asked.append(time.monotonic())
        owner.close()

    order = make_order("deaf", module="tests.launch.remote.deaf_job")
    assert done(order, act) == Outcome(Exit(-signal.SIGKILL, stopped=True))
    assert least <= time.monotonic() - asked[0] <= most


def test_job_that_takes_too_long_stops_with_a_checkpoint_and_has_failed(
    make_order: MakeOrder,
) -> None:
    order = make_order("wait", timeout_minutes=1 / 60)
    assert done(order) == Outcome(Exit(143, timed_out=True))
    error = read_record(order.job.run).error
    assert error is not None
    assert error.type == "timed out"
    assert done(replace(order, timeout_minutes=None)) == Outcome(Exit(0))


def test_processes_that_a_job_leaves_behind_are_killed(make_order: MakeOrder) -> None:
    order = make_order("leave", module="tests.launch.remote.deaf_job")
    assert done(order) == Outcome(Exit(0))
    until = time.monotonic() + 10
    while is_locked(order.job.run.lock_file) and time.monotonic() < until:
        time.sleep(0.05)
    assert not is_locked(order.job.run.lock_file)


@pytest.mark.parametrize("missing", ["sweep", "folder"])
def test_machine_without_the_folders_of_the_sweep_refuses(
    make_order: MakeOrder, tmp_path: Path, missing: str
) -> None:
    elsewhere: dict[str, Any] = {missing: tmp_path / "elsewhere"}
    order = replace(make_order("ok"), **elsewhere)
    outcome = done(order)
    assert outcome.exit == NOTHING
    assert f"expected {tmp_path}/elsewhere on {socket.gethostname()}, too" in outcome.refused
    assert "Choose a folder that all machines see" in outcome.refused


def test_directory_that_got_another_run_meanwhile_is_refused(make_order: MakeOrder) -> None:
    order = make_order("ok")
    run = RunDirectory(order.job.run.path)
    run.config_file.parent.mkdir(parents=True)
    run.config_file.write_text("{seed: 2}")
    RunRecord(state="finished", config_fingerprint="another").write(run)
    outcome = done(order)
    assert outcome.exit == NOTHING
    assert "of another configuration" in outcome.refused


def test_job_does_not_take_itself_for_a_rank_of_the_scheduler(
    make_order: MakeOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SLURM_NTASKS", "SLURM_PROCID", "SLURM_JOB_NAME", "SUBMITIT_EXECUTOR"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setenv("PYTHONWARNINGS", "ignore:nothing")
    order = make_order("tell", module="tests.launch.remote.telling_job")
    assert done(order) == Outcome(Exit(0))
    told = json.loads((order.job.run.path / "told.json").read_text())
    environment = told["environment"]
    assert [name for name in environment if name.startswith(("SLURM", "SUBMITIT"))] == [
        "SLURM_JOB_ID"
    ]
    assert environment["EVENHAND_SWEEP"] == str(order.sweep)
    assert environment["EVENHAND_CORES"] == environment["OMP_NUM_THREADS"] == "1"
    assert environment["CUDA_VISIBLE_DEVICES"] == ""
    assert environment[INHERITED].isdigit()
    assert environment["PYTHONWARNINGS"].endswith(",ignore:nothing")
    assert told["session"] == told["process"]
