import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from tqdm import tqdm

from project.data.progress import bars, with_progress


def test_items_pass_and_are_counted_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(with_progress("abc", 3, "Counting")) == ["a", "b", "c"]

    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Counting: 100%" in captured.err


def test_nothing_is_shown_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(with_progress("abc", 3, "Counting", shown=False)) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""


def counted(title: str) -> list[str]:
    return list(with_progress("abc", 3, title))


def test_bars_of_a_block_are_left_out_in_all_threads(capsys: pytest.CaptureFixture[str]) -> None:
    with bars(shown=False), bars(shown=True), ThreadPoolExecutor() as pool:
        assert pool.submit(counted, "Inside").result() == counted("Inside") == ["a", "b", "c"]
    with pytest.raises(KeyError), bars(shown=False):
        raise KeyError
    assert capsys.readouterr().err == ""
    with bars(shown=True):
        counted("Afterwards")
    assert "Afterwards: 100%" in capsys.readouterr().err


def test_bars_go_on_when_a_forked_process_is_killed_in_the_midst_of_one() -> None:
    lock = tqdm.get_lock()  # type: ignore[no-untyped-call]
    child = os.fork()
    if child == 0:
        lock.acquire()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert lock.acquire(blocking=False)
    lock.release()
