"""Which classes a network answers."""

import math
from collections.abc import Sequence

from project.callbacks.diagnoses.seen import ENOUGH_EPOCHS, Setup, Validation, begin, percent
from project.runs.record import Diagnosis

_NEARLY_ALL = 0.97  # of the answers
_NOT_ALL = 0.9  # of the photos: above it, they are nearly one class themselves
_BY_CHANCE = 1e-3
_ENOUGH_PHOTOS = 5  # a network that finds every second one misses all of them once in 32 times
_NAMED = 4


def collapse(
    seen: Sequence[Validation], setup: Setup, cause: Diagnosis | None = None
) -> Diagnosis | None:
    """Notices that one class is answered to nearly all photos, which are not all of it.

    Args:
        seen: The validations.
        setup: What was configured.
        cause: Another diagnosis that may explain it.
    """
    since = begin(seen, _is_one_answer)
    if since is None:
        return None
    last = seen[-1]
    top, share, truth = _answer(last)
    photos = sum(last.predicted)
    return Diagnosis(
        "collapse",
        f"Since epoch {since} the network has collapsed to one answer: {last.predicted[top]} of "
        f'{photos} validation photos are taken for "{setup.classes[top]}", which '
        f"{percent(truth)} of them are. {_why(setup, cause)}",
        {
            "class": setup.classes[top],
            "share_of_answers": share,
            "share_of_photos": truth,
            "photos": photos,
            "since_epoch": since,
            "cause": cause.name if cause else "not known",
        },
    )


def _why(setup: Setup, cause: Diagnosis | None) -> str:
    if cause is None:
        balance = "" if setup.balanced else " or sampler=balanced"
        return (
            "Usually the learning rate is too high, or classes are drawn too unequally. Try "
            f"{setup.rate(0.1)}{balance}."
        )
    return {
        "clamped_logits": "Its logits are clamped: a class that is held at 0 gets no gradient and "
        "does not come back. Try head=linear, which gives plain logits.",
        "dead_units": "The units that its last layer looks at are dead, so all photos look the "
        f"same. Try {setup.rate(0.1)}, or a model with batch normalisation.",
        "learning_rate_too_low": f"It has barely begun to learn. Try {setup.rate(10)}.",
        "loss_at_chance": "Its loss is that of guessing: it has learned nothing but which answer "
        f"is the most frequent. Try {setup.rates()}.",
    }[cause.name]


def _answer(validation: Validation) -> tuple[int, float, float]:
    """The most frequent answer, its share of the answers, and of the photos."""
    photos = sum(validation.predicted)
    top = max(range(len(validation.predicted)), key=validation.predicted.__getitem__)
    return top, validation.predicted[top] / photos, validation.support[top] / photos


def _is_one_answer(validation: Validation) -> bool:
    photos = sum(validation.predicted)
    if not photos:
        return False
    _, share, truth = _answer(validation)
    if share < _NEARLY_ALL or truth > _NOT_ALL:
        return False
    return photos * _divergence(share, truth) > -math.log(_BY_CHANCE)


def _divergence(share: float, truth: float) -> float:
    """What bounds the chance of such a share, or a larger one, among answers as frequent as photos.

    Source: Hoeffding, Journal of the American Statistical Association 58 (1963) 13-30, theorem 1:
    the chance is at most exp(-n times this).
    """
    rest = (1 - share) * math.log((1 - share) / (1 - truth)) if share < 1 else 0.0
    return rest + (share * math.log(share / truth) if truth else math.inf)


def never_predicted(
    predicted: Sequence[int], support: Sequence[int], seen: Sequence[Validation], setup: Setup
) -> Diagnosis | None:
    """Notices classes that are never answered, though there are enough photos of them.

    Args:
        predicted: Photos of all splits measured that were taken for each class, ``(C,)``.
        support: Photos of each class there.
        seen: The validations in training, which tell when a class was last answered.
        setup: What was configured.
    """
    if setup.epochs < ENOUGH_EPOCHS:
        return None
    missed = [
        label
        for label, photos in enumerate(support)
        if photos >= _ENOUGH_PHOTOS and not predicted[label]
    ]
    if not missed:
        return None
    named = [
        f'"{setup.classes[label]}" ({support[label]} photos, {_last_answered(label, seen)})'
        for label in missed[:_NAMED]
    ]
    more = f" and {len(missed) - _NAMED} more classes" if len(missed) > _NAMED else ""
    rare = f"{'it is' if len(missed) == 1 else 'they are'} drawn too rarely"
    other = "the class" if len(missed) == 1 else "such a class"
    what = "the network is trained too short" if setup.balanced else rare
    tries = f"trainer.max_epochs={2 * setup.epochs}" if setup.balanced else "sampler=balanced"
    return Diagnosis(
        "class_never_predicted",
        f"No photo of validation or test is taken for {', '.join(named)}{more}. Usually {what}, "
        f"or {other} cannot be told from another. Try {tries}, and look at the confusion matrix.",
        {
            "classes": ", ".join(setup.classes[label] for label in missed),
            "photos": sum(support[label] for label in missed),
        },
    )


def _last_answered(label: int, seen: Sequence[Validation]) -> str:
    epochs = [validation.epoch for validation in seen if validation.predicted[label]]
    return f"last answered in epoch {epochs[-1]}" if epochs else "never answered in validation"
