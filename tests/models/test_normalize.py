import pytest
import timm
import torch
from torch import nn

from project.models.normalize import IMAGENET_MEAN, IMAGENET_STD, Normalize, normalization_of


def test_bytes_and_fractions_of_the_same_image_come_out_equal() -> None:
    image = torch.randint(0, 256, (2, 3, 4, 5), dtype=torch.uint8)
    normalize = Normalize(IMAGENET_MEAN, IMAGENET_STD)
    torch.testing.assert_close(normalize(image), normalize(image.float() / 255))


def test_each_channel_is_shifted_and_scaled_by_its_own_numbers() -> None:
    white = torch.full((1, 3, 1, 1), 255, dtype=torch.uint8)
    normalised = Normalize([0.5, 0.0, 1.0], [0.5, 0.25, 1.0])(white)
    # 1 minus the mean, over the deviation: 0.5 over 0.5, 1 over 0.25, 0 over 1.
    assert normalised.flatten().tolist() == pytest.approx([1.0, 4.0, 0.0], abs=1e-6)


def test_statistics_are_part_of_a_checkpoint() -> None:
    assert set(Normalize([0.5], [0.5]).state_dict()) == {"mean", "std"}


def test_a_timm_backbone_brings_its_own_statistics() -> None:
    vit = timm.create_model("test_vit")
    assert normalization_of(vit) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def test_any_other_backbone_gets_those_of_imagenet() -> None:
    assert normalization_of(nn.Linear(1, 1)) == (IMAGENET_MEAN, IMAGENET_STD)
