from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from project.errors import RunError
from project.models.checkpoint import keep, restore, sums_kept
from project.models.metrics import Confusion, MeanLoss, add_batch

CLASSES = ["hat", "coat"]
ALONE: Any = SimpleNamespace(world_size=1)


def kept(**metrics: Any) -> dict[str, Any]:
    content: dict[str, Any] = {}
    keep(content, CLASSES, "val/macro_recall", metrics, ALONE)
    return content


def test_sums_go_on_where_they_were(tmp_path: Path) -> None:
    loss, confusion = MeanLoss(), Confusion(2)
    add_batch(loss, torch.tensor(0.5), 3)
    add_batch(confusion, torch.tensor([[2.0, 1.0]]), torch.tensor([1]))
    torch.save(kept(loss=loss, confusion=confusion), tmp_path / "file.ckpt")
    (sums,) = sums_kept(torch.load(tmp_path / "file.ckpt", weights_only=True), CLASSES)
    metrics: dict[str, Any] = {"loss": MeanLoss(), "confusion": Confusion(2)}
    restore(metrics, sums)
    assert float(metrics["loss"].compute()) == 0.5
    assert metrics["confusion"].compute().tolist() == [[0, 0], [1, 0]]


def test_a_checkpoint_of_an_old_version_has_no_sums() -> None:
    content = kept()
    del content["evenhand"]["train_metrics"]
    assert sums_kept(content, CLASSES) == []


@pytest.mark.parametrize("classes", [["coat", "hat"], ["hat"]], ids=["another order", "fewer"])
def test_a_checkpoint_for_other_classes_is_refused(classes: list[str]) -> None:
    with pytest.raises(RunError, match=r"for the classes \[.*\], got one for \['hat', 'coat'\]\."):
        sums_kept(kept(), classes)


def test_a_checkpoint_of_something_else_is_refused() -> None:
    with pytest.raises(RunError, match=r"without a class list\. Load foreign weights with model"):
        sums_kept({"state_dict": {}}, CLASSES)
