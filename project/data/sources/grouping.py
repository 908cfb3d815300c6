"""Which photos belong together and must not be torn apart by a split."""

import re
from collections.abc import Sequence

from project.data.sources.listing import composed, first_few
from project.errors import ConfigError, DataError


def compiled(pattern: str, key: str) -> re.Pattern[str]:
    """Compiles a configured regular expression.

    Args:
        pattern: The expression.
        key: Where it was configured, for the message.

    Returns:
        The compiled expression.

    Raises:
        ConfigError: It is not a regular expression.
    """
    try:
        return re.compile(composed(pattern))
    except re.error as error:
        raise ConfigError(f'{key}="{pattern}" is not a regular expression: {error}.') from error


def groups_by_pattern(paths: Sequence[str], pattern: str) -> list[str]:
    """Reads the group of each photo out of its path.

    Args:
        paths: Relative paths.
        pattern: Regular expression that is searched in the path. The group is what its part
            named ``group`` matched, or else its first part in parentheses.

    Returns:
        One group name a path.

    Raises:
        ConfigError: The pattern is broken or has no part in parentheses.
        DataError: Some paths do not match.

    Example:
        >>> groups_by_pattern(["left/anna_01.jpg", "right/anna_02.jpg"], "([a-z]+)_[0-9]+")
        ['anna', 'anna']
    """
    regex = compiled(pattern, "data.source.group_pattern")
    if not regex.groups:
        raise ConfigError(
            f'data.source.group_pattern="{pattern}" does not say which part names the '
            "group; put that part in parentheses."
        )
    part: str | int = "group" if "group" in regex.groupindex else 1
    matches = [regex.search(composed(path)) for path in paths]
    groups = [match and match[part] for match in matches]
    lost = [path for path, group in zip(paths, groups, strict=True) if group is None]
    if lost:
        raise DataError(
            f'data.source.group_pattern="{pattern}" finds no group in {len(lost):,} of '
            f"{len(paths):,} paths: {first_few(lost)}. Widen it, or leave these files out with "
            "data.source.exclude."
        )
    return [group for group in groups if group is not None]


def groups_by_level(paths: Sequence[str], class_depth: Sequence[int], level: int) -> list[str]:
    """Takes a folder below the class folder for the group.

    Args:
        paths: Relative paths.
        class_depth: For each path, the position of its class folder (0: the first folder).
        level: 0 for the folder directly below the class folder, 1 for the one below it, ...

    Returns:
        One group name a path: the name of that folder alone, so that folders of the same name
        below two classes are one group.

    Raises:
        ConfigError: The level is negative.
        DataError: Some files do not lie that deep.
    """
    if level < 0:
        raise ConfigError(
            "Expected data.source.group_level to be 0 (the folder below the class folder) or "
            f"more, got {level}."
        )
    folders = [path.split("/")[:-1] for path in paths]
    positions = [depth + 1 + level for depth in class_depth]
    shallow = [
        path
        for path, names, position in zip(paths, folders, positions, strict=True)
        if len(names) <= position
    ]
    if shallow:
        raise DataError(
            f"data.source.group_level={level} expects every file at least {level + 1} folders "
            f"below its class folder, but {len(shallow):,} files are not: {first_few(shallow)}."
        )
    return [names[position] for names, position in zip(folders, positions, strict=True)]
