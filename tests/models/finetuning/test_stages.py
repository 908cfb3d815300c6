from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from project.errors import ModelError
from project.models.finetuning.layers import head_parameters
from project.models.finetuning.plans import FineTuning, gradual, linear_probe
from project.models.finetuning.stages import Stages
from project.models.small_cnn import SmallCNN
from project.models.trial import try_out

# With batch norms, dropout as a module and as a function, whole residual paths that are dropped.
BACKBONES: dict[str, Callable[[], nn.Module]] = {
    "own": lambda: SmallCNN(3, width=4, depth=3, dropout=0.5),
    "timm": lambda: timm.create_model(
        "test_resnet", num_classes=3, drop_rate=0.5, drop_path_rate=0.5
    ),
    "timm, a transformer": lambda: timm.create_model(
        "test_vit", num_classes=3, drop_rate=0.5, attn_drop_rate=0.5, drop_path_rate=0.5
    ),
    "torchvision": lambda: torchvision.models.efficientnet_b0(num_classes=3, dropout=0.5),
    "torchvision, dropout between layers": lambda: torchvision.models.vgg11_bn(num_classes=3),
}


def trained(backbone: nn.Module) -> set[str]:
    return {name for name, value in backbone.named_parameters() if value.requires_grad}


def layers_of(names: set[str]) -> set[str]:
    return {".".join(name.split(".")[:-1][:2]) for name in names}


def modules_in_training(backbone: nn.Module) -> set[str]:
    return {name for name, module in backbone.named_modules() if module.training}


def staged(backbone: nn.Module, plan: FineTuning, epoch: int = 0) -> Stages:
    stages = Stages(backbone, plan)
    stages.begin(backbone, epoch)
    return stages


@contextmanager
def seen_by(layer: nn.Module) -> Iterator[list[Tensor]]:
    """What goes into a layer."""
    seen: list[Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().clone()))
    yield seen
    hook.remove()


def head_of(backbone: nn.Module) -> nn.Module:
    (layer, *_) = {name.rpartition(".")[0] for name in head_parameters(backbone)}
    return backbone.get_submodule(layer)


@pytest.mark.parametrize("name", BACKBONES)
def test_a_probed_network_gives_its_head_the_features_of_an_evaluation(name: str) -> None:
    torch.manual_seed(0)
    backbone = BACKBONES[name]().train()
    images = torch.rand(2, 3, 64, 64)
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    staged(backbone, linear_probe())
    with seen_by(head_of(backbone)) as seen:
        backbone(images).sum().backward()
        backbone.eval()
        backbone(images)
    assert torch.equal(*seen)
    after = backbone.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())  # statistics, too
    assert trained(backbone) == head_parameters(backbone)
    assert {n for n, p in backbone.named_parameters() if p.grad is not None} == trained(backbone)


def test_without_freezing_the_features_would_differ() -> None:
    torch.manual_seed(0)
    for build in BACKBONES.values():
        backbone = build().train()
        with seen_by(head_of(backbone)) as seen, torch.no_grad():
            for _ in range(2):
                backbone(torch.rand(2, 3, 64, 64))
        assert not torch.equal(*seen)


def test_layers_thaw_from_the_head_down() -> None:
    backbone = SmallCNN(3, width=4, depth=4)
    stages = Stages(backbone, gradual(unfreeze_at=[1, 3]))
    by_epoch = []
    for epoch in range(5):
        changed = stages.begin(backbone, epoch)
        by_epoch.append((changed, layers_of(trained(backbone))))
    head = {"classifier"}
    assert stages.names == {name for name, _ in backbone.named_parameters()}
    upper, lower = {"features.3", "features.5"}, {"features.0", "features.1"}
    assert by_epoch == [
        (True, head),
        (True, head | upper),
        (False, head | upper),
        (True, head | upper | lower),
        (False, head | upper | lower),
    ]


def test_what_is_trained_depends_on_the_epoch_alone() -> None:
    plan = gradual(unfreeze_at=[1, 3])
    one, other = SmallCNN(3, width=4), SmallCNN(3, width=4)
    walked = Stages(one, plan)
    for epoch in range(3):
        walked.begin(one, epoch)
    staged(other, plan, 0).begin(other, 2)
    assert trained(one) == trained(other)
    assert modules_in_training(one) == modules_in_training(other)


