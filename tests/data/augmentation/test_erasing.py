import numpy as np
import pytest
import torch
from torch import Tensor

from project.data.augmentation import Erasing
from project.data.augmentation.transform import apply
from project.errors import ConfigError


def erased(transform: Erasing, count: int, seed: int = 0, size: int = 64) -> Tensor:
    """White images after erasing."""
    uniforms = np.random.default_rng(seed).random((count, 1 + transform.uniforms))
    draws = torch.from_numpy(transform.draw(uniforms).astype(np.float32))
    white = torch.full((count, size, size, 3), 255, dtype=torch.uint8).permute(0, 3, 1, 2)
    return apply([transform], white, draws)


def test_one_rectangle_is_painted_over_and_nothing_else() -> None:
    for image in erased(Erasing(p=1), 40)[:, 0] == 0:
        rows, columns = image.any(1).nonzero()[:, 0], image.any(0).nonzero()[:, 0]
        box = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert box.all()
        assert box.sum() == image.sum()


def test_area_and_shape_stay_in_their_ranges() -> None:
    covered = erased(Erasing(scale=(0.1, 0.3), ratio=(0.5, 2.0), p=1), 400)[:, 0] == 0
    area = covered.float().mean((1, 2))
    assert area.min() > 0.09
    assert area.max() < 0.31
    assert abs(area.mean() - 0.2) < 0.01
    high, wide = covered.any(2).sum(1), covered.any(1).sum(1)
    assert (high / wide).min() > 0.46
    assert (high / wide).max() < 2.15
    assert abs((high > wide).float().mean() - 0.5) < 0.1  # as often upright as lying


def test_every_place_is_as_likely() -> None:
    covered = erased(Erasing(scale=(0.25, 0.25), ratio=(1, 1), p=1), 4000)[:, 0] == 0
    first = torch.stack([covered.any(2).int().argmax(1), covered.any(1).int().argmax(1)])
    counts = torch.stack([torch.bincount(f, minlength=33) for f in first])
    assert counts.shape[1] == 33  # 32 of 64 pixels fit in 33 places
    assert (counts - 4000 / 33).abs().max() < 4.5 * (4000 / 33) ** 0.5


def test_a_side_that_would_not_fit_is_the_whole_side() -> None:
    covered = erased(Erasing(scale=(0.5, 0.5), ratio=(50, 50), p=1), 4)[:, 0] == 0
    assert covered.all(1).any(1).all()


def test_the_whole_image_can_go() -> None:
    assert (erased(Erasing(scale=(1, 1), ratio=(1, 1), p=1), 4) == 0).all()


def test_random_fill_is_one_colour_an_image() -> None:
    images = erased(Erasing(scale=(0.2, 0.3), fill="random", p=1), 30)
    colors = [np.unique(image.flatten(1).numpy(), axis=1) for image in images]
    assert {color.shape[1] for color in colors} == {2}  # white and another
    painted = np.stack([color[:, 0] for color in colors])
    assert len(np.unique(painted, axis=0)) == 30
    assert painted.std() > 60


def test_bytes_and_floats_are_painted_alike(images: Tensor) -> None:
    transform = Erasing(fill="random", p=1)
    draws = torch.from_numpy(transform.draw(np.random.default_rng(0).random((8, 8)))).float()
    of_bytes = apply([transform], images, draws)
    of_floats = transform.change(images / 255, draws)
    assert torch.equal(of_bytes / 255, of_floats)


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"Erasing\.scale: expected 0 <= .* got \[0, 2\]"):
        Erasing(scale=(0, 2))
    with pytest.raises(ConfigError, match=r"Erasing\.ratio: expected 0\.01 <= .* got \[0, 1\]"):
        Erasing(ratio=(0, 1))
    with pytest.raises(ConfigError, match=r"Erasing\.fill: expected black or random, got 'red'"):
        Erasing(fill="red")  # type: ignore[arg-type]
