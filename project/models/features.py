"""What a network computes before it classifies, whichever library it comes from.

``map`` is what its last block gives, ``(B, C, H, W)``, or ``(B, C, tokens)`` without class tokens.
``pooled`` is what it gives its last layer, mostly ``(B, C)``: pooled as the network pools, and by
its hidden layers if its classifier has some.
"""

from collections.abc import Callable, Iterator
from functools import partial
from types import MethodType
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import DenseNet, VisionTransformer

from project.errors import ModelError, suggestion
from project.models.auxiliary import AUXILIARY_HEADS

FeatureKind = Literal["map", "pooled"]
FEATURE_KINDS: tuple[FeatureKind, ...] = get_args(FeatureKind)

Extract = Callable[[Any, Tensor], Tensor]
"""Maps a network and images to features."""

# What torchvision's networks call what comes after the feature map.
_CLASSIFYING = ("avgpool", "classifier", "fc", "head", "heads")


def feature_extractor(network: nn.Module, kind: FeatureKind) -> Extract:
    """Finds out how a network computes its features.

    Args:
        network: Of timm, of torchvision, or of any class with ``forward_features(images)``. Its
            last layer may be taken off, in place.
        kind: Which features.

    Returns:
        A function of the network and images.

    Raises:
        ModelError: There is no way to its features, or no such kind.
    """
    if kind not in FEATURE_KINDS:
        raise ModelError(
            f'Expected model.head.features to be one of {", ".join(FEATURE_KINDS)}, got "{kind}".'
            + suggestion(kind, FEATURE_KINDS)
        )
    from_torchvision = type(network).__module__.startswith("torchvision.models.")
    if not (from_torchvision or hasattr(network, "forward_features")):
        name = type(network).__name__
        raise ModelError(
            f"Expected a network of timm or torchvision, or one with forward_features(images), for "
            f"another head than its own; got {name} without. Give {name} that method, or take "
            "head=own."
        )
    if kind == "map":
        return _torchvision_map(network) if from_torchvision else _map
    if from_torchvision:
        network.set_submodule(last_layer(network)[0], nn.Identity())
        return type(network).forward
    if isinstance(reset := getattr(network, "reset_classifier", None), MethodType):  # timm's
        reset(0)
        return type(network).forward
    return _pooled if hasattr(network, "forward_head") else _map


def last_layer(network: nn.Module) -> tuple[str, nn.Linear | nn.Conv2d]:
    """The path of the last layer with a weight matrix, and the layer."""
    layers = network.named_modules()
    *_, last = ((path, m) for path, m in layers if isinstance(m, nn.Linear | nn.Conv2d))
    return last


def unused_children(network: nn.Module, extract: Extract, images: Tensor) -> list[str]:
    """Names what a network would hold for nothing, if all it had to do were to give features.

    Args:
        network: In evaluation mode.
        extract: See `feature_extractor`.
        images: To try it with.

    Returns:
        Direct children no part of which computes.
    """
    used: set[int] = set()
    hooks = [
        module.register_forward_pre_hook(lambda module, _: used.add(id(module)))
        for module in network.modules()
    ]
    try:
        with torch.no_grad():
            extract(network, images)
    finally:
        for hook in hooks:
            hook.remove()
    return [
        name
        for name, child in network.named_children()
        if not any(id(part) in used for part in child.modules())
    ]


def _map(network: Any, images: Tensor) -> Tensor:
    features = network.forward_features(images)
    if not isinstance(features, Tensor):
        raise ModelError(
            f"Expected features as one tensor from {type(network).__name__}.forward_features, got "
            f"a {type(features).__name__}. Take head=own, or another model."
        )
    if features.ndim == 3:  # tokens, those of the class or of nothing first
        return features[:, getattr(network, "num_prefix_tokens", 0) :].transpose(1, 2)
    return features.permute(0, 3, 1, 2) if _ends_in_channels(network, features) else features


def _ends_in_channels(network: Any, features: Tensor) -> bool:
    """Some of timm's transformers keep channels last, and not all of them say so."""
    channels = getattr(network, "num_features", None)
    if features.ndim != 4 or not isinstance(channels, int):
        return False
    if features.shape[1] == features.shape[3] == channels:
        return bool(getattr(network, "output_fmt", "NCHW") == "NHWC")
    return features.shape[3] == channels


def _pooled(network: Any, images: Tensor) -> Tensor:
    pooled: Tensor = network.forward_head(network.forward_features(images), pre_logits=True)
    return pooled


def _torchvision_map(network: nn.Module) -> Extract:
    if isinstance(network, VisionTransformer):
        return _patches
    return partial(_chained, list(_steps(network)))


def _steps(network: nn.Module) -> Iterator[str]:
    """The parts of a torchvision network up to its feature map, which are its children in order."""
    for name, child in network.named_children():
        if name in _CLASSIFYING:
            return
        if isinstance(child, nn.ModuleList):
            yield from (f"{name}.{number}" for number in range(len(child)))
        elif name not in AUXILIARY_HEADS:
            yield name


def _chained(steps: list[str], network: Any, images: Tensor) -> Tensor:
    # GoogLeNet and Inception undo our normalisation where their weights were trained with another.
    reads_otherwise = hasattr(network, "_transform_input")
    given = network._transform_input(images) if reads_otherwise else images  # noqa: SLF001
    for step in steps:
        given = network.get_submodule(step)(given)
    return functional.relu(given) if isinstance(network, DenseNet) else given


def _patches(network: VisionTransformer, images: Tensor) -> Tensor:
    patches = network._process_input(images)  # noqa: SLF001
    class_token = network.class_token.expand(len(images), -1, -1)
    tokens: Tensor = network.encoder(torch.cat([class_token, patches], dim=1))
    return tokens[:, 1:].transpose(1, 2)
