import math

import numpy as np
import pytest
import torch
import torchvision.transforms.v2.functional as tvf
from torch import Tensor
from torchvision.transforms import InterpolationMode

from project.data.augmentation import Affine
from project.data.augmentation.transform import as_floats
from project.errors import ConfigError


def moved(image: Tensor, **given: float) -> Tensor:
    """What comes out for exact values; a shift is the same part of both sides."""
    exact = {name: (value, value) for name, value in given.items()}
    transform = Affine(**exact)  # type: ignore[arg-type]  # p is not among them
    draws = transform.draw(np.zeros((1, 7)))
    return transform.change(as_floats(image), torch.from_numpy(draws.astype(np.float32)))


def test_rotation_and_zoom_are_as_in_torchvision(smooth: Tensor) -> None:
    changed = moved(smooth, rotate=25, scale=1.2)
    bilinear = InterpolationMode.BILINEAR
    expected = tvf.affine(smooth, 25, [0, 0], 1.2, [0, 0], bilinear)
    inside = tvf.affine(torch.ones_like(smooth), 25, [0, 0], 1.2, [0, 0], bilinear) > 0.9999
    assert inside.float().mean() > 0.6
    torch.testing.assert_close(changed[inside], expected[inside], rtol=0, atol=2e-4)


def test_whole_map_is_as_a_plain_loop_over_pixels(smooth: Tensor) -> None:
    given = {"rotate": 20.0, "shear": 9.0, "scale": 0.8, "translate_percent": 0.1}
    expected = reference(smooth[0].double().numpy(), **given)
    np.testing.assert_allclose(moved(smooth, **given)[0].numpy(), expected, rtol=0, atol=2e-5)


def reference(
    image: np.ndarray, rotate: float, shear: float, scale: float, translate_percent: float
) -> np.ndarray:
    """Where each pixel comes from, and what lies there, in Python's own floats."""
    _, height, width = image.shape
    turn, lean = math.radians(rotate), math.tan(math.radians(shear))
    forward = scale * (
        np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
        @ [[1, lean], [lean, 1]]
    )
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    shift = translate_percent * np.array([width, height])
    result = np.empty_like(image)
    for row in range(height):
        for column in range(width):
            x, y = np.linalg.solve(forward, np.array([column, row]) - centre - shift) + centre
            x, y = min(max(x, 0), width - 1), min(max(y, 0), height - 1)  # edges are repeated
            left, top = min(int(x), width - 2), min(int(y), height - 2)
            u, v = x - left, y - top
            result[:, row, column] = (
                (1 - u) * (1 - v) * image[:, top, left]
                + u * (1 - v) * image[:, top, left + 1]
                + (1 - u) * v * image[:, top + 1, left]
                + u * v * image[:, top + 1, left + 1]
            )
    return result


def test_whole_shift_moves_pixels_and_repeats_the_edge(images: Tensor) -> None:
    changed = moved(images[:1], translate_percent=0.5)[0]
    before = images[0] / 255
    torch.testing.assert_close(changed[:, 10:, 13:], before[:, :10, :13], rtol=0, atol=1e-5)
    torch.testing.assert_close(
        changed[:, 9, :13], before[:, :1, :1].expand(3, 1, 13)[:, 0], rtol=0, atol=1e-5
    )


def test_rotation_is_clockwise_for_positive_angles() -> None:
    image = torch.zeros(1, 3, 21, 21)
    image[:, :, 10, 20] = 1  # at the right
    changed = moved(image.contiguous(memory_format=torch.channels_last), rotate=90)
    assert changed[0, 0, 20, 10] > 0.99  # at the bottom
    assert changed[0, 0, 0, 10] < 0.01


def test_values_fill_their_ranges() -> None:
    transform = Affine((-30, 30), scale=(0.5, 2.0), translate_percent=(-0.1, 0.1))
    draws = transform.draw(np.random.default_rng(0).random((4000, 7)))
    forward = np.linalg.inv(draws[:, 1:5].reshape(-1, 2, 2))
    angle = np.degrees(np.arctan2(forward[:, 1, 0], forward[:, 0, 0]))
    scale = np.sqrt(np.linalg.det(forward))
    for values, low, high in (
        (angle, -30, 30), (scale, 0.5, 2.0), (draws[:, 5], -0.1, 0.1), (draws[:, 6], -0.1, 0.1),
    ):  # fmt: skip
        assert low - 1e-9 <= values.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < values.max() <= high + 1e-9
        assert abs(values.mean() - (low + high) / 2) < 0.02 * (high - low)
    assert abs(np.corrcoef(draws[:, 5], draws[:, 6])[0, 1]) < 0.05


def test_impossible_ranges_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"Affine\.scale: expected 0\.01 <= .* got \[0, 1\]"):
        Affine(scale=(0, 1))
    with pytest.raises(ConfigError, match=r"Affine\.shear: expected -44 <= .* got \[-90, 90\]"):
        Affine(shear=(-90, 90))
