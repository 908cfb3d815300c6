"""Photos on disk to the batches that Lightning trains and evaluates on."""

import logging
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from project.data.augmentation import Augmentation
from project.data.catalog.catalog import MAX_PIXELS, Catalog, build_catalog, frozen_catalog
from project.data.catalog.shared import release_unused
from project.data.catalog.splits import TRAIN
from project.data.changes import Batch, Changes
from project.data.cores import available_cores
from project.data.dataset import PhotoDataset, TrainingDataset
from project.data.fit import Crop, Fit, square
from project.data.mixing import Mixing
from project.data.named_tests import AllPhotos, named_catalog, named_sources
from project.data.oversampling import Oversampling
from project.data.plan import EpochPlan, Order, PlannedBatches, natural_order
from project.data.prefetching import PrefetchingLoader
from project.data.resampling import Interpolation
from project.data.sampling import Sampler
from project.data.sources import Source
from project.data.store.opening import Cache, open_store
from project.data.store.policy import ImageStore, Policy
from project.data.workers import AHEAD, chosen_workers, start_worker, workers_with_room
from project.errors import ConfigError, DataError

log = logging.getLogger(__name__)

_AREA, _ASPECT = (0.35, 1.0), (0.75, 1.3333)
_FOLDS = 5
_BESIDES = 1024  # bytes of an image's label, row and draws, at most

Split = Literal["train", "val", "test"]


