"""Freezes and thaws the layers of a network as a plan says."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from torch import nn

from project.errors import ModelError
from project.models.finetuning.layers import head_parameters, layer_names, layer_numbers
from project.models.finetuning.plans import FineTuning


@dataclass(frozen=True)
class Part:
    """Layers that thaw together.

    Attributes:
        name: The layers, in words.
        sizes: Elements of each of its parameters, by name.
    """

    name: str
    sizes: Mapping[str, int]

    def __str__(self) -> str:
        return f"{sum(self.sizes.values()):,} in {self.name}"


class Stages:
    """What of a network is trained, epoch by epoch.

    Whatever is frozen behaves as in an evaluation: batch norms use and keep their statistics, and
    nothing is dropped. So the first trained layer gets the features of an evaluated network, and a
    dropout before it is off, too. What the network itself has frozen stays so.

    Args:
        backbone: The network, in training; it is not kept.
        plan: What is trained when.

    Raises:
        ModelError: The network has fewer layers than parts are to thaw.

    Attributes:
        names: Of the parameters that are trained at some time.
    """

    def __init__(self, backbone: nn.Module, plan: FineTuning) -> None:
        self._plan = plan
        self._modes = {name: module.training for name, module in backbone.named_modules()}
        self._trainable = {n for n, value in backbone.named_parameters() if value.requires_grad}
        self._head, self._body = _parts(backbone, self._trainable, plan.parts)
        later = self._body[plan.parts - len(plan.unfreeze_at) :]
        self.names = frozenset(_names([self._head, *later]) & self._trainable)
        self._frozen_parts = 0

    def __str__(self) -> str:
        trained = [str(part) for part in (self._head, *reversed(self._trained_body))]
        frozen = [str(part) for part in reversed(self._frozen_body)]
        return f"trained parameters: {', '.join(trained)}; frozen: {', '.join(frozen) or 'none'}"

    def begin(self, backbone: nn.Module, epoch: int) -> bool:
        """Freezes and thaws what an epoch asks for.

        Args:
            backbone: The network, in training.
            epoch: From 0.

        Returns:
            Whether that changed anything.
        """
        frozen_parts = min(self._plan.frozen_parts(epoch), len(self._body))
        if frozen_parts == self._frozen_parts:
            return False
        self._frozen_parts = frozen_parts
        frozen = _names(self._frozen_body)
        for name, parameter in backbone.named_parameters():
            if name in self._trainable:
                parameter.requires_grad_(name not in frozen)
        self.hold(backbone)
        return True

    def hold(self, backbone: nn.Module) -> None:
        """Has what is frozen behave as in an evaluation, whatever it was told.

        Args:
            backbone: The network, in training.
        """
        for name, module in backbone.named_modules():
            module.training = self._modes[name]
        if self._frozen_parts:
            _hold(backbone, "", _names([self._head, *self._trained_body]))

    @property
    def _frozen_body(self) -> list[Part]:
        return self._body[: self._frozen_parts]

    @property
    def _trained_body(self) -> list[Part]:
        return self._body[self._frozen_parts :]


def _names(parts: Iterable[Part]) -> set[str]:
    return {name for part in parts for name in part.sizes}


def _hold(module: nn.Module, prefix: str, trained: Collection[str]) -> None:
    """Evaluates a module that is not trained throughout, and its parts likewise.

    What has no parameters, such as dropout, goes with what comes before it.
    """
    module.training = False
    evaluated = True  # the input is on the frozen side
    for name, child in module.named_children():
        path = f"{prefix}{name}."
        learns = [path + own in trained for own, _ in child.named_parameters()]
        if any(learns) and not all(learns):
            _hold(child, path, trained)
        elif evaluated and all(learns):
            _evaluate_entrance(child)
        elif learns and not any(learns):
            child.eval()
        evaluated = not learns[-1] if learns else evaluated


def _evaluate_entrance(module: nn.Module) -> None:
    """Evaluates what has no parameters and comes before the first layer that is trained."""
    if not any(True for _ in module.parameters()):
        module.eval()
    elif isinstance(module, nn.Sequential):
        for child in module.children():
            _evaluate_entrance(child)
            if any(True for _ in child.parameters()):
                break


def _parts(backbone: nn.Module, trainable: Collection[str], parts: int) -> tuple[Part, list[Part]]:
    """The head, and the parts of the body from the input on."""
    sizes = {name: value.numel() for name, value in backbone.named_parameters()}
    head = head_parameters(backbone)
    numbers = {name: n for name, n in layer_numbers(backbone).items() if name not in head}
    named = layer_names(backbone, numbers)
    layers = sorted({number for name, number in numbers.items() if name in trainable})
    if parts > max(len(layers), 1):
        raise ModelError(
            f"finetune: expected at most {len(layers)} stages, as {type(backbone).__name__} has "
            f"that many layers besides its head, got {parts}. Lower finetune.stages, or list fewer "
            "epochs in finetune.unfreeze_at."
        )
    body = []
    # Where the cut is uneven, the parts near the input get one layer more.
    for part in np.array_split(layers, parts):
        members = {name: sizes[name] for name in numbers if numbers[name] in part}
        if members:
            ends = dict.fromkeys(named[number] for number in (part[0], part[-1]))
            body.append(Part(" to ".join(ends), members))
    return Part("the head", {name: sizes[name] for name in sizes if name in head}), body
