"""Which weights a run keeps."""

from pathlib import Path
from typing import Literal

from pytorch_lightning.callbacks import ModelCheckpoint

from project.runs.directory import RunDirectory


class BestCheckpoint(ModelCheckpoint):
    """Keeps the best epoch by one metric, always in the same file.

    Args:
        run_dir: The run's directory.
        monitor: Name of a logged metric.
        mode: Whether the smallest or the largest value is best.
    """

    def __init__(self, run_dir: str | Path, monitor: str, mode: Literal["min", "max"]) -> None:
        file = RunDirectory(Path(run_dir)).checkpoint("best")
        super().__init__(
            dirpath=file.parent,
            filename=file.stem,
            monitor=monitor,
            mode=mode,
            save_top_k=1,
            auto_insert_metric_name=False,
            enable_version_counter=False,
        )


class LastCheckpoint(ModelCheckpoint):
    """Keeps the state after the newest epoch, to go on from.

    Lightning's own ``save_last`` skips the epochs in which the best did not change.

    Args:
        run_dir: The run's directory.
    """

    def __init__(self, run_dir: str | Path) -> None:
        file = RunDirectory(Path(run_dir)).checkpoint("last")
        super().__init__(
            dirpath=file.parent,
            filename=file.stem,
            save_top_k=1,
            every_n_epochs=1,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
