import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    precision_score,
    recall_score,
)

from project.stats.metrics import contributions, images, metrics_of, size, step, tally

CLASSES = ["hat", "outer", "top"]
LABELS = np.repeat([0, 1, 2], [4, 10, 26])
RNG = np.random.default_rng(0)
PREDICTED = np.where(RNG.random((3, 40)) < 0.7, LABELS, RNG.integers(0, 3, (3, 40)))
TALLIES = tally(PREDICTED, LABELS, 3)
METRICS = {metric.name: metric for metric in metrics_of(CLASSES)}

ORACLE = {
    "accuracy": accuracy_score,
    "macro_recall": balanced_accuracy_score,
    "macro_f1": lambda y, p: f1_score(y, p, average="macro"),
    "recall/outer": lambda y, p: recall_score(y, p, average=None)[1],
    "precision/top": lambda y, p: precision_score(y, p, average=None)[2],
}


def test_metrics_come_in_the_order_of_the_tables() -> None:
    assert list(METRICS)[:4] == ["accuracy", "macro_recall", "macro_f1", "recall/hat"]
    assert len(METRICS) == 3 + 2 * 3


@pytest.mark.parametrize("name", ORACLE)
def test_value_is_that_of_scikit_learn(name: str) -> None:
    expected = [ORACLE[name](LABELS, run) for run in PREDICTED]
    np.testing.assert_allclose(TALLIES.values(METRICS[name]), expected)


def test_precision_of_a_class_that_is_never_predicted_is_zero() -> None:
    tallies = tally(np.zeros((1, 40), np.int64), LABELS, 3)
    assert tallies.values(METRICS["precision/top"]) == [0]


def test_prediction_of_a_class_without_images_is_an_error_of_the_true_class_alone() -> None:
    predicted = PREDICTED.copy()
    predicted[:, 0] = 3
    tallies = tally(predicted, LABELS, 3)
    assert tallies.predicted.sum() == 3 * 39
    for metric in METRICS.values():
        parts = contributions(metric, predicted, LABELS, tallies)
        assert np.isfinite(parts).all()


@pytest.mark.parametrize("name", ["accuracy", "macro_recall", "recall/hat"])
def test_contributions_to_a_share_add_up_to_it(name: str) -> None:
    parts = contributions(METRICS[name], PREDICTED, LABELS, TALLIES)
    np.testing.assert_allclose(parts.sum(1), TALLIES.values(METRICS[name]))


@pytest.mark.parametrize("name", ["macro_f1", "precision/hat", "precision/top"])
def test_contribution_to_a_ratio_is_what_leaving_the_image_out_changes(name: str) -> None:
    labels, predicted = np.tile(LABELS, 50), np.tile(PREDICTED, 50)
    whole = tally(predicted, labels, 3)
    parts = contributions(METRICS[name], predicted, labels, whole)
    np.testing.assert_allclose(parts.sum(1), 0, atol=1e-12)
    for image in range(40):
        kept = np.arange(len(labels)) != image
        without = tally(predicted[:, kept], labels[kept], 3).values(METRICS[name])
        change = whole.values(METRICS[name]) - without
        np.testing.assert_allclose(change, parts[:, image], rtol=0.01, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", 1 / 40),
        ("recall/hat", 1 / 4),
        ("macro_recall", np.sqrt(1 / 4**2 + 1 / 10**2 + 1 / 26**2) / 3),
    ],
)
def test_step_is_what_one_image_can_do(name: str, expected: float) -> None:
    assert step(METRICS[name], TALLIES) == pytest.approx(expected)


def test_size_of_a_mean_over_classes_is_dominated_by_the_smallest() -> None:
    # 9 / (1/4 + 1/10 + 1/26): the images of a share with the same variance at equal recalls.
    assert size(METRICS["macro_recall"], TALLIES) == pytest.approx(23.168, abs=1e-3)
    assert size(METRICS["recall/outer"], TALLIES) == pytest.approx(10)


def test_images_are_those_of_the_class_for_a_recall_and_all_for_a_precision() -> None:
    assert images(METRICS["recall/hat"], TALLIES) == 4
    assert images(METRICS["precision/hat"], TALLIES) == 40
