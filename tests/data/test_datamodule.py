"""The contract on randomness, and what leaves the loader."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import albumentations as A
import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from project.data import datamodule, prefetching
from project.data.augmentation import (
    Affine,
    Augmentation,
    ColorJitter,
    HorizontalFlip,
    rand_augment,
)
from project.data.changes import Batch
from project.data.datamodule import PhotoDataModule
from project.data.decode import read_image
from project.data.mixing import Mixing
from project.data.oversampling import Oversampling
from project.data.prefetching import PrefetchingLoader
from project.data.sampling import PowerSampler
from project.data.sources import ClassFolders, LabelTable
from project.errors import ConfigError, DataError

MERGED = {"hat": "outer"}

Make = Callable[..., PhotoDataModule]
Bytes = dict[tuple[int, int], tuple[bytes, bytes]]


def strong() -> Augmentation:
    return Augmentation(
        {
            "any": rand_augment(num_ops=2, magnitude=9),
            "flip": HorizontalFlip(p=0.5),
            "color": ColorJitter(p=0.9),
            "affine": Affine(p=0.5),
        }
    )


@pytest.fixture
def make(photos: Path, tmp_path: Path) -> Make:
    """A data module that uses every random part; keywords override."""

    def made(**options: object) -> PhotoDataModule:
        defaults: dict[str, object] = {
            "root": photos,
            "source": ClassFolders,
            "sampler": PowerSampler(0.0),
            "oversampling": Oversampling(
                factors={"outer": 3},
                variants="fresh",
                transforms=Augmentation({"jitter": ColorJitter(hue=(-0.2, 0.2), p=1)}),
            ),
            "augmentation": strong(),
            "mixing": Mixing(mixup_alpha=0.5, cutmix_alpha=1.0),
            "seed": 1,
            "cache_dir": tmp_path / "cache",
            "size": 24,
            "crop": "random_resized",
            "batch_size": 8,
            "num_workers": 0,
        }
        return PhotoDataModule(**(defaults | options))  # type: ignore[arg-type]

    return made


def one_of_two(rank: int, device: str = "cpu") -> Any:
    """Stands for the trainer of a process."""
    strategy = SimpleNamespace(root_device=torch.device(device))
    return SimpleNamespace(world_size=2, global_rank=rank, num_devices=2, strategy=strategy)


def epochs(data: PhotoDataModule, numbers: Sequence[int] = (0, 1)) -> Iterator[Batch]:
    """Batches of some epochs, the loader's workers staying alive in between."""
    loader = data.train_dataloader()
    for epoch in numbers:
        loader.batch_sampler.set_epoch(epoch)  # type: ignore[union-attr]
        yield from loader


def draws_of(batch: Batch) -> torch.Tensor:
    assert batch.draws is not None
    return batch.draws


def samples(batches: Iterator[Batch]) -> list[tuple[int, int, bytes, bytes]]:
    """Index, copy number and all bytes of every sample, in order."""
    return [
        (int(row), int(copy), image.numpy().tobytes(), draws.numpy().tobytes())
        for batch in batches
        for row, copy, image, draws in zip(
            batch.row, batch.copy, batch.image, draws_of(batch), strict=True
        )
    ]


def finished(data: PhotoDataModule) -> list[bytes]:
    """All bytes of an epoch of training batches as they reach the model, and of evaluation."""
    training = [data.on_after_batch_transfer(batch, 0) for batch in epochs(data, [0])]
    evaluation = [*data.val_dataloader(), *data.test_dataloader()]
    assert all(batch.draws is None for batch in [*training, *evaluation])
    return [
        part.contiguous().numpy().tobytes()
        for batch in [*training, *evaluation]
        for part in (batch.image, batch.label, batch.row)
    ]


@pytest.mark.parametrize("workers", [0, 2])
def test_neither_cache_nor_place_of_the_changes_changes_a_byte(make: Make, workers: int) -> None:
    expected = finished(make(cache="none", num_workers=0))
    for cache in ("none", "disk", "disk", "ram"):  # the second finds the file of the first
        assert finished(make(cache=cache, num_workers=workers)) == expected
    inside = make(augment_in="workers", num_workers=workers)
    assert finished(inside) == expected
    assert all(batch.draws is None for batch in epochs(inside, [0]))