def test_thawed_layers_are_in_training_with_all_that_belongs_to_them() -> None:
    backbone = timm.create_model("test_vit", num_classes=3, drop_path_rate=0.5)
    everything = modules_in_training(backbone)
    stages = staged(backbone, gradual(unfreeze_at=[1, 2]), 1)
    half = modules_in_training(backbone)
    upper = {name for name in everything if name.startswith("blocks.5")}
    assert upper <= half
    assert not {name for name in half if name.startswith(("blocks.0", "patch_embed"))}
    assert "" not in half  # the network itself drops by its own mode
    stages.begin(backbone, 2)
    assert modules_in_training(backbone) == everything


def test_dropout_goes_with_the_layer_before_it() -> None:
    backbone = torchvision.models.vgg11(num_classes=3)
    stages = staged(backbone, gradual(unfreeze_at=[1, 2, 3, 4, 5]), 0)
    dropouts = [n for n, m in backbone.named_modules() if isinstance(m, nn.Dropout)]
    assert dropouts == ["classifier.2", "classifier.5"]
    for epoch, on in enumerate([set(), {"classifier.2", "classifier.5"}]):
        stages.begin(backbone, epoch)
        assert modules_in_training(backbone) & set(dropouts) == on


def test_what_is_frozen_stays_evaluated_when_training_is_announced_again() -> None:
    backbone = SmallCNN(3, width=4)
    stages = staged(backbone, linear_probe())
    probed = modules_in_training(backbone)
    backbone.train()
    stages.hold(backbone)
    assert modules_in_training(backbone) == probed == {"classifier"}


def test_dropout_at_the_entrance_of_what_is_trained_is_off_and_further_on_it_is_on() -> None:
    backbone = nn.Sequential(
        nn.Linear(2, 2),
        nn.Sequential(nn.Sequential(nn.Dropout(), nn.Dropout()), nn.Linear(2, 2), nn.Dropout()),
        nn.Linear(2, 2),
    )
    staged(backbone, gradual(unfreeze_at=[1, 2]), 1)
    assert modules_in_training(backbone) == {"1", "1.1", "1.2", "2"}


def test_what_a_network_has_frozen_itself_stays_frozen() -> None:
    backbone = SmallCNN(3, width=4, depth=3)
    backbone.features[0].requires_grad_(False)
    stages = staged(backbone, gradual(unfreeze_at=[1, 2]))
    assert "features.0.0.weight" not in stages.names
    for epoch in range(3):
        stages.begin(backbone, epoch)
    assert {n for n, p in backbone.named_parameters() if not p.requires_grad} == {
        "features.0.0.weight",
        "features.0.1.weight",
        "features.0.1.bias",
    }


def test_what_a_network_evaluates_itself_stays_evaluated_once_all_is_thawed() -> None:
    backbone = SmallCNN(3, width=4, depth=3)
    backbone.features[0].eval()
    try_out(backbone, (16, 16))
    own = modules_in_training(backbone)
    stages = staged(backbone, gradual(unfreeze_at=[1, 2]))
    for epoch in range(3):
        stages.begin(backbone, epoch)
    assert modules_in_training(backbone) == own
    backbone.train()
    stages.hold(backbone)
    assert modules_in_training(backbone) == own
    assert not [name for name in own if name.startswith("features.0")]


def test_what_a_network_has_frozen_itself_is_no_stage() -> None:
    backbone = SmallCNN(3, width=4, depth=3)
    backbone.features[0].requires_grad_(False)
    with pytest.raises(ModelError, match=r"at most 2 stages, as SmallCNN .* got 3\. Lower"):
        Stages(backbone, gradual(unfreeze_at=[1, 2, 3]))


def test_a_network_of_a_head_alone_is_trained_throughout() -> None:
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    stages = staged(backbone, linear_probe())
    assert trained(backbone) == stages.names == {"1.weight", "1.bias"}


def test_it_tells_what_is_trained_and_what_is_not() -> None:
    # Worked by hand: 27 * 4 + 8 and 36 * 8 + 16, then 72 * 16 + 32, then 16 * 3 + 3.
    backbone = SmallCNN(3, width=4, depth=3)
    stages = staged(backbone, gradual(unfreeze_at=[1, 2]))
    assert str(stages) == (
        "trained parameters: 51 in the head; "
        "frozen: 1,184 in features.3, 420 in features.0 to features.1"
    )
    stages.begin(backbone, 1)
    assert str(stages) == (
        "trained parameters: 51 in the head, 1,184 in features.3; "
        "frozen: 420 in features.0 to features.1"
    )
    stages.begin(backbone, 2)
    assert str(stages).endswith("; frozen: none")
