"""Twelve small runs by our launcher, and the same twelve as separate scripts of plain Lightning.

    python benchmarks/sweep.py

The scripts are written to a temporary folder: the same network, photos, changes of them, optimizer,
schedule, batches and epochs, validation after each, the best epoch kept and tested. They are
started one after the other, as a loop in the shell would, and two at a time with one thread each.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.measuring import (
    interleaved,
    print_setting,
    print_table,
    seconds,
    wide_console,
)

REPOSITORY = Path(__file__).parent.parent
SEEDS = range(1, 7)
RATES = (1e-3, 3e-4)  # learning rates: 6 x 2 runs
SIDE, BATCH = 64, 64
OURS, LOOP, PAIRS = "ours", "scripts, one after the other", "scripts, two at a time"

SCRIPT = """
import sys

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from torchmetrics.classification import MulticlassAccuracy
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from project.models.small_cnn import SmallCNN

root, out, seed, lr, epochs, workers, threads = sys.argv[1:]
pl.seed_everything(int(seed), workers=True)
if int(threads):
    torch.set_num_threads(int(threads))


class Module(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = SmallCNN(5).to(memory_format=torch.channels_last)
        self.recall = MulticlassAccuracy(5, average="macro")

    def training_step(self, batch, _):
        loss = cross_entropy(self.net(batch[0]), batch[1])
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, _):
        self._measure(batch, "val")

    def test_step(self, batch, _):
        self._measure(batch, "test")

    def _measure(self, batch, split):
        logits = self.net(batch[0])
        self.recall(logits, batch[1])
        self.log(f"{split}/loss", cross_entropy(logits, batch[1]))
        self.log(f"{split}/macro_recall", self.recall, on_epoch=True)

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), float(lr), weight_decay=0.01)
        steps = self.trainer.estimated_stepping_batches
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, float(lr), steps)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


def loader(split):
    training = split == "train"
    changes = [
        v2.RandomHorizontalFlip(),
        v2.ColorJitter((0.7, 1.3), (0.7, 1.3), (0.5, 1.5), (-0.1, 0.1)),
    ]
    transform = v2.Compose([
        v2.ToImage(),
        v2.Resize(SIDE, antialias=True),
        v2.CenterCrop(SIDE),
        *(changes if training else []),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ])
    return DataLoader(
        ImageFolder(f"{root}/{split}", transform), BATCH, shuffle=training,
        num_workers=int(workers), persistent_workers=int(workers) > 0,
    )


best = ModelCheckpoint(f"{out}/checkpoints", monitor="val/macro_recall", mode="max")
trainer = pl.Trainer(
    accelerator="cpu", max_epochs=int(epochs), callbacks=[best], logger=CSVLogger(out),
    enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
)
module = Module()
trainer.fit(module, loader("train"), loader("val"))
trainer.test(module, loader("test"), ckpt_path="best", verbose=False)
""".replace("BATCH", str(BATCH)).replace("SIDE", str(SIDE))


def our_sweep(folder: Path, epochs: int) -> None:
    """Trains the twelve with one command.

    Args:
        folder: Has the photos; gets the sweep. A cache of an earlier time is removed.
        epochs: Of each run.
    """
    for left in ("sweep", "cache"):
        shutil.rmtree(folder / left, ignore_errors=True)
    _run(
        [
            "-m", "project.train", "--multirun", *_data(folder),
            f"data.size={SIDE}", f"data.batch_size={BATCH}", "augmentation=color", "trainer=cpu",
            f"trainer.max_epochs={epochs}", "trainer.enable_progress_bar=false",
            f"seed={','.join(map(str, SEEDS))}", f"optimizer.lr={','.join(map(str, RATES))}",
            f"hydra.sweep.dir={folder}/sweep",
        ]
    )  # fmt: skip
    assert len(list((folder / "sweep").glob("*/run.json"))) == len(SEEDS) * len(RATES)


def separate_scripts(folder: Path, epochs: int, at_once: int) -> None:
    """Trains the twelve with one script each.

    Args:
        folder: Has the photos; gets what the scripts leave.
        epochs: Of each run.
        at_once: Scripts at the same time. One alone has two workers and all threads.
    """
    shutil.rmtree(folder / "scripts", ignore_errors=True)
    script = folder / "plain.py"
    script.write_text(SCRIPT, "utf-8")
    left = [(seed, lr) for seed in SEEDS for lr in RATES]
    workers, threads = (2, 0) if at_once == 1 else (0, 1)
    while left:
        now, left = left[:at_once], left[at_once:]
        started = [
            _start(
                [
                    str(script), f"{folder}/photos", f"{folder}/scripts/{seed}_{lr}",
                    str(seed), str(lr), str(epochs), str(workers), str(threads),
                ]
            )
            for seed, lr in now
        ]  # fmt: skip
        if sum(process.wait() != 0 for process in started):  # waits for all of them
            raise SystemExit(f"a script failed; start {script} by hand to see why")


def _data(folder: Path) -> list[str]:
    return [
        f"data.root={folder}/photos", "data.source.scale=0.2",
        f"paths.output={folder}/outputs", f"paths.cache={folder}/cache",
    ]  # fmt: skip


def _start(words: Sequence[str]) -> "subprocess.Popen[bytes]":
    quiet = subprocess.DEVNULL
    return subprocess.Popen([sys.executable, *words], cwd=REPOSITORY, stdout=quiet, stderr=quiet)


def _run(words: Sequence[str]) -> None:
    if _start(words).wait():
        raise SystemExit(f"failed: python {' '.join(words)}")


def main() -> None:
    """Reads the command line, measures and prints."""
    parser = argparse.ArgumentParser(description="Twelve runs by our launcher and by scripts.")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=1)
    given = parser.parse_args()
    console = wide_console()
    print_setting(console, also=["hydra-core"])
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _run(["-m", "project.train", *_data(folder), "data.size=32", "trainer.max_epochs=2"])
        cases = {
            OURS: partial(seconds, partial(our_sweep, folder, given.epochs)),
            LOOP: partial(seconds, partial(separate_scripts, folder, given.epochs, 1)),
            PAIRS: partial(seconds, partial(separate_scripts, folder, given.epochs, 2)),
        }
        found = interleaved(cases, given.repeats)
    base = found[OURS].median
    rows = [[name, t.shown(1), f"{t.median / base:.2f}"] for name, t in found.items()]
    runs = len(SEEDS) * len(RATES)
    title = (
        f"Seconds for {runs} runs of {given.epochs} epochs, ours with its cache still to be made"
    )
    print_table(console, title, ["", "median (least to most)", "times ours"], rows)


if __name__ == "__main__":
    main()
