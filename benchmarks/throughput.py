"""Images a second that an accelerator trains on: fed by us, by timm, and by nobody.

    python benchmarks/throughput.py
    python benchmarks/throughput.py --device cpu --model resnet18 --size 64 --batch 8 --steps 3

The same network in bfloat16, compiled and channels-last, with a fused AdamW: in a bare loop on one
batch that never leaves the device; in our training from the cache, with flips and colour jitter,
metrics and callbacks; and in a loop like that of timm's training script, with its loader,
prefetcher and optimizer. Each has a process of its own, in which cuDNN chooses by timing and
nothing need be deterministic. Also prints the largest memory that each took on the device.

Both loaders are measured within one epoch, as long as it takes, of full batches from few photos.
What passes between two epochs, validation and checkpoints, `step.py` measures; our checkpoint at
the end counts for the memory.
"""

import argparse
import logging
import math
import multiprocessing
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
import timm
import timm.data
import torch
from hydra import compose, initialize_config_module
from timm.optim import create_optimizer_v2  # type: ignore[attr-defined]
from torch import Tensor, nn

from benchmarks.measuring import Times, print_setting, print_table, wide_console
from benchmarks.photos import FOLDER, small_photos
from project import build
from project.data.cores import available_cores
from project.launch.cli.hydra_versions import version_options
from project.launch.cli.resolvers import register_resolvers
from project.runs.directory import RunDirectory

CLASSES = 5
SYNTHETIC, OURS, TIMMS = (
    "a batch that stays there",
    "ours, from the cache",
    "timm's loader and loop",
)
WINDOWS = 5  # stretches of steps that are timed apart
AHEAD = 100  # batches that loaders prepare, so that none ends early


class Rate(NamedTuple):
    """What training has done.

    Attributes:
        images: A second, of each stretch.
        memory: Largest number of bytes on the device.
    """

    images: Times
    memory: int


class Stopwatch:
    """Times stretches of steps, once the first of them are done.

    Args:
        given: The command line.
    """

    def __init__(self, given: argparse.Namespace) -> None:
        self._given = given
        self._begun = 0.0
        self._done = self._images = 0
        self._rates: list[float] = []

    def step(self, images: int) -> bool:
        """Counts a step that was started.

        Args:
            images: In its batch.

        Returns:
            Whether more are wanted.
        """
        given, self._done, self._images = self._given, self._done + 1, self._images + images
        timed = self._done - given.warmup
        if timed < 0 or timed % given.steps:
            return True
        if given.device == "cuda":
            torch.cuda.synchronize()
        now = time.perf_counter()
        if timed:
            self._rates.append(self._images / (now - self._begun))
        elif given.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        self._begun, self._images = now, 0
        return len(self._rates) < WINDOWS

    def rate(self) -> Rate:
        """What was measured."""
        memory = torch.cuda.max_memory_allocated() if self._given.device == "cuda" else 0
        return Rate(Times(tuple(self._rates)), memory)


class Counting(pl.Callback):
    """Has a stopwatch count the steps of a trainer, and ends training with it."""

    def __init__(self, watch: Stopwatch) -> None:
        self._watch = watch

    def on_train_batch_end(self, trainer: pl.Trainer, *arguments: Any) -> None:
        """A step was started."""
        batch = arguments[2]
        if not self._watch.step(len(batch.image)):
            trainer.should_stop = True


def images_needed(given: argparse.Namespace) -> int:
    """Of an epoch that lasts longer than what is measured, in full batches.

    Args:
        given: The command line.
    """
    return int(given.batch * (given.warmup + WINDOWS * given.steps + AHEAD))


def synthetic(given: argparse.Namespace) -> Rate:
    """A bare loop on one batch."""
    images = torch.randn(given.batch, 3, given.size, given.size, device=given.device)
    labels = torch.arange(given.batch, device=given.device) % CLASSES
    batch = (images.to(memory_format=torch.channels_last), labels)
    return _loop(given, repeat(batch), partial(torch.optim.AdamW, lr=1e-3, fused=True))


def timms(given: argparse.Namespace) -> Rate:
    """The loop of timm's training script on timm's loader, with colour jitter and flips."""
    data: Any = timm.data
    dataset = data.ImageDataset(str(small_photos(given.folder)))
    photos = dataset.reader.samples
    photos *= math.ceil(images_needed(given) / len(photos))
    loader = data.create_loader(
        dataset,
        (3, given.size, given.size),
        given.batch,
        is_training=True,
        use_prefetcher=given.device == "cuda",
        color_jitter=0.3,
        num_workers=available_cores(),
        persistent_workers=True,
        device=torch.device(given.device),
    )
    batches = (
        (images.contiguous(memory_format=torch.channels_last), labels) for images, labels in loader
    )

    def optimizer(parameters: Any) -> torch.optim.Optimizer:
        built: torch.optim.Optimizer = create_optimizer_v2(parameters, "adamw", lr=1e-3)
        return built

    return _loop(given, batches, optimizer)


