"""Where a run keeps what."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from project.atomic import explained, write_bytes
from project.errors import RunError, suggestion
from project.runs.metric_names import NAMED_TEST

_RECORD = "run.json"
_JOB = ".job"  # what whoever started the run keeps there
_UNUSABLE = ".unusable"
_PROBE_BYTES = 1 << 20  # a full disk often still takes a few bytes
_LISTED_RUNS = 10


@dataclass(frozen=True)
class RunDirectory:
    """The names of everything that a run leaves; nothing needs to exist.

    Args:
        path: The folder of the run.
    """

    path: Path

    @classmethod
    def open(cls, path: Path) -> Self:
        """Opens the directory of a run that has at least begun.

        Args:
            path: The folder of the run, as the user wrote it.

        Returns:
            The run directory.

        Raises:
            RunError: There is no such folder, or no run in it. Names folders with similar names,
                and the runs of a sweep if the folder is one.
        """
        run = cls(Path(path))
        if not run.path.is_dir():
            found = "a file" if run.path.exists() else "nothing"
            raise RunError(
                f"expected the directory of a run at {run.path}, got {found} there."
                f"{_similar_folder(run.path)} Directories of runs hold a {_RECORD}."
            )
        if not run.record_file.is_file():
            raise RunError(
                f"expected a {_RECORD} in {run.path}, got a folder without one. "
                f"{_runs_below(run.path)}"
            )
        return run

    @property
    def config_file(self) -> Path:
        """The whole configuration, as Hydra composed it."""
        return self.path / ".hydra" / "config.yaml"

    @property
    def overrides_file(self) -> Path:
        """What was overridden on the command line."""
        return self.path / ".hydra" / "overrides.yaml"

    @property
    def record_file(self) -> Path:
        """The record of the run (`project.runs.record`)."""
        return self.path / _RECORD

    @property
    def metrics_file(self) -> Path:
        """Every logged number, one row a logging step."""
        return self.path / "metrics.csv"

    @property
    def splits_file(self) -> Path:
        """Which photo belongs to which split, all of them in one file."""
        return self.path / "splits.csv"

    def test_set_file(self, name: str) -> Path:
        """Which photos a named test set has; its name begins with `NAMED_TEST`."""
        return self.path / f"{name}.csv"

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.path / "checkpoints"

    def checkpoint(self, which: Literal["best", "last", "previous"]) -> Path:
        """The checkpoint with the best monitored metric, the latest one, or the one before."""
        return self.checkpoints / f"{which}.ckpt"

    def unusable(self, file: Path) -> Path:
        """Where a checkpoint is put aside that is whole but of no use here; nothing removes it."""
        return file.with_name(file.name + _UNUSABLE)

    def existing_checkpoint(self, which: str) -> Path:
        """The file of a checkpoint that is there.

        Raises:
            RunError: The run has no such checkpoint. Names those that it has.
        """
        path = self.checkpoints / f"{which}.ckpt"
        if not path.is_file():
            there = ", ".join(sorted(file.stem for file in self.checkpoints.glob("*.ckpt")))
            raise RunError(
                f"expected a checkpoint at {path}, got none; the run has: {there or 'none at all'}."
            )
        return path

    def predictions(self, split: str) -> Path:
        """The predictions for one split (`project.runs.predictions`)."""
        return self.path / "predictions" / f"{split}.parquet"

    @property
    def predicted_splits(self) -> list[str]:
        """The splits that have predictions, in alphabetical order."""
        return sorted(file.stem for file in (self.path / "predictions").glob("*.parquet"))

    @property
    def report_file(self) -> Path:
        """The page for people."""
        return self.path / "report.html"

    @property
    def lock_file(self) -> Path:
        """Is locked as long as a process of the run lives (`project.runs.lock`)."""
        return self.path / _JOB / "lock"

    @property
    def progress_file(self) -> Path:
        """How far training is (`project.runs.progress`)."""
        return self.path / _JOB / "progress.json"

    @property
    def output_file(self) -> Path:
        """What the run printed, all attempts of it, if it was a job of a sweep."""
        return self.path / _JOB / "output.log"

    def figure(self, name: str) -> Path:
        """A picture: ``curves`` or ``confusion_<split>``."""
        return self.path / "figures" / f"{name}.png"

    def clear(self) -> None:
        """Removes what an earlier, unfinished attempt left, so that nothing passes as new."""
        checkpoints = [f for f in self.checkpoints.glob("*") if f.suffix != _UNUSABLE]
        for place in (*checkpoints, self.path / "predictions", self.path / "figures"):
            if place.is_dir():
                shutil.rmtree(place, ignore_errors=True)
            else:
                place.unlink(missing_ok=True)
        listed = (self.splits_file, *self.path.glob(f"{NAMED_TEST}*.csv"))
        for file in (self.metrics_file, *listed, self.report_file):
            file.unlink(missing_ok=True)

    def check_writable(self) -> None:
        """Makes the folder and tries to write there, before hours of training depend on it.

        Raises:
            RunError: The folder cannot be made or written, or the disk is full.
        """
        probe = self.path / ".probe"
        with explained(self.path, "write the run directory"):
            self.path.mkdir(parents=True, exist_ok=True)
        write_bytes(probe, bytes(_PROBE_BYTES))
        probe.unlink()


def _similar_folder(path: Path) -> str:
    if not path.parent.is_dir():
        return ""
    return suggestion(path.name, (entry.name for entry in path.parent.iterdir() if entry.is_dir()))


def _runs_below(path: Path) -> str:
    runs = sorted(file.parent.relative_to(path).as_posix() for file in path.glob(f"**/{_RECORD}"))
    if not runs:
        return "Choose the directory of a run that has started."
    listed = "".join(f"\n  {run}" for run in runs[:_LISTED_RUNS])
    more = len(runs) - _LISTED_RUNS
    rest = f"\n  and {more} more" if more > 0 else ""
    return f"It holds these runs; choose one of them:{listed}{rest}"
