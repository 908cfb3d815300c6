from pathlib import Path

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from project.callbacks.checkpoints import BestCheckpoint, LastCheckpoint


class Scripted(pl.LightningModule):
    """Reaches the scores that it is told, one an epoch."""

    def __init__(self, scores: list[float]) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)
        self.scores = scores

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:  # noqa: ARG002
        return self.layer(batch).sum()  # type: ignore[no-any-return]

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:  # noqa: ARG002
        self.log("val/score", self.scores[self.current_epoch])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def train(path: Path, scores: list[float], mode: str = "max") -> BestCheckpoint:
    best = BestCheckpoint(path, "val/score", mode)  # type: ignore[arg-type]
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=len(scores),
        callbacks=[best, LastCheckpoint(path)],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    data: DataLoader[Tensor] = DataLoader(torch.ones(2, 1))  # type: ignore[arg-type]
    trainer.fit(Scripted(scores), data, data)
    return best


def epoch_in(file: Path) -> int:
    epoch: int = torch.load(file, weights_only=True)["epoch"]
    return epoch


def test_best_epoch_and_last_epoch_are_kept_and_nothing_else(tmp_path: Path) -> None:
    best = train(tmp_path, [0.2, 0.9, 0.4, 0.5])
    assert sorted(f.name for f in tmp_path.rglob("*.ckpt")) == ["best.ckpt", "last.ckpt"]
    assert epoch_in(tmp_path / "checkpoints" / "best.ckpt") == 1
    assert epoch_in(tmp_path / "checkpoints" / "last.ckpt") == 3  # though it was not the best
    assert best.best_model_score == 0.9


def test_smallest_can_be_best(tmp_path: Path) -> None:
    train(tmp_path, [0.2, 0.1, 0.4], mode="min")
    assert epoch_in(tmp_path / "checkpoints" / "best.ckpt") == 1


def test_first_of_equals_is_best(tmp_path: Path) -> None:
    train(tmp_path, [0.3, 0.3, 0.1])
    assert epoch_in(tmp_path / "checkpoints" / "best.ckpt") == 0
