"""What part of a training goes into looking on for diagnoses.

    python benchmarks/diagnoses.py

Trains the networks of ``step.py`` in our loop, and takes the time of every call of the callback and
of what it has networks call. Prints the median share of the training, in percent.
"""

import argparse
import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from hydra import initialize_config_module
from rich.console import Console
from rich.table import Table

from benchmarks.measuring import print_setting
from benchmarks.step import CASES, Case, ReadyMade, config, model, photos
from project import build
from project.callbacks.diagnoses.watching import Watch
from project.launch.cli.hydra_versions import version_options
from project.launch.cli.resolvers import register_resolvers
from project.runs.directory import RunDirectory

_MAKING_HOOKS = ("_keep_tail", "_note_inputs")


class Stopwatch:
    """Adds up the time of calls.

    Attributes:
        seconds: Of all of them.
    """

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """A call that is timed.

        Args:
            call: Anything that calls nothing else that is timed.
        """

        def wrapped(*arguments: Any, **options: Any) -> Any:
            begin = time.perf_counter()
            try:
                return call(*arguments, **options)
            finally:
                self.seconds += time.perf_counter() - begin

        return wrapped

    def attach(self, watch: Watch) -> None:
        """Times whatever a callback does.

        Args:
            watch: Has not been called yet.
        """
        for name in (name for name in vars(Watch) if name.startswith("on_")):
            setattr(watch, name, self.timed(getattr(watch, name)))
        for name in _MAKING_HOOKS:
            setattr(watch, name, self._timing_hook(getattr(watch, name)))

    def _timing_hook(self, make: Callable[..., Callable[..., Any]]) -> Callable[..., Any]:
        return lambda *arguments: self.timed(make(*arguments))


def main() -> None:
    """Reads the command line, trains and prints."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cases", type=int, nargs="*", default=range(len(CASES)))
    given = parser.parse_args()
    torch.set_num_threads(1)
    register_resolvers()
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    console = Console(width=110)
    print_setting(console)
    table = Table("network", "% of the training", "smallest, largest")
    with initialize_config_module("conf", **version_options()):
        for case in (CASES[index] for index in given.cases):
            shares = [100 * share(case) for _ in range(given.repeats)]
            spread = f"{min(shares):.3f}, {max(shares):.3f}"
            table.add_row(case.name, f"{statistics.median(shares):.3f}", spread)
    console.print(table)


def share(case: Case) -> float:
    """Trains for three epochs; the part of the time that went into looking on.

    Args:
        case: What is trained.
    """
    torch.manual_seed(0)
    stopwatch = Stopwatch()
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()):
        data = ReadyMade(photos(case), case.steps, val=5)
        trainer = build.trainer(config(Path(folder), shown=False), RunDirectory(Path(folder)), data)
        (watch,) = (callback for callback in trainer.callbacks if isinstance(callback, Watch))
        stopwatch.attach(watch)
        begin = time.perf_counter()
        trainer.fit(model(case), datamodule=data)
        return stopwatch.seconds / (time.perf_counter() - begin)


if __name__ == "__main__":
    main()
