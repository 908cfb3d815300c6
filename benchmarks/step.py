"""What the training loop costs beside the network: every step, and every epoch.

    python benchmarks/step.py

Trains the same networks on the same ready-made batches in a bare PyTorch loop and in ours, with its
callbacks, metrics, checkpoints and files, in turn. Prints the median milliseconds of a step and
what ours adds to the bare loop; and, for an epoch, what passes between training and validation.
"""

import argparse
import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_module
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks.measuring import print_setting
from project import build
from project.launch.cli.hydra_versions import version_options
from project.launch.cli.resolvers import register_resolvers
from project.models.backbones import timm_backbone
from project.models.classifier import Classifier
from project.models.losses import CrossEntropy
from project.models.schedules import cosine
from project.models.small_cnn import SmallCNN
from project.runs.directory import RunDirectory

CLASSES = ("hat", "outer", "top", "bottom", "shoes")
WINDOW = 10  # steps that are timed together: what comes by the clock counts, too
LR = 1e-3


class Photos(NamedTuple):
    """A batch as the loader gives it."""

    image: Tensor
    label: Tensor
    row: Tensor


class Linear(nn.Module):
    """Next to no network."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, len(CLASSES))

    def forward(self, images: Tensor) -> Tensor:
        """Classifies by the mean colour."""
        logits: Tensor = self.layer(images[:, :, 0, 0])
        return logits


class Case(NamedTuple):
    """What is trained: a network, the images of a batch, their height and width, and an epoch."""

    name: str
    network: Callable[[], nn.Module]
    batch: int
    size: int
    steps: int


CASES = (
    Case("one linear layer", Linear, 8, 8, 400),
    Case("small CNN", partial(SmallCNN, num_classes=5, width=8, depth=2), 16, 32, 200),
    Case("ResNet-18", partial(timm_backbone, "resnet18", num_classes=5), 4, 64, 30),
)


def loader(batch: Photos, batches: int) -> DataLoader[Photos]:
    """Gives a batch many times."""
    return DataLoader([batch] * batches, batch_size=None, collate_fn=itself)


def itself(batch: Photos) -> Photos:
    """There is nothing to collate."""
    return batch


class ReadyMade(pl.LightningDataModule):
    """Batches that nobody has to load."""

    def __init__(self, batch: Photos, train: int, val: int) -> None:
        super().__init__()
        self.batch, self.train, self.val = batch, train, val
        paths = [str(row) for row in range(len(batch.row))]
        self.catalog = SimpleNamespace(classes=CLASSES)
        self.photos = SimpleNamespace(relative_path=paths.__getitem__)
        self.tested_on = "test"

    def train_dataloader(self) -> DataLoader[Photos]:
        """The same batch, many times."""
        return loader(self.batch, self.train)

    def val_dataloader(self) -> DataLoader[Photos]:
        """Likewise."""
        return loader(self.batch, self.val)


class Clock(pl.Callback):
    """Notes when batches begin and end."""

    def __init__(self) -> None:
        self.begun: list[float] = []
        self.windows: list[float] = []
        self.gaps: list[float] = []
        self._ended: float | None = None
        self._gap = 0.0

    def on_train_batch_start(self, *arguments: Any) -> None:
        """A training step begins."""
        if arguments[-1] == 0:
            self._end_gap()
            if self._gap:
                self.gaps.append(self._gap)
            self.begun, self._gap = [], 0.0
        self.begun.append(time.perf_counter())
        if len(self.begun) > WINDOW:
            self.windows.append((self.begun[-1] - self.begun[0]) / WINDOW)
            self.begun = self.begun[-1:]

    def on_train_batch_end(self, *_: Any) -> None:
        """A training step ends."""
        self._ended = time.perf_counter()

    def on_validation_batch_start(self, *arguments: Any) -> None:
        """Validation begins, where it is its first batch."""
        if arguments[-2] == 0:
            self._end_gap()

    def on_validation_batch_end(self, *_: Any) -> None:
        """A batch of the validation ends."""
        self._ended = time.perf_counter()

    def _end_gap(self) -> None:
        if self._ended is not None:
            self._gap += time.perf_counter() - self._ended


def main() -> None:
    """Reads the command line, times all loops and prints."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cases", type=int, nargs="*", default=range(len(CASES)))
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    register_resolvers()
    console = Console(width=110)
    print_setting(console)
    table = Table(
        "network", "loop", "ms a step", "added", "ratio", "ms an epoch", "fastest, slowest"
    )
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    with initialize_config_module("conf", **version_options()):
        for case in (CASES[index] for index in given.cases):
            add_rows(table, case, given.repeats)
    console.print(table)


