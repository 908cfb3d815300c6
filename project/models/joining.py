"""Networks with another head than their own; the names of all other weights stay as they were."""

from collections.abc import Collection
from copy import deepcopy
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from project.models.features import Extract, FeatureKind, feature_extractor, unused_children
from project.models.trial import trying
from project.models.weights import HEAD


class Headed(nn.Module):
    """What a network becomes, besides what it is, when it is given another head.

    Attributes:
        extract: Maps the network and images to features.
        former_head: Names of the weights that its own head had; those that pool may be left.
    """

    former_head: ClassVar[frozenset[str]]
    extract: ClassVar[Extract]
    classification_head: nn.Module

    def forward(self, images: Tensor) -> Tensor:
        """Maps images to logits."""
        logits: Tensor = self.classification_head(type(self).extract(self, images))
        return logits

    def get_classifier(self, *_: Any, **__: Any) -> nn.Module:
        """The head, as timm asks for it."""
        return self.classification_head


def behead(network: nn.Module, kind: FeatureKind, size: tuple[int, int]) -> tuple[int, ...]:
    """Takes the head off a network, in place: it then gives features.

    Args:
        network: See `project.models.features`.
        kind: Which features.
        size: Height and width of the pictures, in pixels.

    Returns:
        The shape of the features of one picture, channels first.

    Raises:
        ModelError: There is no way to its features, or it cannot take such pictures.
    """
    own = type(network)
    refusal, remedy = "gives no features of", "Choose another data.size or model, or take head=own."
    with trying(network, size, refusal=refusal, remedy=remedy) as pictures:
        names = _names_in_head(network, pictures)
        extract = feature_extractor(network, kind)
        for child in unused_children(network, extract, pictures):
            setattr(network, child, nn.Identity())
        with torch.no_grad():
            shape = extract(network, pictures).shape[1:]
    members = {
        "extract": staticmethod(extract),
        "former_head": names,
        "__module__": own.__module__,
    }
    # A class of its own instead of a wrapper, which would put its name before that of each weight
    # and hide what timm's networks know of themselves.
    network.__class__ = type(own.__name__, (Headed, own), members)
    put_on(network, nn.Identity())
    return tuple(shape)


def put_on(network: nn.Module, head: nn.Module) -> None:
    """Gives a beheaded network a head, in place."""
    setattr(network, HEAD, head)


def _names_in_head(network: nn.Module, pictures: Tensor) -> frozenset[str]:
    tail = unused_children(network, feature_extractor(network, "map"), pictures)
    return frozenset(f"{c}.{name}" for c in tail for name in network.get_submodule(c).state_dict())


def former_head(network: nn.Module, size: tuple[int, int]) -> Collection[str]:
    """Names the weights that a network has, or had, in its own head: all behind its feature map.

    Raises:
        ModelError: As `behead` does.
    """
    if not isinstance(network, Headed):
        network = deepcopy(network)
        behead(network, "map", size)
    assert isinstance(network, Headed)
    return network.former_head
