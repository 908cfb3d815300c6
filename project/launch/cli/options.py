"""What Hydra's own flags on a command line ask for, and which words are not Hydra's."""

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class _Flag:
    """A flag that Hydra knows.

    Attributes:
        long: Its name, of which Hydra takes the beginning as well.
        short: Its other name.
        has_value: Whether the next word is its value, unless one follows an equals sign.
        finds: Whether it says where configurations are to be found. The others ask for something
            else than a run, or say by themselves how to run.
    """

    long: str
    short: str | None = None
    has_value: bool = False
    finds: bool = False


_FLAGS = (
    _Flag("--help", "-h"),
    _Flag("--hydra-help"),
    _Flag("--version"),
    _Flag("--cfg", "-c", has_value=True),
    _Flag("--resolve"),
    _Flag("--package", "-p", has_value=True),
    _Flag("--run", "-r"),
    _Flag("--multirun", "-m"),
    _Flag("--shell-completion", "-sc"),
    _Flag("--config-path", "-cp", has_value=True, finds=True),
    _Flag("--config-name", "-cn", has_value=True, finds=True),
    _Flag("--config-dir", "-cd", has_value=True, finds=True),
    _Flag("--experimental-rerun", has_value=True),
    _Flag("--info", "-i"),  # may have a value
)
_BY_NAME = {name: flag for flag in _FLAGS for name in (flag.long, flag.short) if name}
_SWEEP = re.compile(r"\+{0,2}sweep=(?P<option>.+)")
_MODE = re.compile(r"\+{0,2}hydra\.mode=")
_NO_OPTION = ("null", "")


def without_options(arguments: Sequence[str]) -> list[str]:
    """Leaves out Hydra's flags and their values.

    Args:
        arguments: The words of the command line.

    Returns:
        The others, in their order.

    Example:
        >>> without_options(["--cfg", "job", "outputs/sweeps/one", "margin=0.02", "--resolve"])
        ['outputs/sweeps/one', 'margin=0.02']
    """
    before = ["", *arguments]
    return [
        word
        for word, previous in zip(arguments, before, strict=False)
        if not (_takes_next(previous) or word.startswith("-"))
    ]


def asks_for(flag: str, arguments: Sequence[str]) -> bool:
    """Whether a command line has a flag, by any of its names.

    Args:
        flag: Its long name.
        arguments: The words of the command line.

    Example:
        >>> asks_for("--multirun", ["seed=1,2", "--multi"]), asks_for("--multirun", ["-h"])
        (True, False)
    """
    return any(_is(word, _BY_NAME[flag]) for word in arguments)


def flags_of(arguments: Sequence[str]) -> list[str]:
    """Where a command line says that configurations are to be found.

    Args:
        arguments: Its words.

    Returns:
        Each flag, by its long name, and its value.

    Example:
        >>> flags_of(["--multirun", "-cd=mine", "seed=1"])
        ['--config-dir', 'mine']
    """
    found: list[str] = []
    words = iter(arguments)
    for word in words:
        name, has_value, value = word.partition("=")
        flag = _BY_NAME.get(name)
        if flag and flag.finds:
            found += [flag.long, value if has_value else next(words, "")]
    return found


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


def _takes_next(word: str) -> bool:
    return word in _BY_NAME and _BY_NAME[word].has_value


def _asks_for_something_else(word: str) -> bool:
    return any(_is(word, flag) for flag in _FLAGS if not flag.finds)


def _is(word: str, flag: _Flag) -> bool:
    name = word.partition("=")[0]
    # Long ones may be shortened; two dashes alone are no flag.
    return name == flag.short or (len(name) > 2 and flag.long.startswith(name))
