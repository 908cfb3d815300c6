"""What the model says of every photo, written when a split has been evaluated."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from project.runs.directory import RunDirectory
from project.runs.predictions import Predictions, write_predictions

_PARTS = ("row", "label", "logits")


class PredictionWriter(pl.Callback):
    """Writes ``predictions/<split>.parquet`` after ``trainer.validate`` and ``trainer.test``.

    Validation between training epochs writes nothing.

    Args:
        run: The run's directory.
        path_of: Name of a split or of a named test set, and row in its catalog, to the photo's path
            below its root.
        classes: Class names in label order.
        tested_on: Names what ``trainer.test`` evaluates.
    """

    def __init__(
        self,
        run: RunDirectory,
        path_of: Callable[[str, int], str],
        classes: Sequence[str],
        tested_on: Callable[[], str] = lambda: "test",
    ) -> None:
        self._run = run
        self._path_of = path_of
        self._classes = list(classes)
        self._tested_on = tested_on
        self._rows: list[tuple[Tensor, ...]] = []

    def on_validation_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *_: Any
    ) -> None:
        """Keeps the batch's logits."""
        del pl_module
        if trainer.state.fn != "fit":
            self._keep(outputs)

    def on_test_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *_: Any
    ) -> None:
        """Keeps the batch's logits."""
        del trainer, pl_module
        self._keep(outputs)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Writes the predictions of the validation split."""
        del pl_module
        if trainer.state.fn != "fit":
            self._write(trainer, "val")

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Writes the predictions of what was tested on."""
        del pl_module
        self._write(trainer, self._tested_on())

    def _keep(self, outputs: dict[str, Tensor]) -> None:
        self._rows.append(tuple(outputs[part].cpu() for part in _PARTS))

    def _write(self, trainer: pl.Trainer, split: str) -> None:
        mine = [torch.cat(part).numpy() for part in zip(*self._rows, strict=True)]
        self._rows.clear()
        rows, labels, logits = (_of_all_ranks(part, trainer) for part in mine)
        if not trainer.is_global_zero:
            return
        paths = [self._path_of(split, int(row)) for row in rows]
        predictions = Predictions(rows, paths, labels, logits, self._classes)
        write_predictions(self._run, split, predictions)


def _of_all_ranks(rows: np.ndarray[Any, Any], trainer: pl.Trainer) -> np.ndarray[Any, Any]:
    if trainer.world_size == 1:
        return rows
    gathered: list[Any] = [None] * trainer.world_size
    torch.distributed.all_gather_object(gathered, rows)
    return np.concatenate(gathered)
