"""What diagnoses rest on: plain numbers of a training."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

ENOUGH_EPOCHS = 3
"""What can look ill after one epoch or two is often only the beginning."""


@dataclass(frozen=True)
class Validation:
    """One validation in the midst of training, over all processes.

    Attributes:
        epoch: The epoch that it belongs to, from 0.
        predicted: Photos that were taken for each class.
        support: Photos of each class.
        units: Inputs of the layer that gives the logits; 0 where it was not found.
        dead: Those of them that were 0 for every photo.
    """

    epoch: int
    predicted: tuple[int, ...]
    support: tuple[int, ...]
    units: int = 0
    dead: int = 0


@dataclass(frozen=True)
class Seen:
    """What was seen while a model was trained.

    Attributes:
        validations: In order.
        losses: For each epoch the mean loss of the steps of each tenth of it, or of fewer and
            longer parts where it has few steps.
        first_loss: Of the first step, before anything was learned; nan if there was none.
        steps: Training steps.
        tail: Classes of the modules after the last layer with weights, in the order of their calls.
        auxiliary: Heads beside the network's own whose loss is added in training.
        averaged: Whether validations measured averaged weights and not those that are trained.
    """

    validations: tuple[Validation, ...] = ()
    losses: tuple[tuple[float, ...], ...] = ()
    first_loss: float = np.nan
    steps: int = 0
    tail: tuple[str, ...] = ()
    auxiliary: int = 0
    averaged: bool = False


@dataclass(frozen=True)
class Curves:
    """Numbers by epoch, float ``(E,)``; nan where an epoch has none.

    Attributes:
        train_loss: As it was optimised: of augmented photos, mixed labels, weighted classes.
        val_loss: Of the validation split.
        train_recall: Macro recall while training, in [0, 1]; never with mixed labels.
        val_recall: Macro recall of the validation split.
    """

    train_loss: Floats
    val_loss: Floats
    train_recall: Floats
    val_recall: Floats


@dataclass(frozen=True)
class Setup:
    """What was configured, as far as advice depends on it.

    Attributes:
        classes: Class names in label order.
        lr: Learning rate of the optimizer; None where it has no such key.
        epochs: Epochs trained.
        balanced: Whether classes are drawn or weighted equally already.
    """

    classes: tuple[str, ...]
    lr: float | None = None
    epochs: int = 0
    balanced: bool = False

    def rate(self, factor: float) -> str:
        """Another learning rate, to be pasted into a command line."""
        if self.lr is None:
            return f"{factor:g} times the learning rate"
        return f"optimizer.lr={self.lr * factor or 1e-3:.2g}"  # from 0, to what is usual

    def rates(self) -> str:
        """A lower and a higher learning rate, where either may be the cure."""
        return " or ".join(dict.fromkeys([self.rate(0.1), self.rate(10)]))


def begin(seen: Sequence[Validation], ill: Callable[[Validation], bool]) -> int | None:
    """The epoch from which on every validation was ill.

    Args:
        seen: In order.
        ill: What is looked for.

    Returns:
        None where the last two validations were not both ill, or training was too short to tell.
    """
    well = max((place for place, validation in enumerate(seen) if not ill(validation)), default=-1)
    lasting = seen[well + 1 :]
    if len(lasting) < 2 or lasting[-1].epoch + 1 < ENOUGH_EPOCHS:
        return None
    return lasting[0].epoch


def percent(share: float) -> str:
    """A share in words."""
    return f"{100 * share:.0f} %"
