"""Seconds from the shell to an answer, and to the first step of training on a cached data set.

    python benchmarks/startup.py

The commands that train nothing are to answer within a second. The first step is put in relation to
what importing torch, timm and Lightning takes by itself. All in turn.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.first_step import LINE
from benchmarks.measuring import (
    interleaved,
    print_setting,
    print_table,
    seconds,
    wide_console,
)

REPOSITORY = Path(__file__).parent.parent
TRAIN = [sys.executable, "-m", "project.train"]
BARE = "import torch, timm, pytorch_lightning"
STEP = "to the first step of training"

ANSWERS = {
    "--help": ["--help"],
    "--cfg job": ["--cfg", "job"],
    "completion of model=": ["-sc", "query=bash"],
    "a misspelt key, optimizer.lrr=1": ["optimizer.lrr=1"],
    "an option that there is not, model=resnet19": ["model=resnet19"],
}
COMPLETION = {"COMP_LINE": "python -m project.train model=", "COMP_POINT": "30"}


def answer(words: Sequence[str]) -> None:
    """Waits for a command to end, whatever it has to say.

    Args:
        words: Of its command line.
    """
    subprocess.run(
        [*TRAIN, *words],
        cwd=REPOSITORY,
        env={**os.environ, **COMPLETION},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )


def import_bare() -> None:
    """Imports what training cannot do without, in a process of its own."""
    subprocess.run([sys.executable, "-c", BARE], check=True)


def first_step(folder: Path) -> list[str]:
    """Starts a training and ends it after its first step.

    Args:
        folder: Gets photos, their cache and the run.

    Returns:
        The modules that the step has needed.
    """
    process = subprocess.Popen(
        [*TRAIN, *_tiny(folder), "+callbacks.first_step._target_=benchmarks.first_step.FirstStep"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    with process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                _, told, modules = line.partition(LINE)  # the progress bar may be before it
                if told:
                    return modules.split()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    raise SystemExit("the training ended without a step; start it by hand to see why")


def _tiny(folder: Path) -> list[str]:
    stamp = time.monotonic_ns()  # a directory for each run
    return [
        f"data.root={folder}/photos", "data.source.scale=0.1", "data.size=32", "model.width=8",
        "trainer=cpu", f"paths.output={folder}/outputs", f"paths.cache={folder}/cache",
        f"hydra.run.dir={folder}/runs/{stamp}",
    ]  # fmt: skip


def main() -> None:
    """Reads the command line, measures and prints."""
    parser = argparse.ArgumentParser(description="Seconds to an answer and to the first step.")
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    console = wide_console()
    print_setting(console, also=["hydra-core"])
    answers = {n: partial(seconds, partial(answer, words)) for n, words in ANSWERS.items()}
    answer(["--help"])  # compiles what is not compiled yet
    found = interleaved(answers, given.repeats)
    rows = [[name, times.shown()] for name, times in found.items()]
    print_table(console, "Seconds to an answer", ["", "median (least to most)"], rows)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        begin = partial(first_step, Path(scratch))
        begin()  # draws the photos and caches them
        cases = {BARE: partial(seconds, import_bare), STEP: partial(seconds, begin)}
        found = interleaved(cases, given.repeats)
    base = found[BARE].median
    rows = [[name, t.shown(), f"{t.median / base:.2f}"] for name, t in found.items()]
    title = "Seconds to the first step, photos cached"
    print_table(console, title, ["", "median (least to most)", "ratio"], rows)


if __name__ == "__main__":
    main()
