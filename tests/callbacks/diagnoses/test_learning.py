import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from project.callbacks.diagnoses.learning import at_chance, high_rate, low_rate, overfitting
from project.callbacks.diagnoses.seen import Curves, Seen, Setup

CHANCE = float(np.log(2))
SUPPORT = np.array([40.0, 40.0])
SETUP = Setup(("cat", "dog"), lr=0.01, epochs=10)
Values = npt.ArrayLike


def curves(
    train_loss: Values,
    val_loss: Values | None = None,
    train_recall: Values | None = None,
    val_recall: Values | None = None,
) -> Curves:
    known = np.asarray(train_loss, dtype=float)
    nothing = np.full_like(known, np.nan)
    given = [
        nothing if values is None else np.asarray(values, dtype=float)
        for values in (val_loss, train_recall, val_recall)
    ]
    return Curves(known, *given)


def falling(start: float, end: float, epochs: int = 10) -> npt.NDArray[np.float64]:
    return np.linspace(start, end, epochs)


def noise(epochs: int, size: float, seed: int = 0) -> npt.NDArray[np.float64]:
    return np.random.default_rng(seed).normal(0, size, epochs)


# Nothing learned


def test_a_loss_that_stays_that_of_guessing_is_told() -> None:
    stuck = curves(CHANCE + noise(8, 0.003), val_recall=np.full(8, 0.5))
    found = at_chance(stuck, CHANCE, SUPPORT, SETUP)
    assert found is not None
    assert found.name == "loss_at_chance"
    assert "After 8 epochs" in found.sentence
    assert "guessing gives 0.693" in found.sentence
    assert "optimizer.lr=0.001 or optimizer.lr=0.1" in found.sentence
    assert found.evidence["macro_recall_of_guessing"] == 0.5


@pytest.mark.parametrize(
    ("losses", "recall"),
    [
        (falling(0.69, 0.6), 0.5),  # it falls
        (falling(2.0, 0.8), 0.5),
        (np.full(10, 0.69), 0.8),  # recognised all the same, say with much dropout
        (np.full(2, 0.69), 0.5),
        (np.full(1, 0.69), 0.5),
    ],
)
def test_a_loss_that_falls_or_a_short_training_is_not_at_chance(
    losses: npt.NDArray[np.float64], recall: float
) -> None:
    learned = curves(losses, val_recall=np.full(len(losses), recall))
    assert at_chance(learned, CHANCE, SUPPORT, SETUP) is None


def test_few_photos_recognised_by_luck_do_not_hide_that_nothing_is_learned() -> None:
    stuck = curves(np.full(8, CHANCE), val_recall=np.full(8, 0.6))
    assert at_chance(stuck, CHANCE, np.array([4.0, 4.0]), SETUP) is not None
    assert at_chance(stuck, CHANCE, np.array([400.0, 400.0]), SETUP) is None


# Overfitting


def overfit(epochs: int = 20, turn: int = 6, wavering: float = 0.01, seed: int = 0) -> Curves:
    epoch = np.arange(epochs)
    val = 0.4 + 0.04 * np.abs(epoch - turn) + noise(epochs, wavering, seed)
    return curves(0.6 * 0.8**epoch, val)


@pytest.mark.parametrize("seed", range(5))
def test_a_rising_validation_loss_is_dated(seed: int) -> None:
    found = overfitting(overfit(seed=seed), CHANCE, SUPPORT)
    assert found is not None
    assert found.name == "overfitting"
    assert 4 <= float(found.evidence["since_epoch"]) <= 8
    assert "the validation loss has risen from " in found.sentence
    assert float(found.evidence["lowest_val_loss"]) == pytest.approx(0.4, abs=0.05)
    assert f"trainer.max_epochs={int(float(found.evidence['since_epoch'])) + 1}" in found.sentence


