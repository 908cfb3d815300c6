"""The layers of a network by depth, whatever network it is."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from timm.models import group_parameters
from torch import nn


@dataclass(frozen=True)
class Layer:
    """What the optimizer needs to know of a parameter's layer.

    Attributes:
        name: Of the layer; no other has it.
        lr_scale: What the learning rate is multiplied by for it, in (0, 1].
    """

    name: str
    lr_scale: float


_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def layer_numbers(backbone: nn.Module) -> dict[str, int]:
    """Numbers the layer that each parameter belongs to.

    timm's networks say themselves what their layers are: blocks mostly. Other networks are taken
    apart in the order of their modules: down to what is not a mere container, nor holds most of the
    network. Norms and what else has no weight matrix belong to the layer before them.

    Args:
        backbone: A network whose parts are registered in the order in which they are used.

    Returns:
        For the name of each parameter its layer, from 0 at the input; the head is in the last one.
    """
    matcher: Callable[..., Any] | None = getattr(backbone, "group_matcher", None)
    if matcher is not None:
        numbers: dict[str, int] = group_parameters(backbone, matcher(coarse=False), reverse=True)
    else:
        numbers = _numbers_by_order(backbone)
    last = max(numbers.values(), default=0)
    return {name: numbers.get(name, last) for name, _ in backbone.named_parameters()}


def decaying_layers(backbone: nn.Module, layer_decay: float) -> dict[str, Layer]:
    """Has the learning rate fall with the distance to the head, as timm's optimizers have it.

    Args:
        backbone: See `layer_numbers`.
        layer_decay: The factor from each layer to the one below it, in (0, 1].

    Returns:
        By the name of each parameter, those of the head first.
    """
    numbers = layer_numbers(backbone)
    last = max(numbers.values(), default=0)
    layers = {
        number: Layer(name, layer_decay ** (last - number))
        for number, name in layer_names(backbone, numbers).items()
    }
    downwards = sorted(numbers, key=lambda name: -numbers[name])
    return {name: layers[numbers[name]] for name in downwards}


def head_parameters(backbone: nn.Module) -> frozenset[str]:
    """Names the parameters of what turns features into logits.

    Args:
        backbone: A network that names its classifier, as timm's do by ``get_classifier()``, or ends
            in a linear layer or a convolution.
    """
    get_classifier: Callable[[], Any] | None = getattr(backbone, "get_classifier", None)
    named = get_classifier() if get_classifier is not None else ()
    heads = named if isinstance(named, tuple | list) else (named,)
    owned = _parameters_of(head for head in heads if isinstance(head, nn.Module))
    if not owned:
        weighted = (m for m in backbone.modules() if isinstance(m, nn.Linear | nn.Conv2d))
        owned = _parameters_of(list(weighted)[-1:])
    return frozenset(name for name, value in backbone.named_parameters() if id(value) in owned)


def layer_names(backbone: nn.Module, numbers: Mapping[str, int]) -> dict[int, str]:
    """Names each layer by what its parameters, or at least its weights, have in common.

    Args:
        backbone: The network.
        numbers: The layer of each parameter.

    Returns:
        By number; no two layers have the same name.
    """
    values = dict(backbone.named_parameters())
    names: dict[int, str] = {}
    for number in sorted(set(numbers.values())):
        members = [name for name in numbers if numbers[name] == number]
        others = [name for name in numbers if numbers[name] != number]
        weights = [name for name in members if values[name].ndim > 1] or members
        shared = [path for path in (_shared(members), _shared(weights)) if path]
        largest = max(members, key=lambda name: values[name].numel())
        own = [path for path in shared if not any(n.startswith(f"{path}.") for n in others)]
        name = (own or shared or [largest.split(".")[0]])[0]
        names[number] = f"{name} ({number})" if name in names.values() else name
    return names


def _shared(names: Sequence[str]) -> str:
    """The innermost module that all of some parameters are in."""
    paths = [name.split(".")[:-1] or [name] for name in names]
    shared = takewhile(lambda parts: len(set(parts)) == 1, zip(*paths, strict=False))
    return ".".join(parts[0] for parts in shared)


def _parameters_of(modules: Iterable[nn.Module]) -> set[int]:
    return {id(parameter) for module in modules for parameter in module.parameters()}


def _numbers_by_order(backbone: nn.Module) -> dict[str, int]:
    numbers: dict[str, int] = {}
    number, begun = -1, False
    head = head_parameters(backbone)
    for names, begins in _blocks(backbone, "", _size(backbone) / 2):
        body = [name for name in names if name not in head]
        if body:
            number += number < 0 or (begins and begun)
            begun = begun or begins
            numbers |= dict.fromkeys(body, number)
    return numbers | dict.fromkeys(head, number + 1)  # one layer, whatever it is made of


def _blocks(module: nn.Module, prefix: str, most: float) -> Iterator[tuple[list[str], bool]]:
    """Names of parameters that belong together, and whether a layer begins with them."""
    own = [prefix + name for name, _ in module.named_parameters(recurse=False)]
    if own:  # positions, tokens, scales
        yield own, False
    for name, child in module.named_children():
        path = f"{prefix}{name}."
        inner = any(_size(part) for part in child.children())
        if inner and (isinstance(child, _CONTAINERS) or _size(child) > most):
            yield from _blocks(child, path, most)
        elif parameters := list(child.named_parameters()):
            weighted = any(value.ndim > 1 for _, value in parameters)
            yield [path + own_name for own_name, _ in parameters], weighted


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
