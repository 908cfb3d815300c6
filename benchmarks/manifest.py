"""Memory of a loader's workers, for collections of a few thousand and of a million photos.

    python benchmarks/manifest.py

Lists photos that do not exist, has two workers load blank pictures in the place of them, and sums
up what the kernel counts for the workers: their proportional set size (PSS), in which a page that
three processes share counts a third for each, and what is theirs alone.
"""

import argparse
import json
import multiprocessing
import subprocess
import sys
from itertools import chain, islice, repeat
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import torch
from torch.utils.data import DataLoader

from benchmarks.measuring import print_setting, print_table, wide_console
from project.data.catalog.catalog import Catalog
from project.data.catalog.shared import release_unused
from project.data.dataset import PhotoDataset
from project.data.fit import Fit
from project.data.plan import EpochPlan, PlannedBatches
from project.data.resampling import Pixels
from project.data.sampling import PowerSampler
from project.data.workers import start_worker

REPOSITORY = Path(__file__).parent.parent
ROWS = (3_000, 30_000, 300_000, 1_000_000)
WORKERS = 2
SIDE = 32  # pixels; what is measured is not the pictures
CLASSES = ("hat", "outer", "top", "bottom", "shoes")
BATCHES = 3000  # of 64, as many for every size


class Memory(NamedTuple):
    """What the kernel counts for the workers, MiB, all of them together.

    Attributes:
        pss: Proportional set size.
        own: Pages that no other process shares.
    """

    pss: float
    own: float


class Blanks:
    """The same picture for every photo; looks its path up, as decoding does."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._pixels = np.zeros((SIDE, SIDE, 3), np.uint8)

    def __getitem__(self, row: int) -> Pixels:
        assert self._catalog.path(row).name
        assert self._catalog.box(row) is None
        return self._pixels


def catalog(rows: int) -> Catalog:
    """A collection of photos that do not exist.

    Args:
        rows: How many.
    """
    rng = np.random.default_rng(0)
    digests = [f"{number:032x}" for number in range(rows)]
    return Catalog(
        root=Path("photos"),
        classes=CLASSES,
        paths=pa.array([f"train/{CLASSES[row % 5]}/photo_{row:08d}.jpg" for row in range(rows)]),
        labels=np.arange(rows) % len(CLASSES),
        splits=np.zeros(rows, np.int8),
        groups=pa.nulls(rows, pa.string()),
        boxes=np.full((rows, 4), -1, np.int32),
        sizes=rng.integers(200, 400, (rows, 2)).astype(np.int32),
        content_hash=pa.array(digests),
        perceptual_hash=pa.array([digest[16:] for digest in digests]),
    ).shared()


def loaded(rows: int) -> Memory:
    """Has two new workers load some batches.

    Args:
        rows: Photos of the collection.

    Returns:
        The memory of the workers when they have loaded them.
    """
    photos = catalog(rows)
    plan = EpochPlan(
        indices=photos.indices("train"),
        labels=photos.labels,
        factors=np.ones(len(CLASSES), np.int64),
        sampler=PowerSampler(q=1.0),
        seed=1,
    )
    loader = DataLoader(
        PhotoDataset(photos, Blanks(photos), Fit((SIDE, SIDE))),
        batch_sampler=PlannedBatches(plan.order, batch_size=64, training=True),
        num_workers=WORKERS,
        collate_fn=lambda batch: batch,
        persistent_workers=True,  # so that they are still there to be measured
        worker_init_fn=start_worker,
        generator=torch.Generator(),
    )
    release_unused()
    epochs = chain.from_iterable(repeat(loader))
    for _ in islice(epochs, BATCHES):
        pass
    workers = [process.pid for process in multiprocessing.active_children()]
    assert len(workers) == WORKERS
    return Memory(*(sum(parts) for parts in zip(*map(_memory, workers), strict=True)))


def _memory(process: int | None) -> Memory:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text("ascii").splitlines()[1:]
    kib = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
    return Memory(kib["Pss"] / 1024, (kib["Private_Clean"] + kib["Private_Dirty"]) / 1024)


def measured(rows: int) -> Memory:
    """The same in a process of its own, in which nothing else has taken memory.

    Args:
        rows: Photos of the collection.
    """
    words = [sys.executable, "-m", "benchmarks.manifest", "--only", str(rows)]
    done = subprocess.run(words, cwd=REPOSITORY, stdout=subprocess.PIPE, check=True)
    return Memory(**json.loads(done.stdout))


def main() -> None:
    """Prints the table; with ``--only``, the numbers of one size."""
    parser = argparse.ArgumentParser(description="Memory of workers by rows of the manifest.")
    parser.add_argument("--only", type=int, help="rows; prints JSON")
    given = parser.parse_args()
    if given.only is not None:
        print(json.dumps(loaded(given.only)._asdict()))
        return
    console = wide_console()
    print_setting(console)
    found = {rows: measured(rows) for rows in ROWS}
    least = found[min(found)]
    print_table(
        console,
        f"{WORKERS} workers, MiB together",
        ["rows", "PSS", "more than with the fewest", "theirs alone", "more"],
        [
            [f"{rows:,}", *_cells(memory.pss, least.pss), *_cells(memory.own, least.own)]
            for rows, memory in found.items()
        ],
    )


def _cells(value: float, least: float) -> list[str]:
    return [f"{value:,.0f}", f"{value / least - 1:+.0%}"]


if __name__ == "__main__":
    main()