@pytest.mark.parametrize("place", [5, 6, 7])
def test_a_rise_is_told_from_a_lower_to_a_higher_loss(place: int) -> None:
    """One high epoch at the turn is not where the loss began to rise from."""
    rising = overfit(turn=6, wavering=0.0)
    rising.val_loss[place] += 0.6
    found = overfitting(rising, CHANCE, SUPPORT)
    assert found is not None
    told = re.search(
        r"risen from ([\d.]+) to ([\d.]+) .* loss fell from ([\d.]+) to ([\d.]+)\.", found.sentence
    )
    assert told is not None
    low, high, then, now = map(float, told.groups())
    assert low == pytest.approx(0.44, abs=0.041)
    assert high == pytest.approx(0.88, abs=0.001)
    assert then > now
    names = ("lowest_val_loss", "last_val_loss", "train_loss_then", "last_train_loss")
    assert [float(found.evidence[name]) for name in names] == pytest.approx(
        [low, high, then, now], abs=0.001
    )


@pytest.mark.parametrize("wavering", [0.0, 0.02, 0.1, 0.3])
@pytest.mark.parametrize("epochs", [6, 10, 30])
def test_noise_is_no_overfitting(wavering: float, epochs: int) -> None:
    """Of 200 curves that waver around a level that they have reached, at most one is called so."""
    alarms = sum(
        overfitting(
            curves(
                falling(0.6, 0.1, epochs),
                np.abs(0.4 + 0.3 * 0.5 ** np.arange(epochs) + noise(epochs, wavering, seed)),
            ),
            CHANCE,
            SUPPORT,
        )
        is not None
        for seed in range(200)
    )
    assert alarms <= 1


@pytest.mark.parametrize(
    "healthy",
    [
        curves(falling(0.6, 0.1, 20), falling(0.6, 0.3, 20)),
        curves(np.full(20, 0.5), overfit().val_loss),  # training does not fall: something else
        curves(falling(0.6, 0.1, 5), [0.5, 0.4, 0.5, 0.6, 0.7]),  # too short to tell
        curves(falling(0.6, 0.1, 20), [*falling(0.6, 0.3, 18), 0.4, 0.5]),  # so is the rise
        curves([0.5], [0.4]),
        curves([], []),
    ],
)
def test_other_curves_are_no_overfitting(healthy: Curves) -> None:
    assert overfitting(healthy, CHANCE, SUPPORT) is None


def test_training_photos_known_by_heart_are_told_and_dated() -> None:
    known = [0.5, 0.7, 0.8, 0.95, 0.98, 0.99, 1.0, 1.0]
    new = [0.5, 0.7, 0.75, 0.75, 0.74, 0.76, 0.75, 0.75]
    learned = curves(falling(0.6, 0.1, 8), np.full(8, 0.5), known, new)
    found = overfitting(learned, CHANCE, SUPPORT)
    assert found is not None
    assert "macro recall is 100 % on training photos against 75 % on validation photos" in (
        found.sentence
    )
    assert "a gap that opened in epoch 3" in found.sentence
    assert found.evidence["since_epoch"] == 3
    assert "max_epochs" not in found.sentence


def test_a_gap_that_few_photos_explain_is_none() -> None:
    learned = curves(falling(0.6, 0.1, 8), np.full(8, 0.5), np.ones(8), np.full(8, 0.75))
    assert overfitting(learned, CHANCE, np.array([4.0, 4.0])) is None
    assert overfitting(learned, CHANCE, np.array([0.0, 0.0])) is None
    assert overfitting(learned, CHANCE, np.array([60.0, 60.0])) is not None


def test_mixed_labels_have_no_training_recall_and_no_gap() -> None:
    mixed = curves(np.full(8, 0.6), falling(0.6, 0.4, 8), None, np.full(8, 0.9))
    assert overfitting(mixed, CHANCE, SUPPORT) is None


# Learning rate


def watched(*epochs: tuple[float, ...], first: float = 0.7) -> tuple[Seen, Curves]:
    seen = Seen(losses=epochs, first_loss=first, steps=50 * len(epochs))
    return seen, curves([float(np.mean(parts)) for parts in epochs])


def high(*epochs: tuple[float, ...], **more: Any) -> Any:
    seen, known = watched(*epochs, **more)
    return high_rate(seen, known, CHANCE, SETUP)


