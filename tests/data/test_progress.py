import os
import signal

import pytest
from tqdm import tqdm

from project.data.progress import with_progress


def test_items_pass_and_are_counted_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(with_progress("abc", 3, "Counting")) == ["a", "b", "c"]

    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Counting: 100%" in captured.err


def test_nothing_is_shown_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(with_progress("abc", 3, "Counting", shown=False)) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""


def test_bars_go_on_when_a_forked_process_is_killed_in_the_midst_of_one() -> None:
    lock = tqdm.get_lock()  # type: ignore[no-untyped-call]
    child = os.fork()
    if child == 0:
        lock.acquire()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert lock.acquire(blocking=False)
    lock.release()
