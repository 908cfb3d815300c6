from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from project.callbacks.predictions import PredictionWriter
from project.runs.directory import RunDirectory
from project.runs.predictions import read_predictions


def outputs(rows: list[int]) -> dict[str, torch.Tensor]:
    logits = torch.tensor(rows, dtype=torch.float32)[:, None] * torch.tensor([1.0, -1.0])
    return {"row": torch.tensor(rows), "label": torch.tensor(rows) % 2, "logits": logits}


def trainer(fn: str = "test", **other: Any) -> Any:
    return SimpleNamespace(state=SimpleNamespace(fn=fn), world_size=1, is_global_zero=True, **other)


@pytest.fixture
def writer(tmp_path: Path) -> PredictionWriter:
    return PredictionWriter(RunDirectory(tmp_path), "{1}.jpg".format, ["hat", "top"])


def test_batches_are_written_once_in_catalog_order(
    writer: PredictionWriter, tmp_path: Path
) -> None:
    writer.on_test_batch_end(trainer(), None, outputs([4, 2]))  # type: ignore[arg-type]
    writer.on_test_batch_end(trainer(), None, outputs([3]))  # type: ignore[arg-type]
    writer.on_test_end(trainer(), None)  # type: ignore[arg-type]
    said = read_predictions(RunDirectory(tmp_path), "test")
    assert list(said.paths) == ["2.jpg", "3.jpg", "4.jpg"]
    assert said.labels.tolist() == [0, 1, 0]
    np.testing.assert_array_equal(said.logits, [[2, -2], [3, -3], [4, -4]])


def test_validation_between_epochs_writes_nothing(writer: PredictionWriter, tmp_path: Path) -> None:
    writer.on_validation_batch_end(trainer("fit"), None, outputs([1]))  # type: ignore[arg-type]
    writer.on_validation_end(trainer("fit"), None)  # type: ignore[arg-type]
    assert not list(tmp_path.rglob("*.parquet"))
    writer.on_validation_batch_end(trainer("validate"), None, outputs([1]))  # type: ignore[arg-type]
    writer.on_validation_end(trainer("validate"), None)  # type: ignore[arg-type]
    assert read_predictions(RunDirectory(tmp_path), "val").labels.tolist() == [1]


def test_rows_of_all_ranks_are_written_by_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gather(gathered: list[Any], mine: Any) -> None:
        gathered[:] = [mine, mine + 10 if mine.ndim == 1 and mine.max() > 1 else mine]

    monkeypatch.setattr(torch.distributed, "all_gather_object", gather, raising=False)
    for rank in (0, 1):
        writer = PredictionWriter(
            RunDirectory(tmp_path / str(rank)), "{1}.jpg".format, ["hat", "top"]
        )
        both = trainer()
        both.world_size, both.is_global_zero = 2, rank == 0
        writer.on_test_batch_end(both, None, outputs([4, 2]))  # type: ignore[arg-type]
        writer.on_test_end(both, None)  # type: ignore[arg-type]
    said = read_predictions(RunDirectory(tmp_path / "0"), "test")
    assert said.index.tolist() == [2, 4, 12, 14]
    assert not (tmp_path / "1").exists()
