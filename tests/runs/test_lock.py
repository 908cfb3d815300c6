import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from project.errors import RunError
from project.runs.lock import INHERITED, Lock, is_locked, locked_or_inherited

_WAITS = "import sys; sys.stdin.read()"  # until its input is closed


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "run" / ".job" / "lock"


def child_with(lock: Lock) -> "subprocess.Popen[bytes]":
    """A process that holds the lock until its input is closed."""
    return subprocess.Popen(
        [sys.executable, "-c", _WAITS], stdin=subprocess.PIPE, pass_fds=[lock.descriptor]
    )


def test_what_nobody_holds_can_be_taken_once(file: Path) -> None:
    first = Lock.take(file)
    assert first is not None
    assert Lock.take(file) is None
    first.release()
    again = Lock.take(file)
    assert again is not None
    again.release()


def test_releasing_twice_is_harmless(file: Path, tmp_path: Path) -> None:
    lock = Lock.take(file)
    assert lock is not None
    number = lock.descriptor
    lock.release()
    with (tmp_path / "other").open("w") as other:  # may get the number that has become free
        assert other.fileno() == number
        lock.release()
        other.write("still open")


def test_lock_is_seen_from_outside_without_being_taken(file: Path) -> None:
    assert not is_locked(file)
    assert not file.exists()
    lock = Lock.take(file)
    assert lock is not None
    assert is_locked(file)
    lock.release()
    assert not is_locked(file)
    assert not is_locked(file)  # looking leaves no lock behind


def test_lock_is_waited_for_as_long_as_was_said(file: Path) -> None:
    lock = Lock.take(file)
    assert lock is not None
    began = time.monotonic()
    assert Lock.take(file, seconds=0.2) is None
    assert time.monotonic() - began >= 0.2
    released = threading.Timer(0.2, lock.release)
    released.start()
    waited = Lock.take(file, seconds=30)
    assert waited is not None
    waited.release()
    released.join()


def test_child_keeps_the_lock_when_its_starter_lets_go(file: Path) -> None:
    lock = Lock.take(file)
    assert lock is not None
    with child_with(lock) as child:
        lock.release()
        assert is_locked(file)
        assert Lock.take(file) is None
    assert child.returncode == 0
    assert not is_locked(file)


def test_killing_its_holder_frees_the_lock(file: Path) -> None:
    lock = Lock.take(file)
    assert lock is not None
    with child_with(lock) as child:
        lock.release()
        child.kill()
        child.wait()
    assert not is_locked(file)


def test_other_children_do_not_get_the_lock(file: Path) -> None:
    lock = Lock.take(file)
    assert lock is not None
    child = subprocess.Popen([sys.executable, "-c", _WAITS], stdin=subprocess.PIPE, close_fds=False)
    with child:
        lock.release()
        deadline = time.monotonic() + 5  # the system closes it a moment after the child has begun
        while is_locked(file) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not is_locked(file)


def test_lock_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(RunError, match=r"cannot lock .*run.*lock: .*A part of this path is a file"):
        Lock.take(tmp_path / "run" / "lock")


def test_run_holds_its_lock_while_it_works(file: Path) -> None:
    with locked_or_inherited(file) as held:
        assert held
        assert is_locked(file)
    assert not is_locked(file)


def test_run_that_another_works_on_is_not_held(file: Path) -> None:
    other = Lock.take(file)
    assert other is not None
    with locked_or_inherited(file) as held:
        assert not held
    assert is_locked(file)
    other.release()


def test_lock_that_the_launcher_handed_on_counts(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launchers = Lock.take(file)
    assert launchers is not None
    monkeypatch.setenv(INHERITED, str(os.dup(launchers.descriptor)))
    with locked_or_inherited(file) as held:
        assert held
    assert is_locked(file)  # it is not ours to give back
    os.close(int(os.environ[INHERITED]))
    launchers.release()


@pytest.mark.parametrize("handed_on", [False, True], ids=["own", "handed on"])
def test_worker_that_outlives_a_run_does_not_keep_its_lock(
    file: Path, monkeypatch: pytest.MonkeyPatch, handed_on: bool
) -> None:
    launchers = Lock.take(file) if handed_on else None
    if launchers is not None:
        monkeypatch.setenv(INHERITED, str(launchers.descriptor))
    ends, begins = os.pipe()
    with locked_or_inherited(file):
        worker = os.fork()
        if worker == 0:
            os.read(ends, 1)
            os._exit(0)
        assert is_locked(file)
    if launchers is not None:
        launchers.release()
    deadline = time.monotonic() + 5  # the worker lets go as soon as it runs
    while is_locked(file) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_locked(file)
    os.write(begins, b"!")
    os.waitpid(worker, 0)
