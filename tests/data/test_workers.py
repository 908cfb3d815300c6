import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

# A process with a worker, which tells its own id and then loads for a while.
PARENT = """
import os, signal, sys, time
from torch.utils.data import DataLoader
from project.data.workers import heed_the_parent_alone

class Slow:
    def __len__(self):
        return 30
    def __getitem__(self, index):
        open(sys.argv[1], "w").write(str(os.getpid()))
        time.sleep(0.1)
        return index

signal.signal(signal.SIGINT, signal.SIG_IGN)
loader = DataLoader(Slow(), num_workers=1, worker_init_fn=heed_the_parent_alone,
                    persistent_workers=True)
print(sum(1 for _ in loader))
"""


@pytest.mark.skipif(not hasattr(signal, "sigwaitinfo"), reason="workers cannot tell who sent it")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_worker_survives_signals_that_are_for_the_run(
    tmp_path: Path, number: signal.Signals
) -> None:
    note = tmp_path / "worker"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(note)], stdout=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 60
    while not note.exists() or not note.read_text():
        assert time.monotonic() < until
        time.sleep(0.02)
    worker = int(note.read_text())
    os.kill(worker, number)
    said, _ = parent.communicate(timeout=60)
    assert (parent.returncode, said) == (0, "30\n")
    with pytest.raises(ProcessLookupError):  # though it was still there for another epoch
        os.kill(worker, 0)
