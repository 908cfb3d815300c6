import pytest
import torch
from torch import Tensor, nn

from project.errors import ModelError
from project.models.logits import all_logits
from project.models.small_cnn import SmallCNN

IMAGES = torch.zeros(2, 3, 8, 8)


class TwoOutputs(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits = x.mean(dim=(2, 3)).bfloat16()
        return logits, logits + 1


def test_logits_and_those_of_auxiliary_heads_are_float32() -> None:
    logits, (other,) = all_logits(TwoOutputs(), IMAGES, 3, with_auxiliary=True)
    assert (logits.dtype, other.dtype) == (torch.float32, torch.float32)
    assert torch.equal(other, logits + 1)


def test_a_backbone_for_another_number_of_classes_is_refused() -> None:
    network = SmallCNN(num_classes=7, width=4, depth=2)
    text = r"shape \(2, 3\) from SmallCNN \(images, classes\), got \(2, 7\)\. Let the model take"
    with pytest.raises(ModelError, match=text):
        all_logits(network, IMAGES, 3, with_auxiliary=False)


def test_a_backbone_with_several_outputs_is_refused() -> None:
    with pytest.raises(ModelError, match=r"from TwoOutputs \(images, classes\), got tuple"):
        all_logits(TwoOutputs(), IMAGES, 3, with_auxiliary=False)
