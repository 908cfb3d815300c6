"""Paths on the command line, which Hydra's grammar would take apart."""

import re
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

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
    escaped = re.sub(r'(\\*)"', r'\1\1\\"', match["value"])
    candidate = f'{match["key"]}="{escaped}"'
    return candidate if _parses(candidate) else argument


def _parses(argument: str) -> bool:
    try:
        OverridesParser.create().parse_override(argument)
    except HydraException:
        return False
    return True


def _is_path_like_a_list(value: str) -> bool:
    return "," in value and Path(value).exists()
