from pathlib import Path

import albumentations as A
import numpy as np
import pytest
import torch

from project.data.augmentation import Augmentation, ColorJitter, HorizontalFlip
from project.data.catalog.catalog import Catalog, build_catalog
from project.data.changes import Changes
from project.data.dataset import PhotoDataset, TrainingDataset
from project.data.fit import Fit
from project.data.mixing import Mixing
from project.data.oversampling import Oversampling
from project.data.plan import PADDING, SampleKey
from project.data.resampling import Pixels
from project.data.sources import ClassFolders
from project.errors import DataError

KEYS = [SampleKey(2, row, copy) for row, copy in ((3, 0), (9, 1), (20, 2), (21, 5))]


class Plain:
    """Images made of their row."""

    def __getitem__(self, row: int) -> Pixels:
        return np.random.default_rng(row).integers(0, 256, (28, 30, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def catalog(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return build_catalog(ClassFolders(photos), cache_dir=tmp_path_factory.mktemp("cache"))


def training(
    catalog: Catalog, *, in_workers: bool = False, **transforms: object
) -> TrainingDataset:
    changes = Changes(
        oversampling=Oversampling(
            factor=3, transforms=Augmentation({"jitter": ColorJitter(hue=(-0.5, 0.5))})
        ),
        augmentation=Augmentation(
            transforms or {"blur": A.MedianBlur(), "flip": HorizontalFlip(), "color": ColorJitter()}
        ),
        mixing=Mixing(mixup_alpha=0.5, cutmix_alpha=1.0),
        classes=catalog.classes,
        seed=1,
    )
    fit = Fit((24, 24), "random")
    return TrainingDataset(catalog, Plain(), fit, changes=changes, seed=1, in_workers=in_workers)


def test_evaluation_sees_each_image_in_the_middle(catalog: Catalog) -> None:
    store = Plain()
    batch = PhotoDataset(catalog, store, Fit((28, 28))).__getitems__(KEYS)
    for image, key in zip(batch.image, KEYS, strict=True):
        np.testing.assert_array_equal(image.permute(1, 2, 0), store[key.row][:, 1:29])
    assert batch.label.tolist() == [catalog.labels[key.row] for key in KEYS]
    assert batch.row.tolist() == [3, 9, 20, 21]
    assert batch.copy.tolist() == [0, 1, 2, 5]
    assert batch.draws is None
    assert batch.image.is_contiguous(memory_format=torch.channels_last)


def test_rows_that_fill_up_are_marked(catalog: Catalog) -> None:
    keys = [SampleKey(0, 4, 0), SampleKey(0, 4, PADDING)]
    batch = PhotoDataset(catalog, Plain(), Fit((24, 24))).__getitems__(keys)
    assert batch.row.tolist() == [4, -1]


def test_crops_are_of_the_sample_and_not_of_its_batch(catalog: Catalog) -> None:
    dataset = training(catalog, flip=HorizontalFlip(p=0))
    whole = dataset.__getitems__(KEYS).image
    for row, key in enumerate(KEYS):
        assert torch.equal(dataset[key].image[0], whole[row])
    later = dataset.__getitems__([key._replace(epoch=3) for key in KEYS]).image
    assert not torch.equal(later, whole)


def test_changes_are_the_same_in_the_worker_as_after_it(catalog: Catalog) -> None:
    there = training(catalog, in_workers=True).__getitems__(KEYS)
    dataset = training(catalog)
    waiting = dataset.__getitems__(KEYS)
    assert there.draws is None
    assert there.image.dtype == torch.float32
    assert waiting.draws is not None
    assert waiting.image.dtype == torch.uint8
    here = dataset._changes(waiting)
    assert torch.equal(here.image, there.image)
    assert torch.equal(here.label, there.label)


def test_labels_decide_what_is_oversampled(catalog: Catalog) -> None:
    # Copies 0, 1, 2 and 5 of factor 3: the first is the untouched original.
    jittered = training(catalog, color=ColorJitter()).__getitems__(KEYS).draws
    assert jittered is not None
    assert jittered.view(torch.float32)[:, 0].tolist() == [0, 1, 1, 1]


def test_size_that_a_transform_changes_is_refused(catalog: Catalog) -> None:
    with pytest.raises(DataError, match=r"'crop': expected images to stay uint8 and \[24, 24\]"):
        training(catalog, crop=A.CenterCrop(8, 8)).__getitems__(KEYS)
