import colorsys
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torchvision.transforms.v2.functional as tvf
from torch import Tensor

from project.data.augmentation import ColorJitter
from project.data.augmentation.color import LUMA, hue_matrix
from project.data.augmentation.transform import as_floats
from project.errors import ConfigError

OFF = ColorJitter((1, 1), (1, 1), (1, 1), (0, 0))


def jittered(images: Tensor, **factors: float) -> Tensor:
    """What comes out for exact factors."""
    exact = {name: (value, value) for name, value in factors.items()}
    transform = replace(OFF, **exact)  # type: ignore[arg-type]  # p is not among them
    draws = transform.draw(np.zeros((len(images), 5)))
    return transform.change(as_floats(images), torch.from_numpy(draws.astype(np.float32)))


@pytest.mark.parametrize(
    ("name", "factor"),
    [("brightness", 0.7), ("brightness", 1.3), ("contrast", 0.5), ("contrast", 1.4),
     ("saturation", 0.0), ("saturation", 0.4), ("saturation", 1.3)],
)  # fmt: skip
def test_each_factor_is_as_in_torchvision(smooth: Tensor, name: str, factor: float) -> None:
    expected = getattr(tvf, f"adjust_{name}")(smooth, factor)
    assert 0 < expected.min() < expected.max() < 1  # torchvision cuts off after each step
    # Its weights of grey have one digit more.
    torch.testing.assert_close(jittered(smooth, **{name: factor}), expected, rtol=0, atol=2e-4)


def test_all_factors_are_as_a_plain_loop_over_pixels(images: Tensor) -> None:
    factors = {"brightness": 0.8, "contrast": 1.2, "saturation": 1.4, "hue": 0.07}
    changed = jittered(images, **factors)
    for row in (0, 3):
        pixels = images[row].permute(1, 2, 0).reshape(-1, 3).double().numpy() / 255
        expected = reference(pixels, **factors).reshape(20, 26, 3).transpose(2, 0, 1)
        np.testing.assert_allclose(changed[row].numpy(), expected, rtol=0, atol=2e-6)


def reference(
    pixels: np.ndarray, brightness: float, contrast: float, saturation: float, hue: float
) -> np.ndarray:
    """Pixel by pixel, one factor after the other, in Python's own floats."""

    def grey(r: float, g: float, b: float) -> float:
        return 0.299 * r + 0.587 * g + 0.114 * b

    mean = brightness * sum(grey(*pixel) for pixel in pixels) / len(pixels)
    cosine, sine = math.cos(2 * math.pi * hue), math.sin(2 * math.pi * hue)
    to_rgb = np.linalg.inv([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    result = []
    for pixel in pixels:
        r, g, b = (mean + contrast * (brightness * v - mean) for v in pixel)
        y = grey(r, g, b)
        r, g, b = (y + saturation * (v - y) for v in (r, g, b))
        i = 0.596 * r - 0.274 * g - 0.322 * b
        q = 0.211 * r - 0.523 * g + 0.312 * b
        turned = to_rgb @ [y, cosine * i + sine * q, cosine * q - sine * i]
        result.append([min(max(v, 0.0), 1.0) for v in turned])
    return np.array(result)


def test_greys_have_no_hue_and_no_saturation() -> None:
    greys = torch.linspace(0, 1, 64).view(1, 1, 8, 8).expand(1, 3, 8, 8).contiguous()
    for hue in (-0.5, 0.1, 0.33):
        changed = jittered(greys, hue=hue, saturation=2.5)
        torch.testing.assert_close(changed, greys, rtol=0, atol=1e-6)


def test_hue_keeps_how_bright_a_pixel_looks() -> None:
    turns = np.linspace(-0.5, 0.5, 11)
    np.testing.assert_allclose(np.array(LUMA) @ hue_matrix(turns), np.tile(LUMA, (11, 1)))


def test_hue_goes_round_once_in_a_turn() -> None:
    there, back, whole = hue_matrix(np.array([0.2, -0.2, 1.0]))
    np.testing.assert_allclose(there @ back, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(whole, np.eye(3), atol=1e-12)


@pytest.mark.parametrize("turn", [1 / 12, 1 / 6, -1 / 6, 1 / 3, -1 / 3])
def test_hue_turns_the_way_of_the_colour_circle(turn: float) -> None:
    pale = np.array([colorsys.hsv_to_rgb(h / 12, 0.2, 0.6) for h in range(12)])
    turned = (hue_matrix(np.array([turn])) @ pale.T)[0].T
    moved = [
        (colorsys.rgb_to_hsv(*after)[0] - colorsys.rgb_to_hsv(*before)[0] - turn + 0.5) % 1 - 0.5
        for before, after in zip(pale.tolist(), turned.tolist(), strict=True)
    ]
    assert np.abs(moved).max() < 1 / 12  # the two circles are not stretched alike
    assert abs(np.mean(moved)) < 1 / 36


def test_what_leaves_the_range_is_cut_off(images: Tensor) -> None:
    changed = jittered(images, brightness=3.0, saturation=4.0)
    assert changed.min() == 0
    assert changed.max() == 1


def test_factors_fill_their_ranges() -> None:
    transform = ColorJitter((0.5, 1.5), (1, 1), (1, 1), (0, 0))
    draws = transform.draw(np.random.default_rng(0).random((4000, 5)))
    brightness = draws[:, 1:10].reshape(-1, 3, 3).sum(2)  # what white becomes
    np.testing.assert_allclose(brightness.std(1), 0, atol=1e-12)
    assert 0.5 <= brightness.min() < 0.51
    assert 1.49 < brightness.max() <= 1.5
    assert abs(brightness.mean() - 1) < 0.02
    np.testing.assert_allclose(draws[:, 10], 0)


def test_impossible_ranges_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"ColorJitter\.contrast: expected 0 <= smallest <= larg"):
        ColorJitter(contrast=(1.2, 0.8))
    with pytest.raises(ConfigError, match=r"ColorJitter\.hue: expected -0\.5 <= .* got \[-1, 1\]"):
        ColorJitter(hue=(-1, 1))
