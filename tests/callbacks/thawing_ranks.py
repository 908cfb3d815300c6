"""Thaws layers epoch by epoch on one process or several; run by test_finetuning.py."""

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

from project.callbacks.finetuning import Unfreezing
from project.models import schedules
from project.models.classifier import Classifier
from project.models.finetuning.plans import gradual
from project.models.losses import CrossEntropy


class Images(NamedTuple):
    image: Tensor
    label: Tensor
    row: Tensor


class Slices(pl.LightningDataModule):
    """Two batches of four images, of which each rank sees its part."""

    def train_dataloader(self) -> "DataLoader[Images]":
        assert self.trainer is not None
        ranks, rank = self.trainer.world_size, self.trainer.global_rank
        image = torch.rand(8, 3, 2, 2, generator=torch.Generator().manual_seed(1))
        batches = [
            Images(image[rows], torch.tensor(rows) % 3, torch.tensor(rows))
            for first in (0, 4)
            for rows in [list(range(first + rank, first + 4, ranks))]
        ]
        return DataLoader(batches, batch_size=None)  # type: ignore[arg-type]


class Log(pl.Callback):
    """Keeps which layers had a gradient in each step, and the weights after it."""

    def __init__(self) -> None:
        self.trained: list[list[str]] = []

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: object
    ) -> None:
        del trainer
        graded = [n for n, p in pl_module.named_parameters() if p.grad is not None]
        self.trained.append(sorted({name.split(".")[1] for name in graded}))


def main(folder: Path, ranks: int) -> None:
    """Writes which layers were trained in each step, and what became of the weights."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    body = [nn.Flatten(), nn.Linear(12, 5), nn.Tanh(), nn.Linear(5, 5), nn.Tanh()]
    model = Classifier(
        nn.Sequential(*body, nn.Linear(5, 3)),
        CrossEntropy([1, 1, 1]),
        partial(torch.optim.SGD, lr=0.1, momentum=0.9),
        schedules.none,
        ["hat", "coat", "shoe"],
        mean=[0.0] * 3,
        std=[1.0] * 3,
        finetuning=gradual(unfreeze_at=[1, 2]),
    )
    log = Log()
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=ranks,
        strategy="ddp" if ranks > 1 else "auto",
        max_epochs=4,
        gradient_clip_val=1.0,
        callbacks=[Unfreezing(pretrained=True), log],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=folder,
    )
    trainer.fit(model, datamodule=Slices())
    weights = {name: value.tolist() for name, value in model.backbone.state_dict().items()}
    report = {"trained": log.trained, "weights": weights}
    (folder / f"{ranks}-{trainer.global_rank}.json").write_text(json.dumps(report))


if __name__ == "__main__":
    warnings.simplefilter("error", UserWarning)
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*have no `val_dataloader`.*")
    # Lightning's own loop warns of what is frozen; ours does not.
    warnings.filterwarnings("ignore", ".*module.s. in eval mode at the start of training.*")
    main(Path(sys.argv[1]), int(sys.argv[2]))
