import subprocess
import sys

import pytest

SCRIPT = """
import atexit, sys, threading, time
from project.launch.leaving import leave_after

class Heap:  # what Python would take apart
    def __del__(self):
        print("taken apart")

heap = Heap()
heap.itself = heap

def action():
    atexit.register(print, "tidied up")
    threading.Thread(target=lambda: (time.sleep(0.3), print("thread done"))).start()
    sys.stdout.write("said; ")
    {ends}

leave_after(action)
print("after it")
"""


@pytest.mark.parametrize(
    ("ends", "code", "error"),
    [
        ("pass", 0, ""),
        ("sys.exit()", 0, ""),
        ("sys.exit(3)", 3, ""),
        ("sys.exit('no photos')", 1, "no photos\n"),
        ("raise ValueError('no photos')", 1, "ValueError: no photos\n"),
    ],
)
def test_process_ends_as_usual_but_takes_nothing_apart(ends: str, code: int, error: str) -> None:
    words = [sys.executable, "-c", SCRIPT.format(ends=ends)]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    after = "after it\n" if ends == "pass" else ""
    assert done.stdout == f"said; {after}thread done\ntidied up\n"
    assert done.stderr.endswith(error)
    assert bool(done.stderr) == bool(error)
    assert done.returncode == code
