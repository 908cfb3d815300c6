"""Settings of a launcher that are handed on by name."""

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from project.errors import ConfigError, suggestion

Settings = TypeVar("Settings")


def settings(kind: type[Settings], given: Mapping[str, Any]) -> Settings:
    """Makes settings of what a configuration says.

    Args:
        kind: A dataclass; its fields are what can be set.
        given: Value by name.

    Raises:
        ConfigError: If one of them does not exist.
    """
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for name in given:
        if name not in known:
            raise ConfigError(
                f"hydra.launcher.{name}: expected one of {', '.join(known)}."
                f"{suggestion(name, known)}"
            )
    return kind(**given)


def at_most(max_jobs: int | None) -> float:
    """The most jobs at the same time.

    Args:
        max_jobs: As configured; None: any number.

    Raises:
        ConfigError: If there are to be no jobs at all.
    """
    if max_jobs is None:
        return math.inf
    if max_jobs < 1:
        raise ConfigError(f"hydra.launcher.max_jobs: expected 1 or more, or null, got {max_jobs}.")
    return max_jobs
