import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from project.launch import cancelling
from project.launch.cancelling import cancel, main_process
from project.runs.directory import RunDirectory
from project.runs.launchers import announced
from project.runs.lock import Lock
from project.runs.progress import Progress, write_progress
from project.runs.sweeps import SweepDirectory, SweepFacts

# Says that it is there, and ends well when it is asked to.
_JOB = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
print("ready", flush=True)
time.sleep(60)
"""
_STARTER = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {_JOB!r}], close_fds=False)
child.wait()
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def sweep(tmp_path: Path) -> SweepDirectory:
    return SweepDirectory(tmp_path / "sweep")


@pytest.fixture
def facts(sweep: SweepDirectory) -> SweepFacts:
    """Of a sweep of two jobs whose launcher is gone."""
    command = [sys.executable, "-m", "project.train"]
    overrides: dict[str, list[str]] = {"seed=1": [], "seed=2": []}
    facts = SweepFacts(command, "/", socket.gethostname(), "local", "", overrides)
    facts.write(sweep)
    return facts


@pytest.fixture
def run(sweep: SweepDirectory) -> RunDirectory:
    return RunDirectory(sweep.path / "seed=1")


@pytest.fixture
def start() -> Iterator[Start]:
    """``start(run, code)`` starts a process that holds the run's lock."""
    started = []

    def begin(run: RunDirectory, code: str = _JOB, *words: str) -> "subprocess.Popen[str]":
        lock = Lock.take(run.lock_file)
        assert lock is not None
        os.set_inheritable(lock.descriptor, True)  # also by children of the process
        process = subprocess.Popen(
            [sys.executable, "-c", code, *words],
            pass_fds=[lock.descriptor],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        lock.release()
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield begin
    for process in started:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        finally:
            process.communicate()


def test_orphan_is_asked_to_stop_and_waited_for(
    sweep: SweepDirectory, facts: SweepFacts, run: RunDirectory, start: Start
) -> None:
    process = start(run)
    said: list[str] = []
    threading.Thread(target=process.wait).start()
    assert cancel(sweep, facts, said.append, 30) == []
    assert process.wait() == 143
    assert said == ["1 running: waiting until it has stopped"]
    assert not sweep.cancel_file.exists()  # nobody is left to read it


def test_nothing_to_stop_ends_at_once(sweep: SweepDirectory, facts: SweepFacts) -> None:
    said: list[str] = []
    assert cancel(sweep, facts, said.append, 30) == []
    assert said == []
    assert not sweep.cancel_file.exists()


def test_job_that_no_process_here_works_on_is_asked_by_the_file_alone_and_named(
    sweep: SweepDirectory,
    facts: SweepFacts,
    run: RunDirectory,
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    process = start(run)
    (tmp_path / "self" / "fd").mkdir(parents=True)
    monkeypatch.setattr(cancelling, "_PROCESSES", tmp_path)  # as if it ran on another machine
    left = cancel(sweep, facts, lambda _: None, 1.2)
    assert [job.name for job in left] == ["seed=1"]
    assert process.poll() is None
    assert sweep.cancel_file.exists()


def test_living_launcher_is_asked_by_the_file_and_waited_for(
    sweep: SweepDirectory, facts: SweepFacts, run: RunDirectory, start: Start
) -> None:
    process = start(run)
    said: list[str] = []

    def react() -> None:
        with announced(sweep):
            announcement.set()
            while not sweep.cancel_file.exists():
                time.sleep(0.02)
            process.kill()
            process.wait()
            while said[-1:] != ["Waiting until the launcher has ended"]:
                time.sleep(0.02)

    announcement = threading.Event()
    thread = threading.Thread(target=react, daemon=True)
    thread.start()
    announcement.wait()
    assert cancel(sweep, facts, said.append, 30) == []
    assert process.returncode == -signal.SIGKILL  # by `react`: it was not told by a signal
    thread.join()
    assert not sweep.cancel_file.exists()


def test_request_stays_where_a_launcher_may_live_unseen(
    sweep: SweepDirectory, facts: SweepFacts
) -> None:
    facts.host = "elsewhere"
    assert cancel(sweep, facts, lambda _: None, 30) == []
    assert sweep.cancel_file.exists()


def test_process_that_trains_is_the_one_to_ask(run: RunDirectory, start: Start) -> None:
    starter = start(run, _STARTER)
    assert main_process(run) == starter.pid  # it started the others
    (child,) = _children(starter.pid)
    write_progress(run, Progress(0, 1, 0.0, "loss", None, 0.0, None, process=child))
    assert main_process(run) == child


def test_number_that_is_another_process_by_now_is_not_asked(
    run: RunDirectory, start: Start
) -> None:
    write_progress(run, Progress(0, 1, 0.0, "loss", None, 0.0, None, process=os.getpid()))
    assert main_process(run) is None
    process = start(run)
    assert main_process(run) == process.pid


def test_without_a_table_of_files_commands_tell_the_process(
    run: RunDirectory, start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cancelling, "_PROCESSES", tmp_path / "nothing")
    assert main_process(run) is None
    process = start(run, _JOB, f"hydra.run.dir={run.path}")
    assert main_process(run) == process.pid


def test_slim_container_without_ps_finds_the_process(
    run: RunDirectory, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    starter = start(run, _STARTER)
    monkeypatch.setenv("PATH", "/nowhere")
    assert main_process(run) == starter.pid


def test_nothing_is_known_where_neither_a_table_nor_ps_is(
    run: RunDirectory, start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    start(run, _JOB, f"hydra.run.dir={run.path}")
    monkeypatch.setattr(cancelling, "_PROCESSES", tmp_path / "nothing")
    monkeypatch.setenv("PATH", "/nowhere")
    assert main_process(run) is None


def _children(process: int) -> list[int]:
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process)], capture_output=True, text=True, check=True
    )
    return [int(word) for word in listed.stdout.split()]


def test_jobs_that_wait_in_slurms_queue_are_taken_back(
    sweep: SweepDirectory, facts: SweepFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[SweepDirectory] = []
    monkeypatch.setattr(cancelling, "take_back", asked.append)
    cancel(sweep, facts, lambda _: None, 1.0)
    assert not asked
    facts.launcher = "slurm"
    cancel(sweep, facts, lambda _: None, 1.0)
    assert asked == [sweep]
