"""A job that hears no request to end, or that ends and leaves a process behind (``act=leave``)."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from project.runs.directory import RunDirectory
from project.runs.lock import INHERITED
from project.runs.record import RunRecord, recording


def main() -> None:
    words = dict(word.lstrip("+").split("=", 1) for word in sys.argv[1:] if "=" in word)
    run = RunDirectory(Path(words["hydra.run.dir"].strip('"')))
    with recording(run, RunRecord(config_fingerprint=words["fingerprint"])):
        if words["act"] == "leave":
            lock = int(os.environ[INHERITED])
            subprocess.Popen(["sleep", "60"], pass_fds=[lock]).returncode = 0  # no warning of it
            return
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        run.checkpoints.mkdir()
        run.checkpoint("last").touch()
        time.sleep(60)


if __name__ == "__main__":
    main()