def test_training_and_evaluation_read_one_cache(make: Make, tmp_path: Path) -> None:
    images = tmp_path / "cache" / "images"
    finished(make(crop="random"))
    assert len(list(images.glob("*.images"))) == 1
    finished(make(crop="center", split_seed=3, seed=2, class_map=MERGED, resplit=True))
    assert len(list(images.glob("*.images"))) == 1
    finished(make(crop="random", store_side=20))
    assert len(list(images.glob("*.images"))) == 2


def test_random_parts_are_cut_from_larger_images_than_evaluation_sees(
    make: Make, tmp_path: Path
) -> None:
    data = make(size=16)
    finished(data)
    assert len(list((tmp_path / "cache" / "images").glob("*.images"))) == 2
    row = int(data.catalog.indices("test")[0])
    assert min(data.store[row].shape[:2]) == 20
    assert min(data.evaluation_store[row].shape[:2]) == 16


def test_evaluation_alone_makes_no_cache(make: Make, tmp_path: Path) -> None:
    data = make()
    data.freeze(["hat", "outer", "top"], "test")
    expected = [batch.image for batch in data.test_dataloader()]
    assert not (tmp_path / "cache" / "images").exists()
    for batch, image in zip(make().test_dataloader(), expected, strict=True):
        assert torch.equal(batch.image, image)


def test_limit_and_side_of_the_cache_that_cannot_be_are_refused(make: Make) -> None:
    with pytest.raises(ConfigError, match=r"data\.cache_limit_gb: expected 0 or more, got -1"):
        make(cache_limit_gb=-1)
    with pytest.raises(ConfigError, match=r"data\.store_side: expected auto or pixels above 0"):
        make(store_side=0)


@pytest.mark.filterwarnings("ignore:This DataLoader will create 3 worker")  # on two cores
@pytest.mark.parametrize("workers", [1, 3])
def test_number_of_workers_changes_no_byte(make: Make, workers: int) -> None:
    alone = samples(epochs(make(num_workers=0)))
    assert samples(epochs(make(num_workers=workers))) == alone


def test_two_epochs_differ(make: Make) -> None:
    first, second = (samples(epochs(make(), [epoch])) for epoch in (0, 1))
    assert [s[0] for s in first] != [s[0] for s in second]
    assert not {s[2] for s in first} & {s[2] for s in second}


def test_two_seeds_differ(make: Make) -> None:
    one, other = (samples(epochs(make(seed=seed), [0])) for seed in (1, 2))
    assert not {s[2] for s in one} & {s[2] for s in other}


def test_two_ranks_together_see_the_bytes_of_one(make: Make) -> None:
    alone = {(s[0], s[1]): (s[2], s[3]) for s in samples(epochs(make(), [0]))}
    together: Bytes = {}
    for rank in (0, 1):
        data = make()
        data.trainer = one_of_two(rank=rank)
        mine = {(s[0], s[1]): (s[2], s[3]) for s in samples(epochs(data, [0]))}
        assert not together.keys() & mine.keys()
        together |= mine
    assert together == alone


def test_an_epoch_that_goes_on_in_the_middle_yields_the_same_bytes(make: Make) -> None:
    whole = samples(epochs(make(), [1]))
    for workers in (0, 1):
        data = make(num_workers=workers)
        data.load_state_dict({"epoch": 1, "batch": 3})
        loader = data.train_dataloader()
        assert samples(iter(loader)) == whole[3 * 8 :]  # before anyone announces the epoch
        loader.batch_sampler.set_epoch(2)  # type: ignore[union-attr]
        assert samples(iter(loader)) == samples(epochs(make(), [2]))


def test_training_leaves_torchs_own_generator_alone(make: Make) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    for workers in (0, 1):
        torch.manual_seed(7)
        samples(epochs(make(num_workers=workers)))
        torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)


