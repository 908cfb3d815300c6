"""What a report needs to know of a search, as plain values."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Ended = Literal["complete", "pruned", "failed", "running"]


@dataclass(frozen=True)
class Goal:
    """A number that was made large, or small."""

    name: str
    maximize: bool


@dataclass(frozen=True)
class Tried:
    """One trial of a search.

    Attributes:
        number: From 0.
        state: How it ended, if it did.
        parameters: What was chosen, by key.
        values: What it reached, one for each goal; a pruned one what it had when it was stopped,
            others nothing.
        reported: Value of the first goal by epoch, from 0.
        directory: Name of its run directory.
        command: The command line that repeats it.
        error: Why it failed.
    """

    number: int
    state: Ended
    parameters: Mapping[str, Any]
    values: Sequence[float] = ()
    reported: Mapping[int, float] = field(default_factory=dict)
    directory: str = ""
    command: str = ""
    error: str = ""


@dataclass(frozen=True)
class Searched:
    """A search, as far as it got.

    Attributes:
        goals: One, or several.
        trials: By number.
        best: Numbers of the best trial, or of all that no other beats in every goal.
        importances: Share of the first goal's spread that each key explains, the largest first;
            empty where that cannot be told yet.
        logarithmic: Keys whose values are to be seen on a logarithmic scale.
    """

    goals: Sequence[Goal]
    trials: Sequence[Tried]
    best: Sequence[int] = ()
    importances: Mapping[str, float] = field(default_factory=dict)
    logarithmic: frozenset[str] = frozenset()

    @property
    def keys(self) -> list[str]:
        """What was chosen, in the order of the first trial."""
        return list(dict.fromkeys(key for trial in self.trials for key in trial.parameters))

    @property
    def complete(self) -> list[Tried]:
        """The trials that ran to their end."""
        return [trial for trial in self.trials if trial.state == "complete"]


def as_csv(searched: Searched) -> str:
    """All trials as a table: a row a trial, goals first, then what was chosen.

    Args:
        searched: The search.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    goals, keys = [goal.name for goal in searched.goals], searched.keys
    writer.writerow(["trial", "state", *goals, *keys, "directory", "error"])
    for trial in searched.trials:
        values = [*trial.values, *[""] * (len(goals) - len(trial.values))]
        chosen = [trial.parameters.get(key, "") for key in keys]
        writer.writerow([trial.number, trial.state, *values, *chosen, trial.directory, trial.error])
    return stream.getvalue()