def test_a_loss_that_explodes_is_told() -> None:
    found = high((5.0, 2.0), (0.6, 0.5), (0.4, 0.3))
    assert found is not None
    assert found.name == "learning_rate_too_high"
    assert "it rose to 5 in epoch 0, from 0.7 before anything was learned" in found.sentence
    assert "optimizer.lr=0.001" in found.sentence


def test_a_loss_that_explodes_twice_is_told_with_the_epoch_of_the_worse() -> None:
    found = high((5.0, 2.0), (0.6, 0.5), (0.4, 9.0))
    assert "it rose to 9 in epoch 2, from 0.7 before anything was learned" in found.sentence
    assert found.evidence["since_epoch"] == 0


def test_a_loss_that_comes_back_and_explodes_again_is_told() -> None:
    found = high((0.6, 0.4), (0.3, 0.2), (1.2, 0.9), (0.4, 0.3), (1.3, 0.8))
    assert found is not None
    assert "it jumped back to 1.3 in 2 epochs from 2 on, above the 0.693" in found.sentence
    assert found.evidence["since_epoch"] == 2
    assert found.evidence["epochs_with_spikes"] == 2


def test_a_loss_that_stays_above_guessing_is_told() -> None:
    found = high((1.0, 0.9), (0.9, 1.0), (0.95, 0.9), (1.0, 0.9))
    assert found is not None
    assert "it ends at 0.95, above the 0.693 of guessing" in found.sentence


@pytest.mark.parametrize(
    "epochs",
    [
        ((0.7, 0.6), (0.5, 0.4), (0.3, 0.2)),
        ((0.6, 0.4), (0.2, 0.1), (0.1, 0.1, 0.1, 1.1, 0.1, 0.1, 0.1, 0.1)),  # one hard batch
        ((0.6, 0.4), (0.2, 0.1), (0.4, 0.2)),  # wavers below guessing
        ((0.7, 0.69), (0.69, 0.7), (0.7, 0.69)),  # learns nothing
        ((1.2, 1.0), (0.9, 0.85), (0.82, 0.8)),  # comes down from a bad beginning
        ((0.8, 0.75),),
        (),
    ],
)
def test_other_losses_are_stable(epochs: tuple[tuple[float, ...], ...]) -> None:
    assert high(*epochs) is None


def test_a_bad_beginning_is_no_explosion() -> None:
    assert high((4.0, 2.0), (0.6, 0.5), (0.4, 0.3), first=5.0) is None


def test_ten_steps_are_needed_to_tell() -> None:
    seen = Seen(losses=((5.0,),), first_loss=0.7, steps=9)
    assert high_rate(seen, curves([5.0]), CHANCE, SETUP) is None


def test_a_loss_that_barely_moves_and_still_falls_is_told() -> None:
    found = low_rate(curves(falling(0.69, 0.66)), CHANCE, SETUP)
    assert found is not None
    assert found.name == "learning_rate_too_low"
    assert "from 0.690 to 0.660 (guessing gives 0.693)" in found.sentence
    assert "optimizer.lr=0.1 or trainer.max_epochs=40" in found.sentence


@pytest.mark.parametrize(
    "losses",
    [
        falling(0.69, 0.3),
        falling(2.0, 0.8),  # comes down from a bad beginning
        [0.69, 0.62, 0.61, 0.605, 0.603, 0.602, 0.601, 0.6],  # has come to its end
        0.69 + noise(10, 0.01),
        np.full(10, 0.69),
        falling(0.6, 0.69),
        falling(0.69, 0.66, 3),
        [0.69],
    ],
)
def test_other_losses_have_moved_or_stopped(losses: Values) -> None:
    assert low_rate(curves(losses), CHANCE, SETUP) is None


def test_noise_around_guessing_is_no_slow_fall() -> None:
    alarms = sum(
        low_rate(curves(CHANCE + noise(8, 0.003, seed)), CHANCE, SETUP) is not None
        for seed in range(500)
    )
    assert alarms <= 1
