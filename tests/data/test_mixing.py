import numpy as np
import pytest
import torch

from project.data.mixing import Mixing, mix
from project.data.plan import SampleKey
from project.errors import ConfigError

KEYS = [SampleKey(epoch=0, row=i, copy=0) for i in range(400)]
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


def test_weights_follow_the_beta_distribution() -> None:
    weights = Mixing(mixup_alpha=2.0).draw(KEYS, seed=1)[:, 0].numpy()
    assert abs(weights.mean() - 0.5) < 0.04  # Beta(2, 2): mean 1/2, variance 1/20
    assert abs(weights.var() - 0.05) < 0.01


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
