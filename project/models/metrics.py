"""How well a split is classified: every number computed once, over all of its images."""

from collections.abc import Sequence
from typing import Any, TypedDict

import torch
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.classification import MulticlassCalibrationError, MulticlassConfusionMatrix
from torchmetrics.functional.classification import binary_auroc
from torchmetrics.utilities import dim_zero_cat

CALIBRATION_BINS = 15


def metric_names(classes: Sequence[str]) -> list[str]:
    """Names what `ClassificationMetrics.compute` gives, in its order.

    Args:
        classes: Names of the classes, in the order of the logits.
    """
    overall = ["accuracy", "macro_recall", "macro_f1", "auroc", "calibration_error"]
    scores = ("recall", "precision", "f1", "support")
    return overall + [f"{score}/{name}" for score in scores for name in classes]


def per_class_scores(confusion: Tensor) -> dict[str, Tensor]:
    """Derives what a confusion matrix says about each class.

    Args:
        confusion: int64 ``(C, C)`` image counts, rows are true classes, columns predicted ones.

    Returns:
        ``recall``, ``precision``, ``f1`` in [0, 1] and ``support`` (images), float64 ``(C,)``. A
        class without images has no recall and no F1: they are nan. A class that was never predicted
        has a precision of 0, or nan where it has no images either.

    Example:
        >>> per_class_scores(torch.tensor([[3, 1], [0, 2]]))["recall"]
        tensor([0.7500, 1.0000], dtype=torch.float64)
    """
    counts = confusion.cpu().double()  # not every accelerator has float64
    hits, support, predicted = counts.diagonal(), counts.sum(dim=1), counts.sum(dim=0)
    present = support > 0
    nothing = torch.full_like(hits, torch.nan)
    return {
        "recall": hits / support,
        "precision": torch.where(present | (predicted > 0), hits / predicted.clamp_min(1), nothing),
        "f1": torch.where(present, 2 * hits / (support + predicted), nothing),
        "support": support,
    }


def overall_scores(confusion: Tensor) -> dict[str, float]:
    """Derives what a confusion matrix says about a whole split.

    Args:
        confusion: int64 ``(C, C)`` image counts, rows are true classes, columns predicted ones.

    Returns:
        ``accuracy``, ``macro_recall`` and ``macro_f1`` in [0, 1]. Macro averages weigh classes
        equally and leave out those without images.
    """
    scores = per_class_scores(confusion)
    counts = confusion.cpu().double()  # not every accelerator has float64
    return {
        "accuracy": float(counts.trace() / counts.sum()),
        "macro_recall": float(scores["recall"].nanmean()),
        "macro_f1": float(scores["f1"].nanmean()),
    }


class MetricState(TypedDict):
    """What a metric has added up.

    Attributes:
        sums: Its states by name, on the CPU.
        updates: How many batches they hold.
    """

    sums: dict[str, Tensor]
    updates: int


def state_of(metric: Metric) -> MetricState:
    """Copies what a metric of this process has added up.

    Args:
        metric: Its states are sums.
    """
    sums: dict[str, Any] = dict(metric.metric_state)
    copied = {name: value.detach().cpu().clone() for name, value in sums.items()}
    return {"sums": copied, "updates": metric.update_count}


def restore_state(metric: Metric, state: MetricState) -> None:
    """Puts a metric where another of its kind was.

    Args:
        metric: Is overwritten.
        state: From `state_of`.
    """
    metric.reset()
    for name, value in state["sums"].items():
        setattr(metric, name, value.to(metric.device))
    metric._update_count = state["updates"]  # noqa: SLF001 - else it would warn that it is empty


def add_batch(metric: Metric, *batch: Any) -> None:
    """Adds a batch to a metric of ours without torchmetrics' bookkeeping, which costs 0.1 ms.

    Args:
        metric: Its states are sums of this process.
        *batch: As its ``update`` takes it.
    """
    metric._computed = None  # noqa: SLF001 - the number of the batches before
    metric._update_count += 1  # noqa: SLF001 - else it would warn that it is empty
    with torch.no_grad():
        type(metric).update(metric, *batch)


class Confusion(MulticlassConfusionMatrix):
    """Counts of images by true and predicted class, summed where the logits are.

    torchmetrics' own counting has the processor wait for a GPU in every batch.

    Args:
        num_classes: C.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes, validate_args=False)

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Adds a batch: float ``(B, C)`` and int64 ``(B,)``."""
        cell = labels * self.num_classes + logits.argmax(dim=1)
        self.confmat.view(-1).scatter_add_(0, cell, torch.ones_like(cell))