def add_rows(table: Table, case: Case, repeats: int) -> None:
    """Times the loops in turn and says how they compare.

    Args:
        table: Gets a row a loop.
        case: What is trained.
        repeats: Of each loop.
    """
    loops: dict[str, Callable[[Case], tuple[list[float], list[float]]]] = {
        "bare PyTorch": bare,
        "ours": partial(ours, shown=False),
        "ours, progress bar": partial(ours, shown=True),
    }
    windows: dict[str, list[float]] = {name: [] for name in loops}
    gaps: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(repeats):
        for name, loop in loops.items():
            taken, between = loop(case)
            windows[name].append(1000 * statistics.median(taken))
            gaps[name] += [1000 * gap for gap in between]
    base = statistics.median(windows["bare PyTorch"])
    for name, times in windows.items():
        step = statistics.median(times)
        epoch = f"{statistics.median(gaps[name]):.0f}" if gaps[name] else ""
        spread = f"{min(times):.2f}, {max(times):.2f}"
        added = f"{step - base:.2f}" if name != "bare PyTorch" else ""
        table.add_row(case.name, name, f"{step:.2f}", added, f"{step / base:.2f}", epoch, spread)
    table.add_section()


def photos(case: Case) -> Photos:
    """A batch of noise, laid out as the loader does."""
    generator = torch.Generator().manual_seed(0)
    shape = (case.batch, 3, case.size, case.size)
    image = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    label = torch.arange(case.batch) % len(CLASSES)
    return Photos(image.to(memory_format=torch.channels_last), label, torch.arange(case.batch))


def bare(case: Case) -> tuple[list[float], list[float]]:
    """Seconds a step, by windows, of a loop that does nothing but to train."""
    torch.manual_seed(0)
    network = case.network().train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=LR)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 3 * case.steps)
    mean, std = torch.full((1, 3, 1, 1), 0.5), torch.full((1, 3, 1, 1), 0.25)
    clock = Clock()
    for _ in range(3):
        for index, batch in enumerate(loader(photos(case), case.steps)):
            clock.on_train_batch_start(index)
            logits = network((batch.image.float() / 255 - mean) / std)
            loss = nn.functional.cross_entropy(logits, batch.label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return clock.windows, []


def ours(case: Case, *, shown: bool) -> tuple[list[float], list[float]]:
    """Seconds a step, by windows, of our loop, and seconds an epoch beside its batches."""
    torch.manual_seed(0)
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()):
        data = ReadyMade(photos(case), case.steps, val=5)
        trainer = build.trainer(config(Path(folder), shown), RunDirectory(Path(folder)), data)
        trainer.callbacks.append(clock)
        trainer.fit(model(case), datamodule=data)
    return clock.windows, clock.gaps


def config(folder: Path, shown: bool) -> DictConfig:
    """The default training for three epochs on the CPU."""
    return compose(
        "train",
        [
            "trainer=cpu", "trainer.max_epochs=3", f"paths.run={folder}", "paths.output=unused",
            f"trainer.enable_progress_bar={str(shown).lower()}",
        ],
    )  # fmt: skip


def model(case: Case) -> Classifier:
    """What is trained in our loop."""
    return Classifier(
        case.network(),
        CrossEntropy([10] * len(CLASSES)),
        partial(torch.optim.AdamW, lr=LR),
        partial(cosine, warmup_epochs=0),
        CLASSES,
        mean=[0.5] * 3,
        std=[0.25] * 3,
    )


if __name__ == "__main__":
    main()
