import pickle
from typing import Any

import albumentations as A
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pytorch_lightning.plugins.precision import HalfPrecision
from torch import Tensor

from project.data.augmentation import Affine, Augmentation, ColorJitter, Erasing, HorizontalFlip
from project.data.augmentation.transform import as_floats
from project.data.changes import Batch, Changes
from project.data.mixing import Mixing, mix
from project.data.oversampling import Oversampling
from project.errors import ConfigError

CLASSES = ["hat", "outer", "top"]
LABELS = np.array([0, 1, 2, 1, 0, 1, 2, 1])
KEYS = np.stack([np.full(8, 3), np.arange(8), np.arange(8) % 5], axis=1)
IMAGES = torch.from_numpy(
    np.random.default_rng(0).integers(0, 256, (8, 24, 24, 3), dtype=np.uint8)
).permute(0, 3, 1, 2)

STRONG = {
    "flip": HorizontalFlip(),
    "affine": Affine((-20, 20)),
    "color": ColorJitter(),
    "erase": Erasing(),
}


def make(**options: Any) -> Changes:
    """Changes of all kinds; ``early`` adds a transform of single images in front."""
    early = {"blur": A.MedianBlur(p=0.5)} if options.pop("early", False) else {}
    transforms = options.pop("transforms", STRONG)
    return Changes(
        **{
            "oversampling": Oversampling(
                factors={"outer": 4}, transforms=Augmentation({"jitter": ColorJitter()})
            ),
            "augmentation": Augmentation({**early, **transforms}),
            "mixing": Mixing(mixup_alpha=0.5, cutmix_alpha=1.0),
            "classes": CLASSES,
            "seed": 1,
            **options,
        }
    )


def nothing(**options: Any) -> Changes:
    return make(**{"oversampling": Oversampling(), "transforms": {}, "mixing": Mixing(), **options})


def changed(
    changes: Changes,
    keys: NDArray[np.int64] = KEYS,
    labels: NDArray[np.int64] = LABELS,
    images: Tensor = IMAGES,
) -> Batch:
    """A batch after both parts of its changes."""
    batch = Batch(
        image=changes.samplewise(images, keys, labels),
        label=torch.from_numpy(labels),
        row=torch.from_numpy(keys[:, 1]),
        copy=torch.from_numpy(keys[:, 2]),
        draws=changes.draw(keys, labels),
    )
    return batch if batch.draws is None else changes(batch)


def test_nothing_to_do_draws_nothing() -> None:
    assert nothing().draw(KEYS, LABELS) is None
    assert nothing().samplewise(IMAGES, KEYS, LABELS) is IMAGES


@pytest.mark.parametrize("early", [False, True])
def test_images_before_mixing_do_not_depend_on_their_batch(early: bool) -> None:
    changes = make(early=early, mixing=Mixing())
    whole = changed(changes)
    for row in range(8):
        part = slice(row, row + 1)
        alone = changed(changes, KEYS[part], LABELS[part], IMAGES[part])
        assert torch.equal(alone.image[0], whole.image[row])


def test_equal_seeds_change_alike_and_others_do_not() -> None:
    first, again, other = (changed(make(seed=seed)) for seed in (1, 1, 2))
    assert torch.equal(first.image, again.image)
    assert torch.equal(first.label, again.label)
    assert not torch.equal(first.image, other.image)


def test_workers_that_get_a_copy_change_alike() -> None:
    changes = make(early=True)
    copied = pickle.loads(pickle.dumps(changes))  # noqa: S301 - our own
    assert torch.equal(changed(copied).image, changed(changes).image)


def test_augmentation_is_new_in_every_epoch() -> None:
    changes = make(mixing=Mixing())
    later = changed(changes, KEYS + np.array([1, 0, 0])).image
    assert not any(torch.equal(a, b) for a, b in zip(changed(changes).image, later, strict=True))


def test_fixed_variants_are_the_same_in_every_epoch() -> None:
    changes = make(transforms={}, mixing=Mixing())
    first = changed(changes).image
    assert torch.equal(changed(changes, KEYS + np.array([1, 0, 0])).image, first)
    variants = (LABELS == 1) & (KEYS[:, 2] % 4 > 0)
    assert variants.any()
    for row in range(8):
        assert torch.equal(first[row], IMAGES[row]) == (not variants[row])


def test_everything_up_to_the_last_transform_of_single_images_cannot_wait() -> None:
    late_blur = make(transforms={**STRONG, "blur": A.MedianBlur(p=1)}, mixing=Mixing())
    assert late_blur.draw(KEYS, LABELS) is None
    assert late_blur.samplewise(IMAGES, KEYS, LABELS).dtype == torch.uint8
    early_blur = make(early=True, mixing=Mixing())
    waiting = early_blur.draw(KEYS, LABELS)
    assert waiting is not None
    assert waiting.shape == (8, 1 + 7 + 11 + 8)  # flip, affine, colour, erasing
    assert not torch.equal(early_blur.samplewise(IMAGES, KEYS, LABELS), IMAGES)


def test_what_waits_is_drawn_as_if_all_waited() -> None:
    all_wait = make(mixing=Mixing()).draw(KEYS, LABELS)
    some_wait = make(early=True, mixing=Mixing()).draw(KEYS, LABELS)
    assert all_wait is not None
    assert some_wait is not None
    assert torch.equal(all_wait[:, 11:], some_wait)  # after the variants' colour


def test_half_precision_does_not_round_the_draws() -> None:
    draws = make().draw(KEYS, LABELS)
    assert draws is not None
    precision = HalfPrecision("bf16-true")
    assert torch.equal(precision.convert_input(draws), draws)


def test_mixing_comes_last() -> None:
    changes = make()
    draws = changes.draw(KEYS, LABELS)
    assert draws is not None
    before = changed(make(mixing=Mixing()))
    image, label = mix(before.image, before.label, draws[:, -5:].view(torch.float32), 3)
    after = changed(changes)
    assert after.draws is None
    assert torch.equal(after.image, image)
    assert torch.equal(after.label, label)


def test_images_stay_bytes_where_only_bytes_are_changed() -> None:
    flips = nothing(transforms={"flip": HorizontalFlip(p=1)})
    assert torch.equal(changed(flips).image, IMAGES.flip(3))


def test_oversampling_of_an_unknown_class_is_refused() -> None:
    with pytest.raises(ConfigError, match="no class is called 'outr'"):
        make(oversampling=Oversampling(factors={"outr": 2}))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("name", [*STRONG, "all"])
def test_gpu_makes_of_the_same_draws_what_the_cpu_makes(name: str) -> None:
    transforms = STRONG if name == "all" else {name: STRONG[name]}
    changes = make(transforms=transforms)
    draws = changes.draw(KEYS, LABELS)
    copies = torch.from_numpy(KEYS[:, 2])
    batch = Batch(IMAGES, torch.from_numpy(LABELS), copies, copies, draws)
    moved = Batch(*(part.cuda() for part in batch if part is not None))
    torch.cuda.set_sync_debug_mode("error")  # nothing may wait for the device
    try:
        there = changes(moved)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    here = changes(batch)
    apart = (as_floats(there.image.cpu()) - as_floats(here.image)).abs()
    assert apart.mean() < 0.5 / 255  # here each transform rounds to bytes
    assert apart.max() < 4 / 255
    torch.testing.assert_close(there.label.cpu(), here.label, rtol=0, atol=1e-6)
    assert there.image.is_contiguous(memory_format=torch.channels_last)
