import math

import numpy as np
import pytest
import torch
from sklearn import metrics as oracle
from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix

from project.models.metrics import (
    ClassificationMetrics,
    Confusion,
    MeanLoss,
    add_batch,
    metric_names,
    restore_state,
    state_of,
)


def split_of(num_classes: int, images: int = 203) -> tuple[Tensor, Tensor]:
    """Logits that are right more often than not, all classes present."""
    generator = torch.Generator().manual_seed(num_classes)
    labels = torch.arange(images) % num_classes
    labels = torch.where(torch.rand(images, generator=generator) < 0.5, 0, labels)
    labels[:num_classes] = torch.arange(num_classes)
    logits = torch.randn(images, num_classes, generator=generator)
    logits[torch.arange(images), labels] += 1.5
    return logits, labels


def measured(classes: list[str], logits: Tensor, labels: Tensor) -> ClassificationMetrics:
    measure = ClassificationMetrics(classes)
    for start in range(0, len(labels), 32):  # the last batch is shorter
        measure.update(logits[start : start + 32], labels[start : start + 32])
    return measure


@pytest.mark.parametrize("num_classes", [2, 5, 43])
def test_all_numbers_are_those_of_scikit_learn_over_the_whole_split(num_classes: int) -> None:
    logits, labels = split_of(num_classes)
    classes = [f"class {label}" for label in range(num_classes)]
    numbers = measured(classes, logits, labels).compute()

    predicted, probabilities = logits.argmax(dim=1), logits.softmax(dim=1)
    area = (
        oracle.roc_auc_score(labels, probabilities[:, 1])
        if num_classes == 2
        else oracle.roc_auc_score(labels, probabilities.double(), multi_class="ovr")
    )
    expected = {
        "accuracy": oracle.accuracy_score(labels, predicted),
        "macro_recall": oracle.recall_score(labels, predicted, average="macro"),
        "macro_f1": oracle.f1_score(labels, predicted, average="macro"),
        "auroc": area,
    }
    scores = oracle.precision_recall_fscore_support(labels, predicted, zero_division=0)
    for name, values in zip(["precision", "recall", "f1", "support"], scores, strict=True):
        expected |= {f"{name}/{c}": v for c, v in zip(classes, values.tolist(), strict=True)}
    assert {key: numbers[key] for key in expected} == pytest.approx(expected, abs=1e-6)
    assert set(numbers) == set(expected) | {"calibration_error"}


def test_confusion_counts_true_classes_in_rows() -> None:
    logits, labels = split_of(5)
    confusion = measured(list("abcde"), logits, labels).confusion()
    assert confusion.dtype == torch.int64
    expected = oracle.confusion_matrix(labels, logits.argmax(dim=1))
    assert np.array_equal(confusion.numpy(), expected)


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    logits, labels = split_of(5)
    confidence, predicted = logits.softmax(dim=1).max(dim=1)
    bins = np.minimum((confidence.numpy() * 15).astype(int), 14)
    right = (predicted == labels).numpy()
    gaps = [
        abs(right[bins == b].mean() - confidence.numpy()[bins == b].mean()) * (bins == b).mean()
        for b in np.unique(bins)
    ]
    numbers = measured(list("abcde"), logits, labels).compute()
    assert numbers["calibration_error"] == pytest.approx(sum(gaps), abs=1e-6)


def test_a_class_without_images_is_left_out_of_the_averages() -> None:
    logits = torch.eye(3)[[0, 0, 2, 2]]
    numbers = measured(["hat", "coat", "shoe"], logits, torch.tensor([0, 0, 0, 2])).compute()
    assert math.isnan(numbers["recall/coat"])
    assert math.isnan(numbers["f1/coat"])
    assert math.isnan(numbers["precision/coat"])
    assert numbers["support/coat"] == 0
    assert numbers["macro_recall"] == pytest.approx((2 / 3 + 1) / 2)
    # Pairs ranked right: hats 2 of 3 and a tie; the shoe likewise.
    assert numbers["auroc"] == pytest.approx(2.5 / 3)