def test_batches_leave_as_uint8_and_channels_first(make: Make) -> None:
    batch = next(iter(make(size=[24, 32]).val_dataloader()))
    assert batch.image.dtype == torch.uint8
    assert batch.image.shape == (8, 3, 24, 32)
    assert batch.label.dtype == torch.int64
    assert batch.draws is None


def test_evaluation_shows_every_photo_once_and_unchanged(make: Make) -> None:
    data = make()
    expected = data.catalog.indices("test").tolist()
    for _ in range(2):
        batches = list(data.test_dataloader())
        assert torch.cat([b.row for b in batches]).tolist() == expected
    plain = make(augmentation=Augmentation(), crop="center", seed=9).test_dataloader()
    for batch, other in zip(data.test_dataloader(), plain, strict=True):
        assert torch.equal(batch.image, other.image)


def test_padding_of_the_last_batch_is_marked(make: Make) -> None:
    data = make()
    data.trainer = one_of_two(rank=1)
    indices = torch.cat([b.row for b in data.test_dataloader()])  # 19 photos, 8 a batch
    assert indices.tolist().count(-1) == 1
    assert len(indices) == 10


def test_labels_are_those_of_the_folders(make: Make) -> None:
    data = make()
    for batch in epochs(data, [0]):
        for index, label in zip(batch.row.tolist(), batch.label.tolist(), strict=True):
            assert f"/{data.catalog.classes[label]}/" in data.catalog.relative_path(index)


def test_changes_happen_after_the_transfer(make: Make) -> None:
    data = make()
    batch = next(epochs(data, [0]))
    mixed = data.on_after_batch_transfer(batch, 0)
    assert mixed.draws is None
    assert mixed.label.shape == (8, 3)
    assert mixed.image.dtype == torch.float32
    untouched = make(mixing=Mixing(), augmentation=Augmentation(), oversampling=Oversampling())
    batch = next(epochs(untouched, [0]))
    assert untouched.on_after_batch_transfer(batch, 0) is batch


def test_size_that_a_transform_changes_is_refused(make: Make) -> None:
    data = make(augmentation=Augmentation({"crop": A.CenterCrop(8, 8)}))
    with pytest.raises(DataError, match=r"stay uint8 and \[24, 24\] pixels, got uint8 and \[8"):
        next(epochs(data, [0]))


def table(root: Path, boxes: bool) -> Callable[..., LabelTable]:
    lines = ["path,label,x,y,w,h"]
    for file in sorted(root.glob("train/*/*.jpg")):
        label = file.parent.name
        box = "2,3,20,10" if boxes else ",,,"
        lines.append(f"{file.relative_to(root)},{label},{box}")
    path = root.parent / f"labels_{boxes}.csv"
    path.write_text("\n".join(lines))
    return partial(LabelTable, table=path, box_columns=["x", "y", "w", "h"] if boxes else None)


def test_box_crop_shows_the_box(make: Make, photos: Path) -> None:
    data = make(source=table(photos, boxes=True), crop="box", size=[10, 20])
    batch = next(iter(data.val_dataloader()))
    row = int(batch.row[0])
    whole = read_image(data.catalog.path(row), 10_000)
    np.testing.assert_array_equal(batch.image[0].permute(1, 2, 0), whole[3:13, 2:22])


def test_boxes_are_needed_for_box_crops_and_missed_otherwise(make: Make, photos: Path) -> None:
    with pytest.raises(DataError, match=r"data\.crop=box: expected a crop box for every image"):
        _ = make(crop="box").catalog
    remarks = make(source=table(photos, boxes=True)).remarks()
    assert remarks == ["The table's crop boxes are not used, because data.crop=random_resized."]


def test_batch_size_counts_the_images_of_all_ranks(make: Make) -> None:
    data = make(batch_size=9)
    data.trainer = one_of_two(rank=0)
    with pytest.raises(ConfigError, match=r"multiple of the 2 process\(es\).*got 9"):
        data.train_dataloader()


