import numpy as np
import pytest
import torch
from scipy.stats import beta, kstest

from project.data.mixing import Mixing, _covered, _one_by_one, _together, mix
from project.errors import ConfigError

KEYS = np.stack([np.zeros(400, int), np.arange(400), np.zeros(400, int)], axis=1)
IMAGES = torch.randint(0, 256, (4, 3, 20, 20), dtype=torch.uint8)
LABELS = torch.tensor([0, 1, 2, 1])
NEIGHBOURS = torch.tensor([3, 0, 1, 2])


def test_mixup_blends_pixels_and_labels_by_the_same_weight() -> None:
    draws = torch.tensor([[w, 0, 0, 0, 0] for w in (1.0, 0.75, 0.5, 0.0)])
    images, labels = mix(IMAGES, LABELS, draws, num_classes=3)
    pixels, weight = IMAGES / 255, draws[:, 0]
    expected = weight[:, None, None, None] * pixels
    expected += (1 - weight)[:, None, None, None] * pixels[NEIGHBOURS]
    torch.testing.assert_close(images, expected)
    expected_labels = torch.tensor([[1, 0, 0], [0.25, 0.75, 0], [0, 0.5, 0.5], [0, 0, 1.0]])
    torch.testing.assert_close(labels, expected_labels)


def test_cutmix_covers_a_part_and_weighs_labels_by_its_area() -> None:
    draws = torch.tensor(
        [[1, 0, 0, 0, 0], [1, 0.5, 0, 1, 1], [1, 0.25, 0.25, 0.75, 0.5], [1, 0, 0, 0, 0]]
    )
    images, labels = mix(IMAGES, LABELS, draws.float(), num_classes=3)
    pixels = IMAGES / 255
    torch.testing.assert_close(images[0], pixels[0])
    torch.testing.assert_close(images[1, :, :, :10], pixels[1, :, :, :10])
    torch.testing.assert_close(images[1, :, :, 10:], pixels[0, :, :, 10:])
    torch.testing.assert_close(images[2, :, 5:10, 5:15], pixels[1, :, 5:10, 5:15])
    torch.testing.assert_close(labels[1], torch.tensor([0.5, 0.5, 0]))
    torch.testing.assert_close(labels[2], torch.tensor([0, 0.125, 0.875]))


def test_labels_always_add_up_to_one() -> None:
    draws = Mixing(mixup_alpha=0.8, cutmix_alpha=1.0).draw(KEYS, seed=1)
    images = torch.zeros(400, 3, 16, 16, dtype=torch.uint8)
    _, labels = mix(images, torch.arange(400) % 5, draws, num_classes=5)
    torch.testing.assert_close(labels.sum(1), torch.ones(400))


def test_draws_belong_to_the_sample_and_not_to_its_batch() -> None:
    mixing = Mixing(mixup_alpha=0.8, cutmix_alpha=1.0)
    whole = mixing.draw(KEYS, seed=1)
    torch.testing.assert_close(mixing.draw(KEYS[10:20], seed=1), whole[10:20], rtol=0, atol=0)
    assert not torch.equal(mixing.draw(KEYS, seed=2), whole)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 2.0])
def test_weights_follow_the_beta_distribution(alpha: float) -> None:
    weights = Mixing(mixup_alpha=alpha).draw(KEYS, seed=1)[:, 0].numpy()
    assert kstest(weights, beta(alpha, alpha).cdf).pvalue > 0.01


def test_covered_parts_have_the_area_of_the_draw_where_they_fit() -> None:
    _, left, top, right, bottom = Mixing(cutmix_alpha=1.0).draw(KEYS, seed=1).numpy().T
    wide, high = right - left, bottom - top
    inside = (left > 0) & (top > 0) & (right < 1) & (bottom < 1)
    np.testing.assert_allclose(wide[inside], high[inside], atol=1e-6)
    assert wide.min() >= 0
    assert high.max() <= 1


def test_floats_are_mixed_as_bytes_are() -> None:
    draws = Mixing(mixup_alpha=0.8, cutmix_alpha=1.0).draw(KEYS[:4], seed=1)
    of_bytes, of_floats = (mix(images, LABELS, draws, 3) for images in (IMAGES, IMAGES / 255))
    assert torch.equal(of_bytes[0], of_floats[0])
    assert torch.equal(of_bytes[1], of_floats[1])


@pytest.mark.parametrize("probability", [1.0, 0.5])
def test_all_images_at_once_are_as_one_by_one(probability: float) -> None:
    draws = Mixing(0.8, 1.0, probability).draw(KEYS, seed=1)
    images = IMAGES.repeat(100, 1, 1, 1).contiguous(memory_format=torch.channels_last)
    parts = images, draws[:, 0], *_covered(draws, 20, 20)
    together, one_by_one = _together(*parts), _one_by_one(*parts)
    assert torch.equal(together, one_by_one)
    assert together.is_contiguous(memory_format=torch.channels_last)
    assert one_by_one.is_contiguous(memory_format=torch.channels_last)


def test_images_that_are_not_mixed_are_bit_by_bit_as_they_were() -> None:
    draws = Mixing(1.0, 1.0, probability=0.0).draw(KEYS[:4], seed=1)
    images, labels = mix(IMAGES, LABELS, draws, 3)
    assert torch.equal(images, IMAGES / 255)
    assert torch.equal(labels, torch.nn.functional.one_hot(LABELS, 3).float())


def test_share_of_mixed_images_and_of_cutmix_is_as_configured() -> None:
    draws = Mixing(1.0, 1.0, probability=0.5, switch_probability=0.3).draw(KEYS, seed=3).numpy()
    cut = draws[:, 3] > 0
    blended = draws[:, 0] < 1
    assert not (cut & blended).any()
    assert abs((cut | blended).mean() - 0.5) < 0.08
    assert abs(cut.sum() / (cut | blended).sum() - 0.3) < 0.1


def test_mixing_is_off_by_default() -> None:
    assert not Mixing()
    assert not Mixing(mixup_alpha=1.0, probability=0.0)
    assert Mixing(mixup_alpha=1.0)
    assert np.allclose(Mixing(cutmix_alpha=1.0, probability=0).draw(KEYS, 0)[:, 0], 1)


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"expected alphas of 0 \(off\) or more, got mixup_al"):
        Mixing(mixup_alpha=-1)
    with pytest.raises(ConfigError, match=r"expected probabilities from 0 to 1, got prob.*=1\.5"):
        Mixing(probability=1.5)
