"""Paths on the command line, which Hydra's grammar would take apart."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

_PLAIN = re.compile(r"[\w./-]+", re.ASCII)
_ASSIGNMENT = re.compile(r"(?P<key>[+~]{0,2}[\w./@-]+)=(?P<value>.+)", re.DOTALL)


def quoted(argument: str) -> str:
    """Quotes a value that cannot be read without, or that names something on disk.

    Run directories are named after overrides, and photos may lie in folders of any script.

    Args:
        argument: One word of the command line.

    Returns:
        The word, its value in quotes if it needs them.

    Example:
        >>> quoted("run=outputs/seed=1"), quoted("seed=1,2")
        ('run="outputs/seed=1"', 'seed=1,2')
    """
    match = _ASSIGNMENT.fullmatch(argument)
    if match is None or (_parses(argument) and not _is_path_like_a_list(match["value"])):
        return argument
    candidate = f"{match['key']}={in_quotes(match['value'])}"
    return candidate if _parses(candidate) else argument


def path_override(key: str, path: Path) -> str:
    """Writes an override that can be pasted into a shell.

    Args:
        key: Of the configuration.
        path: Its value; any path.

    Returns:
        One word of the shell, which Hydra reads as exactly this path.

    Example:
        >>> print(path_override("data.root", Path("/a")), path_override("data.root", Path("/b, c")))
        data.root=/a 'data.root="/b, c"'
    """
    text = str(path)
    value = text if _PLAIN.fullmatch(text) else in_quotes(_uninterpolated(text))
    return shlex.quote(f"{key}={value}")


def as_list(words: Sequence[str]) -> str:
    r"""Writes words as one value of Hydra's, a list of exactly these words.

    Args:
        words: Any text; what refers to other keys does not until the words are used.

    Returns:
        The list.

    Example:
        >>> print(as_list(["data.root='/a b'", 'x="y"', "z=${seed}"]))
        ["data.root='/a b'","x=\"y\"","z=\${seed}"]
    """
    return f"[{','.join(in_quotes(_uninterpolated(word)) for word in words)}]"


def in_quotes(text: str) -> str:
    """Writes text as one value of Hydra's, whatever it holds."""
    escaped = re.sub(r'(\\*)"', r'\1\1\\"', text)
    escaped = re.sub(r"(\\+)$", r"\1\1", escaped)
    return f'"{escaped}"'


def _uninterpolated(text: str) -> str:
    return text.replace("${", r"\${")


def _parses(argument: str) -> bool:
    try:
        OverridesParser.create().parse_override(argument)
    except HydraException:
        return False
    return True


def _is_path_like_a_list(value: str) -> bool:
    try:
        return "," in value and Path(value).exists()
    except OSError:  # too long for a name
        return False
