"""Which weights a run keeps."""

from pathlib import Path
from typing import Any, Literal

import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO

from project.runs.directory import RunDirectory


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place and moves it there when it is whole.

    Lightning writes to the folder for temporary files, which may be another, smaller disk.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Saves a checkpoint; an earlier one stays until this one is complete."""
        assert storage_options is None, "meant for other strategies' own formats"
        place = Path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        unfinished = place.with_name(f"{place.name}.unfinished")
        try:
            torch.save(checkpoint, unfinished)
            unfinished.replace(place)
        finally:
            unfinished.unlink(missing_ok=True)


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
