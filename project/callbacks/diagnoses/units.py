"""Units that no photo wakes."""

from collections.abc import Sequence

from project.callbacks.diagnoses.seen import Setup, Validation, begin, percent
from project.runs.record import Diagnosis

_NEARLY_ALL = 0.9  # deep plain networks begin with half of them silent, and learn all the same
_ENOUGH_PHOTOS = 30  # rare units sleep through a few


def dead_units(seen: Sequence[Validation], setup: Setup) -> Diagnosis | None:
    """Notices that most of what the last layer gets is 0 for every photo.

    Args:
        seen: The validations.
        setup: What was configured.
    """
    since = begin(seen, _is_dead)
    if since is None:
        return None
    last = seen[-1]
    return Diagnosis(
        "dead_units",
        f"Since epoch {since} at least {percent(_NEARLY_ALL)} of the inputs of the last layer are "
        f"dead: {last.dead} of {last.units} are 0 for every validation photo, and learn nothing "
        "any more. Usually a learning rate that was too high has pushed ReLUs below 0 for good. "
        f"Try {setup.rate(0.1)}, or a model with batch normalisation.",
        {
            "dead": last.dead,
            "units": last.units,
            "share": last.dead / last.units,
            "photos": sum(last.support),
            "since_epoch": since,
        },
    )


def _is_dead(validation: Validation) -> bool:
    enough = validation.units > 0 and sum(validation.support) >= _ENOUGH_PHOTOS
    return enough and validation.dead >= _NEARLY_ALL * validation.units
