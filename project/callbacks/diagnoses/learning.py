"""How losses went over the epochs."""

from typing import NamedTuple

import numpy as np

from project.callbacks.diagnoses.seen import ENOUGH_EPOCHS, Curves, Floats, Seen, Setup, percent
from project.runs.record import Diagnosis

_LAST = 3  # epochs that are averaged for where a curve ends


def at_chance(curves: Curves, chance: float, support: Floats, setup: Setup) -> Diagnosis | None:
    """Notices that nothing was learned.

    Args:
        curves: By epoch.
        chance: The training loss of the best constant answer.
        support: Validation photos of each class, ``(C,)``.
        setup: What was configured.
    """
    losses = _known(curves.train_loss)
    if len(losses) < ENOUGH_EPOCHS or losses.min() < 0.98 * chance:
        return None
    if _falls(losses) and losses[-1] < 0.9 * losses[0]:
        return None  # it comes down from a bad beginning
    guessing, error = _guessed_recall(support)
    recalls = _known(curves.val_recall)
    if len(recalls) and recalls.max() > guessing + max(4 * error, 0.05):
        return None
    return Diagnosis(
        "loss_at_chance",
        f"After {len(losses)} epochs the training loss has not fallen below {losses.min():.3f}, "
        f"and guessing gives {chance:.3f}: the network has learned nothing. Usually gradients do "
        "not arrive (dead units, something between last layer and loss), the learning rate is far "
        "off, or labels do not fit the photos. Try "
        f"{setup.rates()}, and another model.",
        {
            "lowest_train_loss": float(losses.min()),
            "loss_of_guessing": chance,
            "epochs": len(losses),
            "val_macro_recall": float(recalls[-1]) if len(recalls) else "none",
            "macro_recall_of_guessing": guessing,
        },
    )


def _guessed_recall(support: Floats) -> tuple[float, float]:
    """Macro recall of guessing, and its standard error."""
    there = support[support > 0]
    share = 1 / max(len(there), 1)
    return share, float(np.sqrt((share * (1 - share) / there).sum()) * share)


def overfitting(curves: Curves, chance: float, support: Floats) -> Diagnosis | None:
    """Notices that training goes on to fit what validation does not confirm.

    Either the validation loss rises, more than it wavers, while the training loss falls; or the
    training photos are recognised far better than others, more than few photos do by chance.

    Args:
        curves: By epoch.
        chance: The training loss of the best constant answer.
        support: Validation photos of each class, ``(C,)``.
    """
    both = np.isfinite(curves.train_loss) & np.isfinite(curves.val_loss)
    epochs = np.flatnonzero(both)
    rise = _rise(curves.train_loss[both], curves.val_loss[both], chance)
    gap = _gap(curves, support)
    if rise is None and gap is None:
        return None
    seen, evidence, begun = [], dict[str, float | str](), []
    if rise is not None:
        begun.append(int(epochs[rise.begun]))
        seen.append(
            f"since epoch {begun[0]} the validation loss has risen from {rise.val[0]:.3f} to "
            f"{rise.val[1]:.3f} (medians of {_LAST} epochs) while the training loss fell from "
            f"{rise.train[0]:.3f} to {rise.train[1]:.3f}"
        )
        evidence |= {"lowest_val_loss": rise.val[0], "last_val_loss": rise.val[1]}
        evidence |= {"train_loss_then": rise.train[0], "last_train_loss": rise.train[1]}
    if gap is not None:
        epoch, known, new = gap
        begun.append(epoch)
        seen.append(
            f"macro recall is {percent(known)} on training photos against {percent(new)} on "
            f"validation photos, a gap that opened in epoch {epoch}"
        )
        evidence |= {"train_macro_recall": known, "val_macro_recall": new}
    said = " and ".join(seen)
    tries = ["augmentation=strong", "a smaller model"]
    tries += [f"trainer.max_epochs={begun[0] + 1}"] if rise is not None else []
    return Diagnosis(
        "overfitting",
        f"The network overfits: {said}. Usually there are too few different photos for so many "
        f"weights, in rare classes most of all. Try {' or '.join(tries)}.",
        evidence | {"since_epoch": min(begun)},
    )


class _Rise(NamedTuple):
    """A validation loss that rises while the training loss falls.

    Attributes:
        begun: Place where the validation loss was lowest.
        val: The validation loss there and in the end, each the median of three epochs.
        train: The training loss there, and its mean of the last three epochs.
    """

    begun: int
    val: tuple[float, float]
    train: tuple[float, float]


def _rise(train: Floats, val: Floats, chance: float) -> _Rise | None:
    """A rise of the validation loss by more than it wavers."""
    if len(val) < 6:
        return None
    smooth = np.array([np.median(val[max(i - 1, 0) : i + 2]) for i in range(len(val))])
    lowest = int(smooth.argmin())
    after = val[lowest + 1 :]
    if len(after) < 4 or _trend(after) < 0.4:
        return None
    # Second differences know no slope; their spread is the root of 6 of that of the values.
    wavering = float(np.median(np.abs(np.diff(val, 2)))) / 0.6745 / np.sqrt(6)
    low, high = float(smooth[lowest]), float(np.median(val[-_LAST:]))
    if high - low < max(4 * wavering, 0.1 * low, 0.05 * chance):
        return None
    then, now = float(train[lowest]), float(train[-_LAST:].mean())
    return _Rise(lowest, (low, high), (then, now)) if now < 0.95 * then else None


