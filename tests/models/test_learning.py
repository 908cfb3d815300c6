import pytest
import torch
from torch import nn

from project.errors import ModelError
from project.models.finetuning.plans import FineTuning, discriminative, gradual, linear_probe, none
from project.models.learning import Learning
from project.models.small_cnn import SmallCNN


class Module(nn.Module):
    """A network, and a parameter beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = SmallCNN(num_classes=3, width=4, depth=2)
        self.temperature = nn.Parameter(torch.ones(()))


def learning(module: Module, plan: FineTuning) -> Learning:
    return Learning(module, plan, with_auxiliary=False)


def trained(module: Module) -> set[str]:
    return {name for name, value in module.named_parameters() if value.requires_grad}


def grouped(module: Module, found: Learning) -> set[str]:
    names = {id(value): name for name, value in module.named_parameters()}
    return {names[id(value)] for group in found.groups(module) for value in group["params"]}


def test_all_learn_alike_where_nothing_is_asked_for() -> None:
    module = Module()
    found = learning(module, none())
    assert (str(found), found.freezes, found.begin(module.backbone, 1)) == ("", False, False)
    assert grouped(module, found) == trained(module) == set(dict(module.named_parameters()))


def test_frozen_layers_are_frozen_at_once_and_what_is_beside_the_network_learns() -> None:
    module = Module()
    found = learning(module, linear_probe())
    assert found.freezes
    head = {"backbone.classifier.weight", "backbone.classifier.bias"}
    assert trained(module) == grouped(module, found) == {*head, "temperature"}
    assert str(found).startswith("trained parameters: 27 in the head; frozen: ")


def test_layers_that_thaw_later_have_a_place_in_the_optimizer_from_the_beginning() -> None:
    module = Module()
    found = learning(module, gradual(unfreeze_at=[2]))
    assert grouped(module, found) == set(dict(module.named_parameters())) > trained(module)
    assert [found.begin(module.backbone, epoch) for epoch in range(4)] == [
        False,
        False,
        True,
        False,
    ]
    assert trained(module) == grouped(module, found)


def test_frozen_layers_evaluate_whatever_the_network_was_told() -> None:
    module = Module()
    found = learning(module, linear_probe())
    module.train()
    found.hold(module.backbone)
    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
    assert norms
    assert not any(norm.training for norm in norms)


def test_layers_learn_the_more_slowly_the_closer_to_the_input() -> None:
    module = Module()
    found = learning(module, discriminative(layer_decay=0.5))
    assert not found.freezes
    assert str(found).startswith("learning rate x ")
    scales = [group["lr_scale"] for group in found.groups(module)]
    assert scales[0] == 1
    assert scales == sorted(scales, reverse=True)


def test_freezing_beside_auxiliary_heads_is_refused() -> None:
    with pytest.raises(ModelError, match=r"got model\.aux_logits=true and layers that are frozen"):
        Learning(Module(), linear_probe(), with_auxiliary=True)