def ours(given: argparse.Namespace) -> Rate:
    """Training as ``project.train`` does it."""
    watch = Stopwatch(given)
    with tempfile.TemporaryDirectory() as folder:
        cfg = compose(
            "train",
            [
                "data=folder",
                f"data.root={small_photos(given.folder)}",
                f"data.size={given.size}",
                f"data.batch_size={given.batch}",
                "data.crop=random",
                "augmentation=color",
                "model=timm",
                f"model.name={given.model}",
                f"model.compile={str(given.compiled).lower()}",
                "optimizer.fused=true",
                f"sampler.draws_per_epoch={images_needed(given)}",
                "trainer.precision=bf16-mixed",
                "trainer.matmul_precision=high",
                "trainer.deterministic=false",
                "trainer.benchmark=true",
                "trainer.max_epochs=1",
                f"trainer.accelerator={'gpu' if given.device == 'cuda' else 'cpu'}",
                "trainer.check_val_every_n_epoch=2",
                "trainer.enable_progress_bar=false",
                f"paths.run={folder}/run",
                f"paths.output={folder}",
            ],
        )
        data = build.datamodule(cfg)
        model = build.classifier(cfg, data.catalog.classes, data.plan.images.tolist())
        trainer = build.trainer(cfg, RunDirectory(Path(folder) / "run"), data)
        callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
        callbacks.append(Counting(watch))
        trainer.fit(model, datamodule=data)
    return watch.rate()


def _loop(
    given: argparse.Namespace,
    batches: Iterable[tuple[Tensor, Tensor]],
    optimizer: Callable[[Any], torch.optim.Optimizer],
) -> Rate:
    network = timm.create_model(given.model, num_classes=CLASSES)
    network.to(given.device).to(memory_format=torch.channels_last).train()
    weights = optimizer(network.parameters())
    if given.compiled:
        network.compile()
    watch = Stopwatch(given)
    for images, labels in batches:
        with torch.autocast(given.device, torch.bfloat16):
            loss = nn.functional.cross_entropy(network(images), labels)
        weights.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        weights.step()
        if not watch.step(len(images)):
            break
    return watch.rate()


CASES = {SYNTHETIC: synthetic, OURS: ours, TIMMS: timms}


def measured(name: str, given: argparse.Namespace) -> Rate:
    """Measures a case, in the process that is there for it.

    Args:
        name: Of the case.
        given: The command line.
    """
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    register_resolvers()
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    with initialize_config_module("conf", **version_options()):
        return CASES[name](given)


def alone(name: str, given: argparse.Namespace) -> Rate:
    """Measures a case in a process that has done nothing before.

    Args:
        name: Of the case.
        given: The command line.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["project.build", "timm.data"])  # imported once for all cases
    with ProcessPoolExecutor(1, context) as process:
        return process.submit(measured, name, given).result()


def main() -> None:
    """Reads the command line, measures and prints."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--model", default="resnet50", help="a name of timm's")
    parser.add_argument("--size", type=int, default=256, help="pixels")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=50, help="in each of five stretches")
    parser.add_argument("--warmup", type=int, default=20, help="steps before them")
    parser.add_argument("--plain", dest="compiled", action="store_false", help="do not compile")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where photos are drawn")
    given = parser.parse_args()
    if given.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("There is no CUDA device; --device cpu tries this out on small networks.")
    console = wide_console()
    print_setting(console)
    if given.device == "cuda":
        console.print(torch.cuda.get_device_name())
    found = {name: alone(name, given) for name in CASES}
    base = found[SYNTHETIC]
    rows = [
        [
            name,
            rate.images.shown(0),
            f"{rate.images.median / base.images.median:.3f}",
            f"{rate.memory / 2**20:,.0f}" if rate.memory else "",
        ]
        for name, rate in found.items()
    ]
    title = f"{given.model}, {given.size} pixels, batches of {given.batch}, bfloat16"
    headings = ["", "images/s: median (least to most)", "ratio", "MiB at most"]
    print_table(console, title, headings, rows)


if __name__ == "__main__":
    main()
