"""Tests on two processes, then trains with one bad batch; run by test_classifier.py."""

import json
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from project.errors import TrainingError
from project.models import schedules
from project.models.classifier import Classifier
from project.models.losses import CrossEntropy


class Images(NamedTuple):
    image: Tensor
    label: Tensor
    row: Tensor


class Slices(pl.LightningDataModule):
    """Gives two ranks their own images, 7 to the first and 4 and padding to the second."""

    def train_dataloader(self) -> "DataLoader[Images]":
        assert self.trainer is not None
        image = torch.rand(4, 3, 2, 2)
        if self.trainer.global_rank == 1:
            image *= torch.nan
        return _loader(Images(image, torch.tensor([0, 1, 2, 0]), torch.arange(4)))

    def test_dataloader(self) -> "DataLoader[Images]":
        assert self.trainer is not None
        slices = {
            1: [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]],
            2: [[0, 1, 2, 3, 4, 5, 6], [7, 8, 9, 10, -1, -1, -1]],
        }[self.trainer.world_size]
        index = torch.tensor(slices[self.trainer.global_rank])
        image = torch.linspace(0, 1, 12)[index].view(-1, 1, 1, 1).expand(-1, 3, 2, 2)
        return _loader(Images(image, index.clamp(min=0) % 3, index))


def _loader(images: Images) -> "DataLoader[Images]":
    return DataLoader([images], batch_size=None)  # type: ignore[arg-type]


def main(folder: Path, ranks: int) -> None:
    """Writes what each rank measured, and what it was told when one loss was not a number."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = Classifier(
        nn.Sequential(nn.Flatten(), nn.Linear(12, 3)),
        CrossEntropy([1, 1, 1]),
        partial(torch.optim.SGD, lr=0.1),
        schedules.none,
        ["hat", "coat", "shoe"],
        mean=[0.0] * 3,
        std=[1.0] * 3,
    )
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=ranks,
        strategy="ddp" if ranks > 1 else "auto",
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=folder,
    )
    trainer.test(model, datamodule=Slices(), verbose=False)
    numbers = {name: round(float(value), 6) for name, value in trainer.callback_metrics.items()}
    told = ""
    try:
        trainer.fit(model, datamodule=Slices())
    except TrainingError as error:
        told = str(error)
    report = {"numbers": numbers, "told": told}
    (folder / f"{ranks}-{trainer.global_rank}.json").write_text(json.dumps(report))


if __name__ == "__main__":
    warnings.simplefilter("error", UserWarning)
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*have no `val_dataloader`.*")
    main(Path(sys.argv[1]), int(sys.argv[2]))
