"""Heads: what makes logits of features.

Each function takes the shape of the features without the batch, channels first, and the length of
the logits. Any other callable that does so can be named in the configuration as well.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, get_args

from torch import nn

from project.errors import ModelError, suggestion
from project.models.pooling import GlobalAverage

Ending = Literal["logits", "log_softmax", "clamped"]
"""What is done to the logits: nothing, log-softmax, or ReLU and dropout before log-softmax."""
ENDINGS: tuple[Ending, ...] = get_args(Ending)


def linear_head(shape: Sequence[int], num_classes: int) -> nn.Module:
    """One layer on all features.

    Args:
        shape: Of the features of an image.
        num_classes: Length of the logits.
    """
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), num_classes))


def gap_head(shape: Sequence[int], num_classes: int, dropout: float = 0.0) -> nn.Module:
    """One layer on the average of each channel: few parameters, any image size.

    Args:
        shape: Of the features of an image, channels first.
        num_classes: Length of the logits.
        dropout: Share of the averages dropped in training, in [0, 1).

    Source: Lin, Chen and Yan, "Network In Network", ICLR 2014, section 3.2.
    """
    layer = nn.Linear(shape[0], num_classes)
    return nn.Sequential(GlobalAverage(), nn.Dropout(dropout), layer)


def dense_head(
    shape: Sequence[int],
    num_classes: int,
    hidden: Sequence[int] = (),
    dropout: float = 0.0,
    ending: Ending = "logits",
    ending_dropout: float = 0.5,
) -> nn.Module:
    """Hidden layers on all features, and one for the logits.

    Endings have no weights, so that heads that differ in nothing else load one another's. With
    ``clamped`` no class can be more likely than ``e^z / (e^z + num_classes - 1)`` for its logit z,
    as those of the others do not go below 0; and where all logits are clamped nothing is learned.

    Args:
        shape: Of the features of an image.
        num_classes: Length of the logits.
        hidden: Units of each hidden layer, every one of which ends in a ReLU.
        dropout: Share of hidden units dropped in training, in [0, 1).
        ending: What is done to the logits.
        ending_dropout: Share of logits dropped in training where they are clamped.

    Raises:
        ModelError: There is no such ending.
    """
    layers: list[nn.Module] = [nn.Flatten()]
    widths = [math.prod(shape), *hidden]
    for incoming, units in pairwise(widths):
        layers += [nn.Linear(incoming, units), nn.ReLU()]
        layers += [nn.Dropout(dropout)] if dropout else []
    layers.append(nn.Linear(widths[-1], num_classes))
    return nn.Sequential(*layers, *_ending(ending, ending_dropout))


def _ending(name: Ending, dropout: float) -> list[nn.Module]:
    endings: dict[Ending, list[nn.Module]] = {
        "logits": [],
        "log_softmax": [nn.LogSoftmax(1)],
        "clamped": [nn.ReLU(), nn.Dropout(dropout), nn.LogSoftmax(1)],
    }
    if name not in endings:
        raise ModelError(
            f'Expected model.head.ending to be one of {", ".join(ENDINGS)}, got "{name}".'
            + suggestion(name, ENDINGS)
        )
    return endings[name]