class MeanLoss(Metric):
    """Mean loss over images, of batches of any size, that shows when it is not a number.

    ``torchmetrics.MeanMetric`` either leaves such batches out or, told not to, ignores the weights.
    """

    full_state_update = False
    total: Tensor
    images: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", default=torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("images", default=torch.tensor(0), dist_reduce_fx="sum")

    def update(self, mean: Tensor, images: int) -> None:
        """Adds a batch by its mean loss and its number of images."""
        self.total += mean * images
        self.images += images

    def compute(self) -> Tensor:
        """Gives the mean; nan where there was no image."""
        return self.total / self.images


class ClassAreas(Metric):
    """Area under the ROC curve of each class against the rest, exact (no thresholds).

    Keeps all probabilities of a split, four bytes an image and class.

    Args:
        num_classes: C.
    """

    full_state_update = False
    probabilities: list[Tensor]
    labels: list[Tensor]

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.add_state("probabilities", default=[], dist_reduce_fx="cat")
        self.add_state("labels", default=[], dist_reduce_fx="cat")

    def update(self, probabilities: Tensor, labels: Tensor) -> None:
        """Adds a batch: float ``(B, C)`` in [0, 1] and int64 ``(B,)``."""
        self.probabilities.append(probabilities)
        self.labels.append(labels)

    def compute(self) -> Tensor:
        """Gives one area a class, float ``(C,)``; nan where no image, or every image, is in it."""
        probabilities, labels = dim_zero_cat(self.probabilities), dim_zero_cat(self.labels)
        support = torch.bincount(labels, minlength=self.num_classes)
        areas = torch.full((self.num_classes,), torch.nan, device=labels.device)
        for label in torch.nonzero((support > 0) & (support < len(labels))).flatten().tolist():
            areas[label] = binary_auroc(probabilities[:, label], (labels == label).long())
        return areas


class ClassificationMetrics(nn.Module):
    """Everything that is reported about one split.

    States add up over batches and over the ranks of a distributed run, so the numbers are those of
    the whole split however it was cut into batches. ``compute`` and ``confusion`` are collective:
    all ranks must call them.

    Args:
        classes: Names of the classes, in the order of the logits.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        super().__init__()
        self.classes = tuple(classes)
        size = len(self.classes)
        self._matrix = Confusion(size)
        self._areas = ClassAreas(size)
        self._calibration = MulticlassCalibrationError(
            size, n_bins=CALIBRATION_BINS, validate_args=False
        )

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Adds a batch, which may be empty.

        Args:
            logits: Float ``(B, C)``.
            labels: int64 ``(B,)``.
        """
        # torchmetrics guesses batch by batch whether it sees logits or probabilities: tell it.
        probabilities = logits.detach().softmax(dim=1)
        self._matrix.update(logits.detach(), labels)
        self._areas.update(probabilities, labels)
        self._calibration.update(probabilities, labels)

    def confusion(self) -> Tensor:
        """Gives int64 ``(C, C)`` image counts: rows are true classes, columns predicted ones."""
        matrix: Tensor = self._matrix.compute()
        return matrix

    def compute(self) -> dict[str, float]:
        """Gives all numbers.

        Returns:
            ``accuracy``, ``macro_recall``, ``macro_f1``, ``auroc`` (mean of one-against-rest areas)
            and ``calibration_error`` (expected gap between confidence and accuracy of the predicted
            class), all in [0, 1]; and, for each class, ``recall/<class>``, ``precision/<class>``,
            ``f1/<class>`` and ``support/<class>`` (images). Classes without images are left out of
            macro averages, see ``project.models.metrics.per_class_scores``.

        Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML
        2017, equation 3, for the calibration error.
        """
        confusion = self.confusion()
        numbers = overall_scores(confusion)
        numbers["auroc"] = float(self._areas.compute().nanmean())
        numbers["calibration_error"] = float(self._calibration.compute())
        for score, values in per_class_scores(confusion).items():
            named = zip(self.classes, values.tolist(), strict=True)
            numbers |= {f"{score}/{name}": value for name, value in named}
        return numbers

    def reset(self) -> None:
        """Forgets all batches."""
        for metric in (self._matrix, self._areas, self._calibration):
            metric.reset()
