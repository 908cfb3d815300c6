"""Images per second of loaders side by side, which all do the same to the same photos.

    python benchmarks/loader.py
    python benchmarks/loader.py --photos <folder of class folders>

Each loader decodes, resizes the shorter side to 256, crops 256 x 256 at random, mirrors half of the
images and, in the second half of the rows, jitters brightness, contrast, saturation and hue. Those
of others leave normalised floats. Ours leave bytes, which the device goes on with, or, where it is
said, floats that are fully augmented and normalised. In turn, on one thread each.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

import albumentations as A
import cv2
import numpy as np
import timm.data
import torch
from albumentations.pytorch import ToTensorV2
from rich.console import Console
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.datasets import ImageFolder
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms import InterpolationMode, v2

from benchmarks.measuring import interleaved, print_setting, print_table, wide_console
from benchmarks.photos import large_photos, small_photos
from project.data.augmentation import Augmentation, ColorJitter, HorizontalFlip
from project.data.catalog.catalog import MAX_PIXELS, Catalog, build_catalog
from project.data.changes import Changes
from project.data.dataset import TrainingDataset
from project.data.fit import Fit
from project.data.mixing import Mixing
from project.data.oversampling import Oversampling
from project.data.plan import EpochPlan, PlannedBatches, SampleKey
from project.data.sampling import PowerSampler
from project.data.sources import ClassFolders
from project.data.store.opening import Cache, open_store
from project.data.store.policy import Policy
from project.data.workers import start_worker
from project.models.normalize import IMAGENET_MEAN, IMAGENET_STD, Normalize

SIDE = 256  # pixels
LIMIT_GB = 50.0  # of the cache
BATCH = {"400px": 64, "12mp": 8}  # images
BATCH_OF_OTHERS = 64
JITTER, HUE = 0.2, 0.1  # around 1 and around 0
BASELINE = "torchvision ImageFolder, PIL"

Batches = Iterable[Any]
TIMM: Any = timm.data  # has types for some of its arguments only


@dataclass(frozen=True)
class Task:
    """What a loader is to do.

    Attributes:
        photos: Folder of class folders.
        catalog: The same photos, for ours.
        cache_dir: Where ours keeps images.
        batch_size: Images in a batch.
        workers: Processes beside this one.
        jitter: Whether colours are changed.
    """

    photos: Path
    catalog: Catalog
    cache_dir: Path
    batch_size: int
    workers: int
    jitter: bool


def torchvision_pil(task: Task) -> Batches:
    """ImageFolder as it is, with the transforms of its second version."""
    ends = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
    transform = v2.Compose([*_resized(task), *ends, v2.Normalize(IMAGENET_MEAN, IMAGENET_STD)])
    return _loader(ImageFolder(task.photos, transform), task)


def torchvision_tensors(task: Task) -> Batches:
    """The same with torchvision's own decoder and transforms of tensors."""
    ends = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(IMAGENET_MEAN, IMAGENET_STD)]
    transform = v2.Compose([*_resized(task), *ends])
    read = partial(decode_image, mode=ImageReadMode.RGB)
    return _loader(ImageFolder(task.photos, transform, loader=read), task)


def timm_default(task: Task) -> Batches:
    """Timm's loader with transforms of its own: random resized crops instead of resize and crop."""
    return _timm(task, TIMM.ImageDataset(str(task.photos)))


def timm_same(task: Task) -> Batches:
    """Timm's loader with the transforms of the others."""
    dataset = TIMM.ImageDataset(str(task.photos))
    loader = _timm(task, dataset)
    dataset.transform = v2.Compose([*_resized(task), TIMM.ToNumpy()])
    return loader


def albumentations(task: Task) -> Batches:
    """Albumentations on OpenCV, as its manual shows it."""
    jitter = [A.ColorJitter(JITTER, JITTER, JITTER, HUE, p=1.0)] if task.jitter else []
    transform = A.Compose(
        [
            A.SmallestMaxSize(SIDE),
            A.RandomCrop(SIDE, SIDE),
            A.HorizontalFlip(p=0.5),
            *jitter,
            A.Normalize(IMAGENET_MEAN, IMAGENET_STD),
            ToTensorV2(),
        ]
    )

    def read(path: str) -> Tensor:
        decoded: Any = cv2.imread(path)
        pixels = cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
        image: Tensor = transform(image=pixels)["image"]
        return image

    return _loader(ImageFolder(task.photos, loader=read), task)


def ours(task: Task, cache: Cache, *, floats: bool = False) -> Batches:
    """Our loader.

    Args:
        task: What it does.
        cache: See `project.data.store.opening.open_store`.
        floats: Whether batches are changed and normalised before they leave it.
    """
    fit = Fit((SIDE, SIDE), "random")
    policy = Policy(fit.stored_side, fit.interpolation, boxed=False)
    store = open_store(
        task.catalog,
        policy,
        max_pixels=MAX_PIXELS,
        cache=cache,
        cache_dir=task.cache_dir,
        limit_gb=50,
    )
    around = (1 - JITTER, 1 + JITTER)
    jitter = {"color": ColorJitter(around, around, around, (-HUE, HUE))} if task.jitter else {}
    changes = Changes(
        oversampling=Oversampling(),
        augmentation=Augmentation({"flip": HorizontalFlip(), **jitter}),
        mixing=Mixing(),
        classes=task.catalog.classes,
        seed=1,
    )
    dataset: Any = TrainingDataset(
        task.catalog, store, fit, changes=changes, seed=1, in_workers=floats
    )
    plan = EpochPlan(
        indices=np.arange(len(task.catalog)),
        labels=task.catalog.labels,
        factors=np.ones(len(task.catalog.classes), np.int64),
        sampler=PowerSampler(q=1.0),
        seed=1,
    )
    return DataLoader(
        Normalised(dataset) if floats else dataset,
        batch_sampler=PlannedBatches(plan.order, batch_size=task.batch_size, training=True),
        num_workers=task.workers,
        persistent_workers=task.workers > 0,
        collate_fn=_image,
        worker_init_fn=start_worker,
    )


