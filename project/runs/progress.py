"""How far a training run is, for whoever watches it from outside."""

import json
import os
import time
from dataclasses import asdict, dataclass, field

from project.runs.directory import RunDirectory


@dataclass(frozen=True)
class Progress:
    """Where training stands.

    Attributes:
        epoch: The present epoch, from 0.
        epochs: Epochs in all; None where only steps limit training.
        done: Share of the training that is done, in [0, 1]; None where it has no known length.
        monitor: Name of the metric that decides which epoch is best.
        best: Its best value so far; None before the first validation.
        seconds: Training time of this attempt so far.
        seconds_left: What is left at the pace of this attempt; None where unknown.
        process: Id of the process that trains.
        time: When this was written, seconds since 1970.
    """

    epoch: int
    epochs: int | None
    done: float | None
    monitor: str
    best: float | None
    seconds: float
    seconds_left: float | None
    process: int = field(default_factory=os.getpid)
    time: float = field(default_factory=time.time)


def write_progress(run: RunDirectory, progress: Progress) -> None:
    """Replaces what was last said; cheap, as nothing depends on it surviving a power cut.

    Args:
        run: The run.
        progress: Where it stands.
    """
    file = run.progress_file
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(asdict(progress)), encoding="utf-8")
    unfinished.replace(file)


def read_progress(run: RunDirectory) -> Progress | None:
    """Reads what was last said.

    Args:
        run: The run.

    Returns:
        Where training stood; None if nothing was said, or nothing that can be read.
    """
    try:
        return Progress(**json.loads(run.progress_file.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
