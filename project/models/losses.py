"""Losses that know how many training images each class has.

Every loss takes logits ``(B, C)`` and a target that is either hard, int64 ``(B,)``, or soft, float
``(B, C)`` with rows that sum to 1 (mixup and cutmix make those), and returns the mean over images.
That mean is plain, not divided by the weights drawn in the batch as PyTorch's weighted mean is:
the loss of a batch is then the mean of the losses of its halves, wherever they were computed.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from project.errors import ModelError, suggestion

ClassWeights = Literal["none", "balanced", "effective_number"]
SCHEMES: tuple[str, ...] = get_args(ClassWeights)


def class_weights(counts: Sequence[int], scheme: ClassWeights, beta: float = 0.999) -> Tensor:
    """Weighs classes by how rare they are.

    All schemes are scaled so that the mean weight over the training *images* is 1: a weighted loss
    keeps its size and the learning rate its meaning.

    Args:
        counts: Training images of each class, all above 0.
        scheme: ``none`` gives 1 to each class; ``balanced`` the inverse of its count;
            ``effective_number`` the inverse of how many distinct images its count is worth, which
            flattens out where more images bring little news.
        beta: Overlap assumed by ``effective_number``, in [0, 1): 0 is ``none``, near 1 is
            ``balanced``.

    Returns:
        Float ``(C,)``.

    Raises:
        ModelError: The scheme is unknown, ``beta`` is out of range or a class has no images.

    Source: Cui, Jia, Lin, Song and Belongie, "Class-Balanced Loss Based on Effective Number of
    Samples", CVPR 2019, equation 2 (who scale to a mean of 1 over the classes instead).

    Example:
        >>> class_weights([10, 30], "balanced")
        tensor([2.0000, 0.6667])
    """
    images = _checked(counts)
    if scheme not in SCHEMES:
        raise ModelError(
            f"Expected loss.class_weights to be one of {', '.join(SCHEMES)}, got "
            f'"{scheme}".' + suggestion(scheme, SCHEMES)
        )
    if not 0 <= beta < 1:
        raise ModelError(f"Expected loss.beta in [0, 1), got {beta}.")
    if scheme == "balanced":
        raw = 1 / images
    elif scheme == "effective_number":
        raw = (1 - beta) / (1 - beta**images)
    else:
        raw = torch.ones_like(images)
    return (raw * images.sum() / (raw * images).sum()).float()


def soft_targets(target: Tensor, num_classes: int, label_smoothing: float = 0.0) -> Tensor:
    """Writes targets as one row of probabilities an image.

    Args:
        target: int64 ``(B,)`` or float ``(B, C)``.
        num_classes: C.
        label_smoothing: Share of each row spread evenly over all classes, in [0, 1].

    Returns:
        Float ``(B, C)``, rows sum to 1.

    Example:
        >>> soft_targets(torch.tensor([1]), num_classes=2, label_smoothing=0.2)
        tensor([[0.1000, 0.9000]])
    """
    rows = target if target.is_floating_point() else F.one_hot(target, num_classes).float()
    return rows * (1 - label_smoothing) + label_smoothing / num_classes


class CrossEntropy(nn.Module):
    """Cross-entropy, optionally weighted by class and with smoothed labels.

    Args:
        class_counts: Training images of each class.
        class_weights: See ``project.models.losses.class_weights``.
        label_smoothing: Share of each target spread evenly over all classes, in [0, 1].
        beta: For ``effective_number``.
    """

    weights: Tensor

    def __init__(
        self,
        class_counts: Sequence[int],
        class_weights: ClassWeights = "none",
        label_smoothing: float = 0.0,
        beta: float = 0.999,
    ) -> None:
        super().__init__()
        self.label_smoothing = _share("label_smoothing", label_smoothing)
        self.register_buffer("weights", _weights(class_counts, class_weights, beta))

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Gives the mean loss over the images of a batch."""
        each = F.cross_entropy(
            logits,
            target,
            weight=self.weights,
            label_smoothing=self.label_smoothing,
            reduction="none",
        )
        return each.mean()


