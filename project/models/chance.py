"""What a loss comes to where nothing is known of the photos."""

from collections.abc import Sequence
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn

_IMAGES = 50  # for each class, on average; fewer with many classes
_NUMBERS = 2_000_000  # logits at a time
_ROUNDS = 50


def loss_of_guessing(loss: nn.Module, draws: Sequence[int]) -> float:
    """Finds the loss of the best answer that is the same for every photo.

    For plain cross-entropy it is the entropy of the classes drawn, which is the logarithm of their
    number where they are drawn equally; smoothing, weights and other losses have values of their
    own. Mixing changes none of it.

    Args:
        loss: From logits ``(B, C)`` and labels ``(B,)`` to the mean over images.
        draws: How often each class is drawn, ``(C,)``.

    Returns:
        The lowest mean loss that a constant answer has.

    Example:
        >>> round(loss_of_guessing(nn.CrossEntropyLoss(), [30, 10]), 3)
        0.562
    """
    labels = _in_proportion(draws)
    own = deepcopy(loss).cpu()
    answer = torch.zeros(len(draws), requires_grad=True)
    optimizer = torch.optim.LBFGS([answer], max_iter=_ROUNDS, line_search_fn="strong_wolfe")
    reached: list[float] = []

    def closure() -> Tensor:
        optimizer.zero_grad()
        value: Tensor = own(answer.expand(len(labels), -1), labels)
        value.backward()  # type: ignore[no-untyped-call]
        reached.append(float(value.detach()))
        return value

    with torch.enable_grad():
        optimizer.step(closure)  # type: ignore[no-untyped-call]
    return min(reached)


def _in_proportion(draws: Sequence[int]) -> Tensor:
    """Labels of some images in the proportion of the draws, by largest remainders."""
    classes = len(draws)
    images = max(min(_IMAGES * classes, _NUMBERS // classes), 1)
    exact = np.array(draws, dtype=float) * images / sum(draws)
    counts = np.floor(exact).astype(int)
    largest = np.argsort(counts - exact, kind="stable")[: images - counts.sum()]
    counts[largest] += 1
    return torch.from_numpy(np.repeat(np.arange(classes), counts))
