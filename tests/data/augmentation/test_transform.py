import numpy as np
import pytest
import torch
from torch import Tensor

from project.data import augmentation
from project.data.augmentation import Affine, ColorJitter, Erasing, HorizontalFlip, VerticalFlip
from project.data.augmentation.transform import (
    BatchTransform,
    _together,
    apply,
    as_bytes,
    as_floats,
    columns,
)
from project.errors import ConfigError

ALL: dict[str, BatchTransform] = {
    "flip": HorizontalFlip(p=1),
    "upside_down": VerticalFlip(p=1),
    "color": ColorJitter((0.5, 1.5), (0.5, 1.5), (0.0, 2.0), (-0.5, 0.5), p=1),
    "affine": Affine((-40, 40), (-10, 10), (0.7, 1.3), (-0.2, 0.2), p=1),
    "erase": Erasing(fill="random", p=1),
}
each = pytest.mark.parametrize("transform", ALL.values(), ids=ALL.keys())


def drawn(transforms: list[BatchTransform], count: int = 8, seed: int = 0) -> Tensor:
    rng = np.random.default_rng(seed)
    parts = [t.draw(rng.random((count, 1 + t.uniforms))) for t in transforms]
    return torch.from_numpy(np.concatenate(parts, axis=1).astype(np.float32))


@each
def test_image_alone_is_the_same_as_in_a_batch(transform: BatchTransform, images: Tensor) -> None:
    draws = drawn([transform])
    together = apply([transform], images, draws)
    for row in range(8):
        alone = apply([transform], images[row : row + 1], draws[row : row + 1])
        assert torch.equal(alone[0], together[row])


@each
def test_all_images_at_once_are_as_one_by_one(transform: BatchTransform, images: Tensor) -> None:
    draws = drawn([transform])
    draws[::3] = 0
    one_by_one, at_once = apply([transform], images, draws), _together([transform], images, draws)
    apart = (as_bytes(at_once).int() - one_by_one.int()).abs()
    assert apart.max() <= 1  # OpenCV multiplies colours by numbers of ten bits
    assert (apart > 0).float().mean() < (0.1 if isinstance(transform, ColorJitter) else 1e-9)


@each
def test_images_left_alone_are_bit_by_bit_as_they_were(
    transform: BatchTransform, images: Tensor
) -> None:
    draws = drawn([transform])
    draws[[1, 4, 5]] = 0
    for function in (apply, _together):
        changed = function([transform], images, draws)
        before = images if changed.dtype == torch.uint8 else images / 255
        assert torch.equal(changed[[1, 4, 5]], before[[1, 4, 5]])
        assert not torch.equal(changed[0], before[0])


@each
def test_probability_is_that_of_a_change(transform: BatchTransform) -> None:
    uniforms = np.random.default_rng(0).random((4000, 1 + transform.uniforms))
    for p in (0.0, 0.3, 1.0):
        rarer = type(transform)(**{**vars(transform), "p": p})
        share = rarer.draw(uniforms)[:, 0].mean()
        assert abs(share - p) < 0.02 * (0 < p < 1) + 1e-9


@each
def test_layout_stays_channels_last(transform: BatchTransform, images: Tensor) -> None:
    for function in (apply, _together):
        changed = function([transform], images, drawn([transform]))
        floats = transform.makes_floats and function is _together
        assert changed.is_contiguous(memory_format=torch.channels_last)
        assert changed.dtype == (torch.float32 if floats else torch.uint8)
        assert changed.shape == images.shape


@each
def test_images_given_are_not_written_to(transform: BatchTransform, images: Tensor) -> None:
    before = images.clone()
    for function in (apply, _together):
        function([transform], images, drawn([transform]))
        assert torch.equal(images, before)


@each
def test_number_of_threads_changes_no_bit(transform: BatchTransform, images: Tensor) -> None:
    large, draws = images.repeat(1, 1, 13, 10), drawn([transform])
    alone = apply([transform], large, draws)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert torch.equal(apply([transform], large, draws), alone)
    finally:
        torch.set_num_threads(before)


def test_chain_is_one_transform_after_the_other(images: Tensor) -> None:
    chain = list(ALL.values())
    draws, step, start = drawn(chain), images, 0
    assert draws.shape[1] == columns(chain)
    for transform in chain:
        stop = start + columns([transform])
        step = apply([transform], step, draws[:, start:stop])
        start = stop
    assert torch.equal(apply(chain, images, draws), step)


def test_chain_of_bytes_stays_close_to_one_that_is_not_rounded(images: Tensor) -> None:
    chain = list(ALL.values())
    draws = drawn(chain)
    apart = (_together(chain, images, draws) - as_floats(apply(chain, images, draws))).abs()
    assert apart.mean() < 0.5 / 255
    assert apart.max() < 4 / 255


def test_images_stay_bytes_until_a_transform_makes_floats(images: Tensor) -> None:
    bytewise: list[BatchTransform] = [ALL["flip"], ALL["erase"]]
    assert _together(bytewise, images, drawn(bytewise)).dtype == torch.uint8
    untouched = torch.zeros(8, columns([*bytewise, ALL["color"]]))
    floats = _together([*bytewise, ALL["color"]], images, untouched)
    assert torch.equal(floats, images / 255)


def test_bytes_to_floats_and_back_is_nothing() -> None:
    every = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert torch.equal(as_bytes(as_floats(every)), every)


@pytest.mark.parametrize("name", ["HorizontalFlip", "ColorJitter", "Affine", "Erasing"])
def test_impossible_probability_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"{name}\.p: expected a probability .* got 1\.5"):
        getattr(augmentation, name)(p=1.5)
