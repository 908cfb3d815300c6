"""What a user can get wrong, as one small tree of ``ValueError``.

Every message says what was expected, what was found and where, and what to do next. Programmer
errors are assertions instead.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class EvenhandError(ValueError):
    """Base of every error that a user can cause and cure."""


class ConfigError(EvenhandError):
    """A key, an option or a value of the configuration cannot be used."""


class DataError(EvenhandError):
    """The photos, their labels or their splits cannot be used."""


class ModelError(EvenhandError):
    """A backbone, its weights or a loss cannot be built."""


class RunError(EvenhandError):
    """A run directory is missing, incomplete or not what was asked for."""


class TrainingError(EvenhandError):
    """Training went somewhere from which it cannot go on."""


class Pruned(EvenhandError):  # noqa: N818 - a search decided so, nothing is wrong
    """A search stops a run that falls behind the others: it is neither finished nor failed."""


def suggestion(name: str, options: Iterable[str]) -> str:
    """Ends an error message with the nearest valid name, if one is near.

    Args:
        name: What the user wrote.
        options: What would have been valid.

    Returns:
        A sentence with a leading space, or an empty string.

    Example:
        >>> suggestion("resnet8", ["resnet18", "vgg11"])
        ' Did you mean "resnet18"?'
        >>> suggestion("banana", ["resnet18", "vgg11"])
        ''
    """
    near = get_close_matches(name, list(options), n=1, cutoff=0.6)
    return f' Did you mean "{near[0]}"?' if near else ""
