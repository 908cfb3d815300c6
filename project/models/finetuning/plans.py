"""Plans of fine-tuning, each a function that a configuration completes.

What is trained is a function of the epoch alone, so that a run that was stopped goes on as it would
have gone on by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from project.errors import ConfigError


@dataclass(frozen=True)
class FineTuning:
    """When the layers of a network are trained, and how fast.

    The head is trained from the beginning. The rest, the body, is cut by depth into parts of about
    as many layers each, which thaw from the head down; a part that has thawed stays so.

    Attributes:
        parts: Into how many parts the body is cut.
        unfreeze_at: Epochs, counted from 0, at the beginning of which a part thaws, for as many
            parts as it has entries; 0 is from the beginning.
        layer_decay: What the learning rate is multiplied by from each layer to the one below it, in
            (0, 1].
    """

    parts: int = 1
    unfreeze_at: tuple[int, ...] = (0,)
    layer_decay: float = 1.0

    @property
    def freezes(self) -> bool:
        """Whether anything is frozen in the first epoch."""
        return self.frozen_parts(0) > 0

    def frozen_parts(self, epoch: int) -> int:
        """How many parts, counted from the input, are frozen in an epoch.

        Args:
            epoch: From 0.

        Example:
            >>> [gradual(unfreeze_at=[2, 3]).frozen_parts(epoch) for epoch in range(5)]
            [2, 2, 1, 0, 0]
        """
        return self.parts - sum(start <= epoch for start in self.unfreeze_at)

    def check_within(self, max_epochs: int | None) -> None:
        """Checks that every part that is to thaw does.

        Args:
            max_epochs: Length of the training; None or -1 where epochs do not limit it.

        Raises:
            ConfigError: The training is over before.
        """
        last = max(self.unfreeze_at, default=0)
        if max_epochs is not None and 0 <= max_epochs <= last:
            raise ConfigError(
                f"finetune: expected to unfreeze within trainer.max_epochs={max_epochs}, counted "
                f"from 0, got {list(self.unfreeze_at)} as the epochs to unfreeze at. Unfreeze "
                f"earlier, or set trainer.max_epochs above {last}."
            )


def none() -> FineTuning:
    """Trains everything from the beginning, at one learning rate."""
    return FineTuning()


def linear_probe() -> FineTuning:
    """Trains the head alone, on the features that the network gives when it is evaluated.

    Source: Alain and Bengio, "Understanding intermediate layers using linear classifier probes",
    2016.
    """
    return FineTuning(unfreeze_at=())


def gradual(
    unfreeze_at: Sequence[int] | None = None,
    every_epochs: int | None = None,
    stages: int | None = None,
) -> FineTuning:
    """Trains the head alone at first, then more and more layers, from the head down.

    Args:
        unfreeze_at: Epochs, counted from 0, at the beginning of which the next layers thaw; the
            body is cut into as many parts. None: as the others say.
        every_epochs: Epochs between two thaws, and before the first; None: two.
        stages: Number of thaws; None: three.

    Raises:
        ConfigError: The epochs do not rise, a number is below 1, or epochs are given in both ways.

    Source: Howard and Ruder, "Universal Language Model Fine-tuning for Text Classification", ACL
    2018, section 3.3.
    """
    for name, value in (("every_epochs", every_epochs), ("stages", stages)):
        if value is not None and unfreeze_at is not None:
            raise ConfigError(
                f"finetune.unfreeze_at: expected either a list of epochs or finetune.{name}, got "
                f"{list(unfreeze_at)} and {value}. Leave one of them out."
            )
        if value is not None and value < 1:
            raise ConfigError(f"finetune.{name}: expected 1 or more, got {value}.")
    if unfreeze_at is None:
        unfreeze_at = [(every_epochs or 2) * (stage + 1) for stage in range(stages or 3)]
    epochs = tuple(unfreeze_at)
    if not epochs or epochs[0] < 1 or any(later <= epoch for epoch, later in pairwise(epochs)):
        raise ConfigError(
            "finetune.unfreeze_at: expected epochs that rise, from 1 on, such as [2, 4, 6], got "
            f"{list(epochs)}. To keep all but the head frozen, take finetune=linear_probe."
        )
    return FineTuning(parts=len(epochs), unfreeze_at=epochs)


def discriminative(layer_decay: float = 0.75) -> FineTuning:
    """Trains everything, and the more slowly the closer a layer is to the input.

    Args:
        layer_decay: What the learning rate is multiplied by from each layer to the one below it, in
            (0, 1].

    Raises:
        ConfigError: It is not.

    Source: Howard and Ruder, "Universal Language Model Fine-tuning for Text Classification", ACL
    2018, section 3.1; a factor a layer as in Clark et al., "ELECTRA", ICLR 2020.
    """
    if not 0 < layer_decay <= 1:
        raise ConfigError(
            f"finetune.layer_decay: expected a factor above 0 and up to 1, got {layer_decay}. 1 "
            "trains all layers alike; to freeze some, take finetune=gradual or linear_probe."
        )
    return FineTuning(layer_decay=layer_decay)
