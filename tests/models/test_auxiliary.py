from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from project.errors import ModelError
from project.models import schedules
from project.models.auxiliary import auxiliary_weight, split_auxiliary
from project.models.backbones import torchvision_backbone
from project.models.classifier import Classifier
from project.models.losses import CrossEntropy
from project.models.timing import Way, milliseconds_per_step
from tests.models.test_classifier import Images, batches, images, padded, trainer

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*is deprecated:FutureWarning"),
]


class Outputs(NamedTuple):
    logits: Tensor
    second: Tensor | None
    first: Tensor | None


class Three(nn.Module):
    """Like GoogLeNet: three heads in training, one in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.main, self.first, self.second = (nn.Linear(3, 3) for _ in range(3))

    def forward(self, pictures: Tensor) -> Any:
        colors = pictures.mean((2, 3))
        if not self.training:
            return self.main(colors)
        return Outputs(self.main(colors), self.second(colors), self.first(colors))


def classifier(backbone: nn.Module, aux_weight: float | None) -> Classifier:
    torch.manual_seed(3)
    return Classifier(
        backbone,
        CrossEntropy([10] * 3),
        partial(torch.optim.SGD, lr=0.1),
        schedules.none,
        ["hat", "coat", "t-shirt"],
        mean=[0.5] * 3,
        std=[0.25] * 3,
        aux_weight=aux_weight,
    )


def test_absent_heads_are_left_out() -> None:
    one, other = torch.zeros(1), torch.ones(1)
    assert split_auxiliary(one) == (one, [])
    assert split_auxiliary(Outputs(one, None, other)) == (one, [other])
    assert split_auxiliary(Outputs(one, None, None)) == (one, [])


def test_published_weight_counts_unless_another_is_given() -> None:
    assert auxiliary_weight({"aux_logits": False, "aux_weight": 0.3}) is None
    assert auxiliary_weight({}) is None
    assert auxiliary_weight({"aux_logits": True}) == 0.3
    assert auxiliary_weight({"aux_logits": True, "aux_weight": 0}) == 0.0


@pytest.mark.parametrize("weight", [-1, "much", None])
def test_weight_that_is_no_share_is_refused(weight: object) -> None:
    with pytest.raises(ModelError, match=r"aux_weight to be a number of at least 0, got"):
        auxiliary_weight({"aux_logits": True, "aux_weight": weight})


@pytest.mark.parametrize("rows", [0, 2], ids=["whole", "padded"])
def test_training_loss_is_the_weighted_sum_and_measured_is_the_main_head(
    tmp_path: Path, rows: int
) -> None:
    data = images(8)
    model = classifier(Three(), aux_weight=0.3)
    heads: Any = model.backbone
    colors = model.normalize(data.image).mean((2, 3))
    with torch.no_grad():
        main, first, second = (
            float(F.cross_entropy(head(colors), data.label))
            for head in (heads.main, heads.first, heads.second)
        )
    expected = main + 0.3 * (first + second)
    after_training = trainer(tmp_path, max_epochs=1)
    after_training.fit(model, batches(padded(data, rows), 8 + rows), batches(data, 8))
    assert float(after_training.callback_metrics["train/loss"]) == pytest.approx(expected)
    with torch.no_grad():
        after = float(F.cross_entropy(heads.main(colors), data.label))
    assert float(after_training.callback_metrics["val/loss"]) == pytest.approx(after)
    accuracy = after_training.callback_metrics["train/accuracy"]
    assert 0 <= float(accuracy) <= 1


def test_weight_decides_how_much_auxiliary_heads_learn(tmp_path: Path) -> None:
    moved = {}
    for weight in (0.0, 0.3, 0.6):
        backbone = Three()
        model = classifier(backbone, aux_weight=weight)
        before = backbone.first.weight.detach().clone()
        trainer(tmp_path, max_epochs=1).fit(model, batches(images(8), 8), batches(images(8), 8))
        moved[weight] = float((backbone.first.weight - before).abs().sum().detach())
    assert moved[0.0] == 0
    assert moved[0.6] == pytest.approx(2 * moved[0.3], rel=0.5)


def test_heads_that_nobody_asked_for_are_an_error() -> None:
    model = classifier(Three(), aux_weight=None).train()
    with pytest.raises(ModelError, match=r"from Three \(images, classes\), got Outputs\. Let the"):
        model(images(2).image)


def test_classes_of_a_batch_are_those_of_the_main_head() -> None:
    model = classifier(Three(), aux_weight=0.3).train()
    pictures: Images = images(2)
    assert model(pictures.image).shape == (2, 3)


@pytest.mark.slow
def test_googlenet_has_its_published_auxiliary_heads() -> None:
    network = torchvision_backbone("googlenet", num_classes=4, aux_logits=True).train()
    logits, auxiliary = split_auxiliary(network(torch.rand(2, 3, 64, 64)))
    assert [tuple(one.shape) for one in (logits, *auxiliary)] == [(2, 4)] * 3
    assert isinstance(network.eval()(torch.rand(2, 3, 64, 64)), Tensor)


def test_auxiliary_heads_come_with_no_published_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision.models, "get_model", lambda *_, **__: pytest.fail("built"))
    text = r"googlenet to be trained from scratch with model\.aux_logits=true, got model\.pretrain"
    with pytest.raises(ModelError, match=text):
        torchvision_backbone("googlenet", num_classes=4, pretrained=True, aux_logits=True)


def test_steps_with_auxiliary_heads_can_be_timed() -> None:
    way = Way("32-true", "contiguous")
    taken = milliseconds_per_step(Three(), [way], (8, 8), 2, torch.device("cpu"))
    assert taken[way] > 0
