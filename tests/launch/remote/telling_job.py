"""A job that tells what it was started with, and does nothing else."""

import json
import os
import signal
import sys
from pathlib import Path

from project.runs.directory import RunDirectory
from project.runs.record import RunRecord, recording


def main() -> None:
    words = dict(word.lstrip("+").split("=", 1) for word in sys.argv[1:] if "=" in word)
    run = RunDirectory(Path(words["hydra.run.dir"].strip('"')))
    with recording(run, RunRecord(config_fingerprint=words["fingerprint"])):
        ignored = [n.name for n in signal.Signals if signal.getsignal(n) == signal.SIG_IGN]
        told = {"environment": dict(os.environ), "ignored": ignored, "session": os.getsid(0)}
        (run.path / "told.json").write_text(json.dumps(told | {"process": os.getpid()}))


if __name__ == "__main__":
    main()