class Normalised(Dataset[Any]):
    """Batches as the network takes them.

    Args:
        dataset: Makes them as the loader usually sends them.
    """

    def __init__(self, dataset: TrainingDataset) -> None:
        self._dataset = dataset
        self._normalize = Normalize(IMAGENET_MEAN, IMAGENET_STD)

    def __getitems__(self, keys: Sequence[SampleKey]) -> Any:
        """Makes one batch."""
        batch = self._dataset.__getitems__(keys)
        return batch._replace(image=self._normalize(batch.image))


LOADERS: dict[str, Callable[[Task], Batches]] = {
    BASELINE: torchvision_pil,
    "torchvision, tensors": torchvision_tensors,
    "timm, transforms of its own": timm_default,
    "timm, the same transforms": timm_same,
    "albumentations on OpenCV": albumentations,
    "ours, no cache, bytes": partial(ours, cache="none"),
    "ours, cached, bytes": partial(ours, cache="disk"),
    "ours, cached, floats on the CPU": partial(ours, cache="disk", floats=True),
}


def images_per_second(make: Callable[[Task], Batches], task: Task, duration: float) -> float:
    """Measures one loader, once its workers are there and have read a few batches.

    Args:
        make: Makes the loader.
        task: What it does.
        duration: Seconds.
    """
    batches: Iterator[Any] = chain.from_iterable(repeat(make(task)))
    for _ in islice(batches, 2 + 4 * task.workers):
        pass
    images, begin = 0, time.perf_counter()
    while (taken := time.perf_counter() - begin) < duration:
        batch = next(batches)
        images += len(batch[0] if isinstance(batch, list | tuple) else batch)
    return images / taken


def main() -> None:
    """Reads the command line, measures and prints a table for each kind of photos."""
    parser = argparse.ArgumentParser(description="Images per second of loaders side by side.")
    parser.add_argument("--photos", type=Path, help="folder of class folders, as ImageFolder reads")
    parser.add_argument(
        "--folder", type=Path, default=Path("data/benchmarks"), help="of drawn ones"
    )
    parser.add_argument("--seconds", type=float, default=1.5, help="of each measurement")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    console = wide_console()
    print_setting(console)
    drawn = [] if given.photos else [small_photos(given.folder), large_photos(given.folder)]
    with tempfile.TemporaryDirectory() as scratch:
        for photos in [given.photos] if given.photos else drawn:
            catalog = build_catalog(ClassFolders(photos), cache_dir=scratch, progress=False)
            for workers in (0, 2):
                _print(console, photos, catalog, Path(scratch), workers, given)


def _print(
    console: Console,
    photos: Path,
    catalog: Catalog,
    scratch: Path,
    workers: int,
    given: argparse.Namespace,
) -> None:
    size = BATCH.get(photos.name, BATCH_OF_OTHERS)
    rows = []
    for jitter in (False, True):
        task = Task(photos, catalog, scratch, size, workers, jitter)
        cases = {
            name: partial(images_per_second, make, task, given.seconds)
            for name, make in LOADERS.items()
        }
        found = interleaved(cases, given.repeats)
        base = found[BASELINE].median
        rows += [
            [f"{name}{', jitter' if jitter else ''}", times.shown(0), f"{times.median / base:.2f}"]
            for name, times in found.items()
        ]
    place = f"{workers} workers" if workers else "one process"
    title = f"{photos.name}, {len(catalog)} photos, {place}, batches of {size}"
    print_table(console, title, ["", "images/s: median (least to most)", "ratio"], rows)


def _resized(task: Task) -> list[Any]:
    """Of torchvision, for PIL images and tensors alike."""
    jitter = [v2.ColorJitter(JITTER, JITTER, JITTER, HUE)] if task.jitter else []
    resize = v2.Resize(SIDE, InterpolationMode.BILINEAR, antialias=True)
    return [resize, v2.RandomCrop(SIDE), v2.RandomHorizontalFlip(), *jitter]


def _image(batch: Any) -> Any:
    return batch.image


def _loader(dataset: ImageFolder, task: Task) -> Batches:
    return DataLoader(
        dataset,
        batch_size=task.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=task.workers,
        persistent_workers=task.workers > 0,
    )


def _timm(task: Task, dataset: Any) -> Batches:
    loader: Batches = TIMM.create_loader(
        dataset,
        (3, SIDE, SIDE),
        task.batch_size,
        is_training=True,
        color_jitter=(JITTER, JITTER, JITTER, HUE) if task.jitter else None,
        interpolation="bilinear",
        num_workers=task.workers,
        persistent_workers=task.workers > 0,
        device=torch.device("cpu"),
    )
    return loader


if __name__ == "__main__":
    main()