def test_a_class_never_predicted_has_precision_zero() -> None:
    numbers = measured(["a", "b"], torch.eye(2)[[0, 0]], torch.tensor([0, 1])).compute()
    assert numbers["precision/b"] == numbers["recall/b"] == numbers["f1/b"] == 0


def test_a_split_of_one_class_has_no_area() -> None:
    numbers = measured(["a", "b"], torch.eye(2)[[0, 1]], torch.tensor([0, 0])).compute()
    assert math.isnan(numbers["auroc"])


def test_a_batch_whose_logits_look_like_probabilities_counts_like_any_other() -> None:
    logits, labels = split_of(3, images=60)
    squeezed = (logits - logits.min()) / (logits.max() - logits.min())
    numbers = measured(list("abc"), squeezed, labels).compute()
    probabilities = squeezed.softmax(dim=1).double()
    expected = oracle.roc_auc_score(labels, probabilities, multi_class="ovr")
    assert numbers["auroc"] == pytest.approx(expected, abs=1e-6)


def test_an_empty_batch_changes_nothing() -> None:
    logits, labels = split_of(3)
    measure = measured(list("abc"), logits, labels)
    before = measure.compute()
    measure.update(logits[:0], labels[:0])
    assert measure.compute() == before


def test_reset_forgets_everything() -> None:
    logits, labels = split_of(3)
    measure = measured(list("abc"), logits, labels)
    measure.reset()
    measure.update(torch.eye(3), torch.arange(3))
    assert measure.compute()["accuracy"] == 1.0
    assert int(measure.confusion().sum()) == 3


def test_logits_that_are_not_numbers_are_measured_without_a_crash() -> None:
    numbers = measured(["a", "b"], torch.full((4, 2), torch.nan), torch.arange(4) % 2).compute()
    assert numbers["macro_recall"] == 0.5


def test_a_mean_loss_weighs_batches_by_their_images() -> None:
    loss = MeanLoss()
    for mean, images in [(1.0, 3), (5.0, 1), (0.0, 0)]:
        loss.update(torch.tensor(mean), images)
    assert float(loss.compute()) == 2.0


def test_a_mean_loss_shows_what_is_not_a_number() -> None:
    loss = MeanLoss()
    loss.update(torch.tensor(torch.nan), 1)
    loss.update(torch.tensor(1.0), 1)
    assert math.isnan(loss.compute())


def test_names_are_announced_as_they_come() -> None:
    metrics = ClassificationMetrics(["hat", "top"])
    metrics.update(torch.eye(2), torch.tensor([0, 1]))
    assert list(metrics.compute()) == metric_names(["hat", "top"])


def test_metric_goes_on_where_another_was() -> None:
    whole, first = MeanLoss(), MeanLoss()
    losses = torch.tensor([0.1, 0.7, 0.3])
    for loss in losses:
        whole.update(loss, images=3)
    for loss in losses[:2]:
        first.update(loss, images=3)
    state = state_of(first)
    first.update(losses[0], images=3)  # the copy stays as it is
    second = MeanLoss()
    second.update(losses[0], images=1)  # is overwritten
    restore_state(second, state)
    second.update(losses[2], images=3)
    assert torch.equal(second.compute(), whole.compute())
    assert second.update_count == 3


def test_metric_without_batches_stays_without() -> None:
    metric = MeanLoss()
    metric.update(torch.tensor(1.0), images=1)
    restore_state(metric, state_of(MeanLoss()))
    assert not metric.update_called


def test_confusion_counts_as_torchmetrics_does_and_twice_is_twice() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(50, 4, generator=generator)
    labels = torch.randint(4, (50,), generator=generator)
    ours, theirs = Confusion(4), MulticlassConfusionMatrix(4)
    for _ in range(2):
        add_batch(ours, logits, labels)
        theirs.update(logits, labels)
    assert ours.update_called
    assert torch.equal(ours.compute(), theirs.compute())
    add_batch(ours, logits, labels)
    assert int(ours.compute().sum()) == 150