class PhotoDataModule(pl.LightningDataModule):
    """A source of labelled photos as batches of one size.

    The batches leave the loader as uint8, unless workers augment, and on the trainer's device, if
    that is a GPU. Results depend neither on
    ``num_workers`` nor on ``cache``, nor on how many processes share a batch.

    Args:
        root: Folder of the photos.
        source: Makes the source from ``root`` (and ``download``, where it is given).
        sampler: Shares of the classes in an epoch.
        oversampling: Variants of the images.
        augmentation: Changes of every training image.
        mixing: Mixing within a training batch.
        seed: Seed of the run: order, crops and augmentation. Not negative.
        cache_dir: Where the scan of the photos is remembered, and their images are kept.
        download: Whether a source that can download may do so.
        size: Height and width in pixels; one number for a square.
        crop: How an image is made to fit; see `project.data.fit.Fit`.
        interpolation: Resampling filter.
        crop_area: Smallest and largest part of the area that ``random_resized`` keeps.
        crop_aspect: Smallest and largest width / height of that part.
        class_map: Old to new class name; null drops the class; others keep their names.
        classes: Class names in label order; null sorts them.
        val_fraction: Share of the images for validation, where the source does not say.
        test_fraction: Share of the images for the test, where the source does not say.
        resplit: Whether to ignore the source's own splits.
        folds: Number of folds.
        fold: Which fold is held out; null for a single split.
        split_seed: Seed of the split, apart from ``seed`` so that repeats share their test images.
        split_file: CSV with ``path`` and ``split``, as a run directory holds; fixes the split.
        tests: What is tested on besides the test split, by name: folders, which are read by the
            same kind of source, or complete sources.
        on_bad_image: ``error`` lists all unreadable images and stops, ``skip`` counts them.
        max_pixels: Images of more pixels are refused unread, as decompression bombs.
        cache: ``none``, ``disk`` or ``ram``; see `project.data.store.opening.open_store`.
        cache_limit_gb: Gigabytes that all images on the disk, or those in memory, may take.
        store_side: Pixels that photos are shrunk to before all else, in their shorter side;
            ``auto`` takes what ``size`` and ``crop`` need.
        augment_in: Whether batches are changed on the ``device``, or all in the ``workers``.
        batch_size: Images in a batch, all processes together.
        num_workers: Worker processes of each loader; ``auto`` measures how many it takes. Fewer
            where shared memory has no room for their batches.

    Attributes:
        tested_on: What `test_dataloader` gives: a split, or a named test set with ``test_``.
        tested_rows: Which split of the catalog it gives, unless it gives a named test set.

    Raises:
        ConfigError: If a value is out of range.
        DataError: If the photos, labels or splits cannot be used.
    """

    def __init__(
        self,
        root: str | Path,
        source: Callable[..., Source],
        *,
        sampler: Sampler,
        oversampling: Oversampling,
        augmentation: Augmentation,
        mixing: Mixing,
        seed: int,
        cache_dir: str | Path,
        download: bool | None = None,
        size: int | list[int] = 256,
        crop: Crop = "center",
        interpolation: Interpolation = "bilinear",
        crop_area: tuple[float, float] = _AREA,
        crop_aspect: tuple[float, float] = _ASPECT,
        class_map: dict[str, str | None] | None = None,
        classes: list[str] | None = None,
        val_fraction: float = 0.15,
        test_fraction: float = 0.15,
        resplit: bool = False,
        folds: int = _FOLDS,
        fold: int | None = None,
        split_seed: int = 0,
        split_file: str | Path | None = None,
        tests: dict[str, Any] | None = None,
        on_bad_image: Literal["error", "skip"] = "error",
        max_pixels: int = MAX_PIXELS,
        cache: Cache = "disk",
        cache_limit_gb: float = 50.0,
        store_side: int | Literal["auto"] = "auto",
        augment_in: Literal["device", "workers"] = "device",
        batch_size: int = 64,
        num_workers: int | Literal["auto"] = "auto",
    ) -> None:
        super().__init__()
        self.sampler = sampler
        self.oversampling = oversampling
        self.augmentation = augmentation
        self.mixing = mixing
        self.batch_size = batch_size
        if isinstance(num_workers, int) and num_workers < 0:
            raise ConfigError(f"data.num_workers: expected 0 or more, got {num_workers}.")
        if cache_limit_gb < 0:
            raise ConfigError(f"data.cache_limit_gb: expected 0 or more, got {cache_limit_gb}.")
        self._num_workers = num_workers
        self._seed = seed
        self._augment_in = augment_in
        self._fit = Fit(square(size), crop, interpolation, crop_area, crop_aspect)
        self._policy, self._evaluation_policy = (
            Policy(side if store_side == "auto" else store_side, interpolation, crop == "box")
            for side in (self._fit.stored_side, self._fit.evaluated_side)
        )
        self._storing: dict[str, Any] = {
            "max_pixels": max_pixels,
            "cache": cache,
            "cache_dir": Path(cache_dir),
            "limit_gb": cache_limit_gb,
        }
        _refuse_unused(crop, tuple(crop_area), tuple(crop_aspect), folds, fold)
        known = {} if download is None else {"download": download}
        self._source = source(root=root, **known)
        self._named = named_sources(tests or {}, lambda folder: source(root=folder, **known))
        self._reading: dict[str, Any] = {
            "class_map": class_map,
            "on_bad_image": on_bad_image,
            "max_pixels": max_pixels,
            "cache_dir": Path(cache_dir),
        }
        self._splitting: dict[str, Any] = {
            "classes": classes,
            "val_fraction": val_fraction,
            "test_fraction": test_fraction,
            "resplit": resplit,
            "folds": folds,
            "fold": fold,
            "split_file": split_file,
            "seed": split_seed,
        }
        self._catalog: Catalog | None = None
        self._start = (0, 0)
        self._short_of_memory = False
        self.tested_rows: Split = "test"
        self.tested_on = "test"

    @property
    def catalog(self) -> Catalog:
        """The images, labels and splits; scanned when first asked for."""
        if self._catalog is None:
            self._use(build_catalog(self._source, **self._reading, **self._splitting))
        assert self._catalog is not None
        return self._catalog

    @cached_property
    def photos(self) -> AllPhotos:
        """The catalog, and those of the named test sets; scanned when first asked for."""
        classes = self.catalog.classes
        tests = {
            split: named_catalog(split, source, classes, self._reading)
            for split, source in self._named.items()
        }
        for tested in tests.values():
            self._check_boxes(tested)
        return AllPhotos(self.catalog, tests)

    def freeze(self, classes: Sequence[str], split: str, split_file: Path | None = None) -> None:
        """Evaluates on a finished run's class list instead of the photos' own.

        Args:
            classes: The class list, in label order.
            split: What to take: a split, which a source without splits counts as entirely; or a
                named test set, and then nothing else is read.
            split_file: The run's own split, if these are the run's own photos.

        Raises:
            DataError: If the photos have other classes, or none is in that split.
        """
        if split in self._named:
            self.tested_rows = "test"
            self._use(named_catalog(split, self._named[split], classes, self._reading))
        else:
            self.tested_rows = cast("Split", split)
            self._use(
                frozen_catalog(
                    self._source, classes, self.tested_rows, split_file=split_file, **self._reading
                )
            )
        self._named = {}
        self._storing["build"] = False  # each photo is read once
        self.tested_on = split

    @cached_property
    def store(self) -> ImageStore:
        """The images that are trained on."""
        return self._opened(self._policy)

    @cached_property
    def evaluation_store(self) -> ImageStore:
        """The images that are evaluated on: the same for all crops that become the central one."""
        if self._evaluation_policy == self._policy:
            return self.store
        unseen = np.flatnonzero(self.catalog.splits != TRAIN)
        needed = None if self.tested_rows == "train" else unseen
        return self._opened(self._evaluation_policy, needed)

    def _opened(
        self,
        policy: Policy,
        needed: NDArray[np.int64] | None = None,
        catalog: Catalog | None = None,
    ) -> ImageStore:
        return open_store(
            catalog or self.catalog,
            policy,
            needed=needed,
            processes=self._processes,
            **self._storing,
        )

    @cached_property
    def changes(self) -> Changes:
        """What is random about a training batch besides its order and its crops."""
        return Changes(
            oversampling=self.oversampling,
            augmentation=self.augmentation,
            mixing=self.mixing,
            classes=self.catalog.classes,
            seed=self._seed,
        )

    @property
    def _processes(self) -> int:
        """How many processes of this run share the machine."""
        return self.trainer.num_devices if self.trainer else 1

    def _use(self, catalog: Catalog) -> None:
        self._check_boxes(catalog)
        self._catalog = catalog

    def _check_boxes(self, catalog: Catalog) -> None:
        if self._fit.crop == "box" and any(catalog.box(i) is None for i in range(len(catalog))):
            raise DataError(
                "data.crop=box: expected a crop box for every image, as a label table with "
                f"box_columns gives, but some images in {catalog.root} have none. Choose another "
                "data.crop."
            )

    def remarks(self) -> list[str]:
        """What a reader of the results should know about the photos, one sentence each."""
        catalog, found = self.catalog, []
        if unmatched := getattr(self._source, "num_unmatched", 0):
            found.append(f"{unmatched} files were skipped because their names do not match.")
        found += catalog.remarks() + self.photos.remarks()
        if self._fit.crop != "box" and (catalog.boxes >= 0).any():
            found.append(
                f"The table's crop boxes are not used, because data.crop={self._fit.crop}."
            )
        return found

    @cached_property
    def plan(self) -> EpochPlan:
        """The order of the training images."""
        rows = self.catalog.indices("train")
        return EpochPlan(
            indices=rows,
            labels=self.catalog.labels[rows],
            factors=self.oversampling.class_factors(self.catalog.classes),
            sampler=self.sampler,
            seed=self._seed,
        )

    def state_dict(self) -> dict[str, int]:
        """Where training is: the epoch, and how many of its batches are done."""
        assert self.trainer is not None, "Lightning asks only while it trains"
        loop = self.trainer.fit_loop
        progress: Any = loop.epoch_progress.current
        begun = progress.ready > progress.processed
        done = loop.epoch_loop.batch_progress.current.completed if begun else 0
        return {"epoch": progress.processed, "batch": done}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Has training begin where it was; loaders that are there already stay as they are.

        Args:
            state_dict: From `state_dict`.
        """
        self._start = (state_dict["epoch"], state_dict["batch"])

    def train_dataloader(self) -> DataLoader[Batch]:
        """Batches of the training split, planned per epoch."""
        dataset = TrainingDataset(
            self.catalog,
            self.store,
            self._fit,
            changes=self.changes,
            seed=self._seed,
            in_workers=self._augment_in == "workers",
        )
        batches = self._batches(self.plan.order, training=True, start=self._start)
        if batches.left_out:
            log.info(
                "The last batch is cut: %d draws of each epoch are left out.", batches.left_out
            )
        return self._loader(dataset, batches)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Batches of the validation split, in catalog order."""
        return self._split_loader("val")

    def test_dataloader(self) -> DataLoader[Batch]:
        """Batches of ``tested_on`` (the test split, unless changed), in catalog order."""
        named = self.photos.tests.get(self.tested_on)
        return self._split_loader(self.tested_rows) if named is None else self._named_loader(named)

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:  # noqa: ARG002
        """Changes a training batch on the device, unless that is done."""
        return batch if batch.draws is None else self.changes(batch)

    def _split_loader(self, split: Split) -> DataLoader[Batch]:
        return self._evaluation_loader(
            self.catalog, self.catalog.indices(split), self.evaluation_store
        )

    def _named_loader(self, catalog: Catalog) -> DataLoader[Batch]:
        rows = catalog.indices("test")
        return self._evaluation_loader(
            catalog, rows, self._opened(self._evaluation_policy, rows, catalog)
        )

    def _evaluation_loader(
        self, catalog: Catalog, rows: NDArray[np.int64], store: ImageStore
    ) -> DataLoader[Batch]:
        order = natural_order(rows)
        dataset = PhotoDataset(catalog, store, self._fit)
        return self._loader(dataset, self._batches(lambda _: order, training=False))

    def _batches(
        self, order: Callable[[int], Order], *, training: bool, start: tuple[int, int] = (0, 0)
    ) -> PlannedBatches:
        world_size, rank = (
            (self.trainer.world_size, self.trainer.global_rank) if self.trainer else (1, 0)
        )
        return PlannedBatches(
            order,
            batch_size=self.batch_size,
            world_size=world_size,
            rank=rank,
            training=training,
            start=start,
        )

    def _loader(self, dataset: PhotoDataset, batches: PlannedBatches) -> DataLoader[Batch]:
        workers = self._num_workers
        if workers == "auto":
            cores = max(1, available_cores() // self._processes)
            workers = chosen_workers(dataset, batches, cores)
        if workers:
            wanted = workers
            workers = workers_with_room(
                wanted, self._batch_bytes, self._processes, told=self._short_of_memory
            )
            self._short_of_memory |= workers < wanted
            release_unused()  # before the workers begin with what this process has
        device = self.trainer.strategy.root_device if self.trainer else None
        return PrefetchingLoader(
            dataset,
            device=device,
            batch_sampler=batches,
            num_workers=workers,
            prefetch_factor=AHEAD if workers else None,
            collate_fn=_as_it_is,
            persistent_workers=workers > 0,
            worker_init_fn=start_worker,
            pin_memory=device.type == "cuda" if device else torch.cuda.is_available(),
            generator=torch.Generator(),  # else each epoch's workers would draw from torch's own
        )

    @property
    def _batch_bytes(self) -> int:
        """At most, of what a loader of one process hands over at a time."""
        height, width = self._fit.size
        depth = 4 if self._augment_in == "workers" else 1  # floats once changed, bytes before
        ranks = self.trainer.world_size if self.trainer else 1
        return -(-self.batch_size // ranks) * (3 * height * width * depth + _BESIDES)


def _refuse_unused(
    crop: Crop,
    area: tuple[float, ...],
    aspect: tuple[float, ...],
    folds: int,
    fold: int | None,
) -> None:
    """Settings that the others leave without effect."""
    if crop != "random_resized" and (area, aspect) != (_AREA, _ASPECT):
        raise ConfigError(
            "data.crop_area, data.crop_aspect: only random_resized uses them, and "
            f"data.crop={crop}."
        )
    if fold is None and folds != _FOLDS:
        raise ConfigError(
            f"data.folds={folds}: choose the fold that is held out too, data.fold=0 to {folds - 1}."
        )


def _as_it_is(batch: Any) -> Any:
    """The dataset makes whole batches, so there is nothing left to collate."""
    return batch