def _gap(curves: Curves, support: Floats) -> tuple[int, float, float] | None:
    """Epoch where a gap of recalls opened, and both recalls in the end."""
    gaps = curves.train_recall - curves.val_recall
    epochs = np.flatnonzero(np.isfinite(gaps))
    there = support[support > 0]
    if len(epochs) < 5 or not len(there):
        return None
    last = epochs[-_LAST:]
    known = float(curves.train_recall[last].mean())
    new = float(curves.val_recall[last].mean())
    smoothed = (new * there + 1) / (there + 2)  # of each class: has a spread at 0 and 1, too
    error = float(np.sqrt((smoothed * (1 - smoothed) / (there + 2)).sum()) / len(there))
    if known - new - 2 * error < 0.1:
        return None
    narrow = np.flatnonzero(gaps[epochs] <= (known - new) / 2)
    begun = int(epochs[min(int(narrow[-1]) + 1, len(epochs) - 1)]) if len(narrow) else 0
    return begun, known, new


def high_rate(seen: Seen, curves: Curves, chance: float, setup: Setup) -> Diagnosis | None:
    """Notices a loss that explodes, comes back and explodes again, or stays above guessing.

    Args:
        seen: Losses within epochs.
        curves: By epoch.
        chance: The training loss of the best constant answer.
        setup: What was configured.
    """
    if seen.steps < 10:
        return None
    losses = _known(curves.train_loss)
    start = max(chance, seen.first_loss)
    parts = [(epoch, part) for epoch, of in enumerate(seen.losses) for part in of]
    blown = [(epoch, part) for epoch, part in parts if part > 2 * start]
    spikes = _spikes(seen, chance)
    above = len(losses) >= ENOUGH_EPOCHS and losses[-1] > 1.1 * chance and not _falls(losses)
    if not (blown or spikes or above):
        return None
    signs = []
    if blown:
        epoch, worst = max(blown, key=lambda of: of[1])
        signs.append(
            f"it rose to {worst:.3g} in epoch {epoch}, from {seen.first_loss:.3g} before "
            "anything was learned"
        )
    if spikes:
        signs.append(
            f"it jumped back to {max(spikes.values()):.3g} in "
            f"{_epochs(list(spikes))}, above the {chance:.3g} of guessing"
        )
    if above:
        signs.append(f"it ends at {losses[-1]:.3g}, above the {chance:.3g} of guessing")
    first = min([epoch for epoch, _ in blown] + list(spikes) + ([len(losses) - 1] if above else []))
    return Diagnosis(
        "learning_rate_too_high",
        f"The training loss is unstable: {'; '.join(signs)}. Usually the learning rate is too "
        f"high. Try {setup.rate(0.1)} or trainer.gradient_clip_val=1.0.",
        {
            "first_loss": seen.first_loss,
            "highest_loss": max(part for _, part in parts),
            "last_loss": float(losses[-1]) if len(losses) else "none",
            "loss_of_guessing": chance,
            "since_epoch": first,
            "epochs_with_spikes": len(spikes),
        },
    )


def _spikes(seen: Seen, chance: float) -> dict[int, float]:
    """Highest part of each epoch that jumped up after the loss had been low.

    The epoch as a whole must be worse than an earlier one: a single hard batch is none.
    """
    found: dict[int, float] = {}
    lowest = np.inf
    for epoch, parts in enumerate(seen.losses):
        if not parts:
            continue
        highest, mean = max(parts), float(np.mean(parts))
        worse = mean > max(1.5 * lowest, 0.8 * chance)
        if lowest < 0.8 * chance and highest > 1.5 * chance and worse:
            found[epoch] = highest
        lowest = min(lowest, mean)
    return found


def _epochs(places: list[int]) -> str:
    return f"epoch {places[0]}" if len(places) == 1 else f"{len(places)} epochs from {places[0]} on"


def low_rate(curves: Curves, chance: float, setup: Setup) -> Diagnosis | None:
    """Notices a loss that has barely moved and is still falling steadily when training ends.

    Args:
        curves: By epoch.
        chance: The training loss of the best constant answer.
        setup: What was configured.
    """
    losses = _known(curves.train_loss)
    if len(losses) < 4 or not _falls(losses):
        return None
    if losses[-1] < 0.85 * losses[0] or losses[-1] < 0.85 * chance:
        return None
    if losses[0] - losses[-1] < 0.02 * chance and not (np.diff(losses) < 0).all():
        return None  # may be noise
    middle = len(losses) // 2
    early, late = losses[0] - losses[middle], losses[middle] - losses[-1]
    if late < 0.25 * early:
        return None
    return Diagnosis(
        "learning_rate_too_low",
        f"In {len(losses)} epochs the training loss has barely moved, from {losses[0]:.3f} to "
        f"{losses[-1]:.3f} (guessing gives {chance:.3f}), and was still falling steadily when "
        "training ended. Usually the learning rate is too low, or training too short. Try "
        f"{setup.rate(10)} or trainer.max_epochs={4 * setup.epochs}.",
        {
            "first_epoch_loss": float(losses[0]),
            "last_epoch_loss": float(losses[-1]),
            "loss_of_guessing": chance,
            "epochs": len(losses),
            "share_of_falling_epochs": float((np.diff(losses) < 0).mean()),
        },
    )


def _falls(losses: Floats) -> bool:
    return bool(losses[-1] < losses[0] and (np.diff(losses) < 0).mean() >= 0.8)


def _trend(values: Floats) -> float:
    """Kendall's tau of values and their order, in [-1, 1]: share of rising pairs minus falling."""
    later, earlier = np.triu_indices(len(values), 1)[::-1]
    return float(np.sign(values[later] - values[earlier]).mean())


def _known(values: Floats) -> Floats:
    return values[np.isfinite(values)]