def test_number_of_workers_is_measured_unless_told(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def chosen(dataset: object, batches: object, cores: int) -> int:
        asked.append(cores)
        return 0

    monkeypatch.setattr(datamodule, "chosen_workers", chosen)
    monkeypatch.setattr(datamodule, "available_cores", lambda: 6)
    data = make(num_workers="auto")
    assert data.train_dataloader().num_workers == 0
    data.trainer = one_of_two(rank=0)
    assert data.val_dataloader().num_workers == 0
    assert asked == [6, 3]  # the processes of a machine share its cores
    assert make(num_workers=2).train_dataloader().num_workers == 2
    assert len(asked) == 2


@pytest.mark.parametrize("workers", ["auto", 3])
def test_workers_that_shared_memory_has_no_room_for_are_left_out(
    make: Make, monkeypatch: pytest.MonkeyPatch, workers: object
) -> None:
    asked = []

    def with_room(wanted: int, batch: int, processes: int, *, told: bool) -> int:
        asked.append((wanted, batch // (24 * 24 * 3 * 8), processes, told))
        return 0

    monkeypatch.setattr(datamodule, "chosen_workers", lambda *_: 3)
    monkeypatch.setattr(datamodule, "workers_with_room", with_room)
    data = make(num_workers=workers)
    assert data.train_dataloader().num_workers == data.val_dataloader().num_workers == 0
    assert make(num_workers=workers, augment_in="workers").val_dataloader().num_workers == 0
    # A byte a value, unless floats leave the workers.
    assert asked == [(3, 1, 1, False), (3, 1, 1, True), (3, 4, 1, False)]


def test_batches_are_pinned_for_a_gpu_alone(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    data = make()
    assert data.val_dataloader().pin_memory  # nobody says where batches go
    for device in ("cpu", "cuda"):
        data.trainer = one_of_two(0, device)
        loader = data.val_dataloader()
        assert loader.pin_memory == (device == "cuda")
        assert isinstance(loader, PrefetchingLoader)
        assert loader.device == torch.device(device)


class Noting(pl.LightningModule):
    """Notes what it is trained on, and where the data module says that training is."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.rows: list[list[int]] = []
        self.states: list[object] = []

    def training_step(self, batch: Batch, _: int) -> torch.Tensor:
        self.rows.append(batch.row.tolist())
        self.states.append(self.trainer.datamodule.state_dict())  # type: ignore[attr-defined]
        return self.weight * 1.0

    def validation_step(self, batch: Batch, _: int) -> None:
        self.rows.append(batch.row.tolist())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.mark.filterwarnings("ignore:The '(train|val)_dataloader' does not have many workers")
@pytest.mark.parametrize("workers", [0, 1])
def test_where_training_is_does_not_depend_on_what_is_on_its_way(
    make: Make, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    def trained(*, ahead: bool, start: tuple[int, int] = (0, 0)) -> Noting:
        data, model = make(num_workers=workers), Noting()
        data.load_state_dict({"epoch": start[0], "batch": start[1]})
        for kind in ("train", "val"):
            loader = getattr(data, f"{kind}_dataloader")()
            loader.device = torch.device("cuda") if ahead else None
            monkeypatch.setattr(data, f"{kind}_dataloader", lambda loader=loader: loader)
        trainer = pl.Trainer(
            accelerator="cpu",
            max_epochs=2,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(model, data)
        return model

    sent = []

    def to_nowhere(_: torch.device) -> Callable[[Batch], Callable[[], Batch]]:
        def send(batch: Batch) -> Callable[[], Batch]:
            sent.append(batch)
            return lambda: batch

        return send

    monkeypatch.setattr(prefetching, "ToDevice", to_nowhere)
    for start in ((0, 0), (0, 2)):
        plain, ahead = trained(ahead=False, start=start), trained(ahead=True, start=start)
        assert ahead.rows == plain.rows
        assert ahead.states == plain.states
    assert sent


def test_draws_that_the_last_batch_leaves_out_are_told(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    make(sampler=PowerSampler(1.0, draws_per_epoch=17)).train_dataloader()
    assert "1 draws of each epoch are left out" in caplog.text
