"""Runs that repeat one recipe, and what sets the recipes apart."""

from dataclasses import dataclass
from typing import Any

from project.runs.directory import RunDirectory


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seed alone.

    Attributes:
        name: Fit for a table: what sets the group apart from the others, as overrides.
        recipe: The recipe's fingerprint.
        runs: Directories of the runs, in the order of their seeds.
        seeds: Their seeds.
        settings: Value of each key (dotted) that differs between the groups compared; keys that
            the group's configuration lacks are left out.
    """

    name: str
    recipe: str
    runs: tuple[RunDirectory, ...]
    seeds: tuple[int, ...]
    settings: dict[str, Any]
