"""Which command lines ask for a sweep."""

import re
from collections.abc import Sequence

_SWEEP = re.compile(r"\+{0,2}sweep=(?P<option>.+)")
_MODE = re.compile(r"\+{0,2}hydra\.mode=")
_NO_OPTION = ("null", "")
# Flags that ask for something else than a run, or say by themselves how to run.
_SHORT = ("-m", "-r", "-h", "-c", "-i", "-sc", "-p")
_LONG = (
    "--multirun", "--run", "--help", "--hydra-help", "--cfg", "--info", "--version",
    "--shell-completion", "--resolve", "--package", "--experimental-rerun",
)  # fmt: skip


def with_multirun(arguments: Sequence[str]) -> list[str]:
    """Has ``sweep=<option>`` start a sweep, for which Hydra wants a flag as well.

    Hydra 1.4 no longer looks for ``hydra.mode`` in an option, and 1.3 hides mistakes when it does.

    Args:
        arguments: The words of the command line.

    Returns:
        The words, with ``--multirun`` if there is such an option, and neither a mode nor a flag
        that asks for something else.

    Example:
        >>> with_multirun(["sweep=optuna", "seed=1,2"])
        ['--multirun', 'sweep=optuna', 'seed=1,2']
    """
    options = [found["option"] for word in arguments if (found := _SWEEP.fullmatch(word))]
    asked = bool(options) and options[-1] not in _NO_OPTION
    told = any(_asks_for_something_else(word) or _MODE.match(word) for word in arguments)
    return ["--multirun", *arguments] if asked and not told else list(arguments)


def _asks_for_something_else(word: str) -> bool:
    flag = word.partition("=")[0]
    # Long ones may be shortened; two dashes alone are no flag.
    return flag in _SHORT or (len(flag) > 2 and any(long.startswith(flag) for long in _LONG))