class Focal(nn.Module):
    """Cross-entropy that turns down images which are already classified well.

    Args:
        class_counts: Training images of each class.
        gamma: How much: the loss is scaled by ``(1 - p)**gamma``, so 0 is cross-entropy.
        class_weights: See ``project.models.losses.class_weights``.
        beta: For ``effective_number``.

    Raises:
        ModelError: ``gamma`` is negative.

    Source: Lin, Goyal, Girshick, He and Dollar, "Focal Loss for Dense Object Detection", ICCV 2017,
    equation 5, over the softmax.
    """

    weights: Tensor

    def __init__(
        self,
        class_counts: Sequence[int],
        gamma: float = 2.0,
        class_weights: ClassWeights = "none",
        beta: float = 0.999,
    ) -> None:
        super().__init__()
        if gamma < 0:
            raise ModelError(f"Expected loss.gamma to be 0 or more, got {gamma}.")
        self.gamma = gamma
        self.register_buffer("weights", _weights(class_counts, class_weights, beta))

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Gives the mean loss over the images of a batch."""
        log_p = F.log_softmax(logits, dim=1)
        # From log_p, as 1 - p would round to 0 and its power have no gradient.
        doubt = (-torch.expm1(log_p)).clamp_min(torch.finfo(log_p.dtype).tiny)
        terms = self.weights * doubt**self.gamma * -log_p
        return (soft_targets(target, logits.shape[1]) * terms).sum(dim=1).mean()


class LogitAdjusted(nn.Module):
    """Cross-entropy on logits to which each class's log share of the training images is added.

    The network learns what speaks for a class beyond its being common, so its plain logits rank
    classes as if all were equally frequent.

    Args:
        class_counts: Training images of each class.
        tau: Strength: 0 is cross-entropy, 1 is consistent for the balanced error.
        label_smoothing: Share of each target spread evenly over all classes, in [0, 1].

    Source: Menon, Jayasumana, Rawat, Jain, Veit and Kumar, "Long-tail learning via logit
    adjustment", ICLR 2021, equation 10.
    """

    adjustment: Tensor

    def __init__(
        self, class_counts: Sequence[int], tau: float = 1.0, label_smoothing: float = 0.0
    ) -> None:
        super().__init__()
        self.label_smoothing = _share("label_smoothing", label_smoothing)
        images = _checked(class_counts)
        self.register_buffer("adjustment", (tau * (images / images.sum()).log()).float())

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Gives the mean loss over the images of a batch."""
        adjusted = logits + self.adjustment
        return F.cross_entropy(adjusted, target, label_smoothing=self.label_smoothing)


class BinaryCrossEntropy(nn.Module):
    """One yes-or-no question a class, as timm trains with: classes do not compete.

    Args:
        class_counts: Training images of each class.
        class_weights: See ``project.models.losses.class_weights``; the weight of an
            image is that of its own class, for all its questions.
        label_smoothing: Share of each target spread evenly over all classes, in [0, 1].
        target_threshold: Turns soft targets above it to 1 and others to 0; None keeps them.
        beta: For ``effective_number``.

    Source: Wightman, Touvron and Jegou, "ResNet strikes back", 2021, section 3.
    """

    weights: Tensor

    def __init__(
        self,
        class_counts: Sequence[int],
        class_weights: ClassWeights = "none",
        label_smoothing: float = 0.0,
        target_threshold: float | None = None,
        beta: float = 0.999,
    ) -> None:
        super().__init__()
        self.label_smoothing = _share("label_smoothing", label_smoothing)
        self.target_threshold = target_threshold
        self.register_buffer("weights", _weights(class_counts, class_weights, beta))

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Gives the mean loss over the questions and images of a batch."""
        weight_of_image = soft_targets(target, logits.shape[1]) @ self.weights
        answers = soft_targets(target, logits.shape[1], self.label_smoothing)
        if self.target_threshold is not None:
            answers = (answers > self.target_threshold).to(answers.dtype)
        each = F.binary_cross_entropy_with_logits(logits, answers, reduction="none")
        return (weight_of_image * each.mean(dim=1)).mean()


# The constructors' argument hides the function of that name.
_weights = class_weights


def _checked(counts: Sequence[int]) -> Tensor:
    images = torch.tensor(list(counts), dtype=torch.float64)
    if images.numel() == 0 or bool((images <= 0).any()):
        raise ModelError(f"Expected training images of every class, got class counts {counts}.")
    return images


def _share(name: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise ModelError(f"Expected loss.{name} in [0, 1], got {value}.")
    return value
