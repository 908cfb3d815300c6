"""Stands for a training, with the command line of one and a word that says what happens.

Leaves the record and the checkpoint that a run would, and notes what it was started with.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

from project.runs.directory import RunDirectory
from project.runs.record import Best, RunRecord, read_record, recording

SECONDS = 60.0  # longest that a job waits to be stopped


def main() -> None:
    words = dict(word.lstrip("+").split("=", 1) for word in sys.argv[1:] if "=" in word)
    run = RunDirectory(Path(words["hydra.run.dir"].strip('"')))
    act, _, value = words["act"].partition(":")
    if act == "exit":
        print("leaving early", flush=True)
        sys.exit(3)
    if act == "lame" and "resume" in words:  # cannot go on, and leaves all as it was
        record = read_record(run)
        record.messages.append("Going on failed before it began.")
        record.write(run)
        sys.exit(1)
    note = {
        "name": run.path.name,
        "gpu": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "resume": "resume" in words,
        "process": os.getpid(),
        "warm": "project.launch.local.fork_server" in sys.modules or _is_forked(),
        "began": time.time(),
    }
    record = RunRecord(name=run.path.name, config_fingerprint=words["fingerprint"])
    signal.signal(signal.SIGTERM, _stop)
    try:
        with recording(run, record):
            _act(act, value, run, record)
    finally:
        with (run.path.parent / "notes.jsonl").open("a") as notes:
            notes.write(json.dumps(note | {"ended": time.time()}) + "\n")


def _act(act: str, value: str, run: RunDirectory, record: RunRecord) -> None:
    if act == "ok":
        time.sleep(float(value or 0))
    elif act == "fail":
        print("about to fail", flush=True)
        raise ValueError("this recipe does not work")
    elif act == "leave":
        print("leaving from within", flush=True)
        sys.exit(3)
    elif act == "stubborn":  # does not heed what it is told
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        run.checkpoints.mkdir(exist_ok=True)
        run.checkpoint("last").touch()
        time.sleep(SECONDS)
    elif act == "fail_once" and not (run.path / "failed").exists():
        (run.path / "failed").touch()
        raise ValueError("the first time")
    elif act == "kill":
        print("eating memory", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    elif act in ("wait", "lame"):  # with a checkpoint, until it is stopped; the second time it ends
        run.checkpoints.mkdir(exist_ok=True)
        again = run.checkpoint("last").exists()
        run.checkpoint("last").touch()
        time.sleep(0 if again else SECONDS)
    record.best = Best("val/macro_recall", float(len(run.path.name)), 0)
    record.metrics = {"val/macro_recall": record.best.value}


def _stop(number: int, frame: object) -> None:
    sys.exit(128 + number)


def _is_forked() -> bool:
    return "fork_server" in Path("/proc/self/cmdline").read_text()


if __name__ == "__main__":
    main()
