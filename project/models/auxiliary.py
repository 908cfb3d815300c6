"""Auxiliary logits: what some networks give besides their own in training, to learn from.

Source: Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, section 5.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from project.errors import ModelError

AUXILIARY_HEADS = ("aux1", "aux2", "AuxLogits")
"""What GoogLeNet and Inception call such heads; their published weights have them."""

_PUBLISHED_WEIGHT = 0.3


def split_auxiliary(output: Any) -> tuple[Any, list[Tensor]]:
    """Takes apart what a network gives in training.

    Args:
        output: Logits, or a tuple of the logits and of those of auxiliary heads; None for a head
            that is absent.

    Returns:
        The logits, and those of each auxiliary head.
    """
    if not isinstance(output, tuple):
        return output, []
    logits, *auxiliary = output
    return logits, [one for one in auxiliary if one is not None]


def auxiliary_weight(settings: Mapping[Any, Any]) -> float | None:
    """What the loss of each auxiliary head counts.

    Args:
        settings: Of a network: ``aux_logits``, whether it has such heads, and ``aux_weight``.

    Returns:
        The weight; None where there are no such heads.

    Raises:
        ModelError: It is not a number of at least 0.
    """
    if not settings.get("aux_logits"):
        return None
    weight = settings.get("aux_weight", _PUBLISHED_WEIGHT)
    if not (isinstance(weight, int | float) and weight >= 0):
        raise ModelError(
            f"Expected model.aux_weight to be a number of at least 0, got {weight!r}. "
            f"{_PUBLISHED_WEIGHT} is the published one."
        )
    return float(weight)
