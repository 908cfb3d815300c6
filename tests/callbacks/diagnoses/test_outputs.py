import numpy as np
import numpy.typing as npt
import pytest
import torch

from project.callbacks.diagnoses.outputs import clamped_logits, normalized_logits

Logits = npt.NDArray[np.float32]
PUBLISHED = ("ReLU", "Dropout", "LogSoftmax")


def plain(photos: int = 200, classes: int = 3, seed: int = 0) -> Logits:
    rng = np.random.default_rng(seed)
    return rng.normal(0, 2, (photos, classes)).astype(np.float32)


def log_softmax(logits: Logits) -> Logits:
    normalized: Logits = torch.tensor(logits).log_softmax(1).numpy()
    return normalized


def softmax(logits: Logits) -> Logits:
    normalized: Logits = torch.tensor(logits).softmax(1).numpy()
    return normalized


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("seed", range(3))
def test_plain_logits_are_fine(classes: int, seed: int) -> None:
    assert clamped_logits(plain(classes=classes, seed=seed), ()) is None
    assert normalized_logits(plain(classes=classes, seed=seed), ()) is None


def test_rectified_logits_are_clamped() -> None:
    found = clamped_logits(plain().clip(0), ())
    assert found is not None
    assert found.name == "clamped_logits"
    assert "52 % of the outputs are exactly 0 and none is below it" in found.sentence
    assert found.evidence["smallest"] == 0.0
    assert found.evidence["after_last_weights"] == "nothing known"


def test_logits_that_are_never_positive_are_clamped_from_above() -> None:
    found = clamped_logits(plain().clip(None, 0), ())
    assert found is not None
    assert "none is above it" in found.sentence


def test_rectified_logits_show_through_a_log_softmax() -> None:
    found = clamped_logits(log_softmax(plain(classes=2).clip(0)), ())
    assert found is not None
    assert "of the validation photos classes tie exactly" in found.sentence
    assert found.evidence["share_of_zeros"] == 0.0
    assert 0.15 < float(found.evidence["share_of_ties"]) < 0.35  # a quarter: both below 0


def test_what_stands_on_the_logits_is_named_even_where_numbers_look_well() -> None:
    found = clamped_logits(log_softmax(plain()), PUBLISHED)
    assert found is not None
    assert "after the last layer with weights come ReLU, Dropout, LogSoftmax" in found.sentence


@pytest.mark.parametrize(
    "tail",
    [(), ("LogSoftmax",), ("AdaptiveAvgPool2d",), ("ReLU", "AdaptiveAvgPool2d"), ("Softplus",)],
)
def test_what_may_stand_after_the_last_weights_does(tail: tuple[str, ...]) -> None:
    assert clamped_logits(plain(), tail) is None


def test_positive_logits_that_nothing_clamps_are_fine() -> None:
    assert clamped_logits(plain() + 50, ()) is None


def test_ties_of_half_precision_are_no_clamp() -> None:
    coarse = (plain(4000, 2) * 2).round() / 2 + 0.5
    assert (coarse[:, 0] == coarse[:, 1]).mean() > 0.05
    assert clamped_logits(coarse.astype(np.float32) + 20, ()) is None


def test_the_same_logits_for_all_photos_are_no_clamp() -> None:
    constant = np.tile(np.array([[0.3, -0.1]], dtype=np.float32), (100, 1))
    assert clamped_logits(constant, ()) is None


def test_nine_photos_show_nothing() -> None:
    assert clamped_logits(plain(9).clip(0), PUBLISHED) is None
    assert normalized_logits(log_softmax(plain(9)), ()) is None


@pytest.mark.parametrize("classes", [2, 10])
def test_logarithms_of_probabilities_are_named(classes: int) -> None:
    found = normalized_logits(log_softmax(plain(classes=classes)), ("LogSoftmax",))
    assert found is not None
    assert found.name == "normalized_logits"
    assert "logarithms of probabilities already" in found.sentence
    assert found.evidence["kind"] == "log-probabilities"
    assert found.evidence["after_last_weights"] == "LogSoftmax"


@pytest.mark.parametrize("classes", [2, 10])
def test_probabilities_are_named(classes: int) -> None:
    found = normalized_logits(softmax(plain(classes=classes)), ())
    assert found is not None
    assert "probabilities already, as a Softmax gives them" in found.sentence
    assert found.evidence["kind"] == "probabilities"


def test_normalised_logits_are_not_clamped() -> None:
    assert clamped_logits(log_softmax(plain(classes=2)), ("LogSoftmax",)) is None
    assert clamped_logits(softmax(plain(classes=2)), ("Softmax",)) is None


def test_huge_logits_do_not_overflow() -> None:
    assert normalized_logits(plain() * 1e30, ()) is None
