"""What can be set about a search, checked before anything starts."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from project.errors import ConfigError
from project.launch.search.objectives import Objective, read_objectives
from project.launch.search.samplers import (
    SEVERAL_OBJECTIVES,
    check_sampler,
    make_pruner,
    make_sampler,
    trials_of_grid,
)
from project.launch.search.space import Space
from project.launch.search.storage import address_of


@dataclass(frozen=True)
class Search:
    """One search.

    Attributes:
        space: What may be chosen.
        objectives: What is made large or small.
        n_trials: Trials in all, however often the search is started.
        sampler: Name of the sampler.
        sampler_options: Its arguments.
        seed: Of what the sampler draws.
        pruner: Name of the pruner.
        pruner_options: Its arguments.
        storage: Address of the study's storage.
        study: Name of the study.
    """

    space: Space
    objectives: tuple[Objective, ...]
    n_trials: int
    sampler: str
    sampler_options: Mapping[str, Any]
    seed: int
    pruner: str
    pruner_options: Mapping[str, Any]
    storage: str
    study: str


def read_search(
    options: Mapping[str, Any], space: Space, sweep: Path, monitor: Objective
) -> Search:
    """Reads ``hydra.sweeper``.

    Args:
        options: Its plain values.
        space: What may be chosen.
        sweep: Directory of the sweep.
        monitor: What a run monitors.

    Returns:
        The search; that of a grid has no more trials than the grid has points.

    Raises:
        ConfigError: If something cannot be used, or does not go together.
    """
    objectives = read_objectives(
        options["objective"], options["direction"], monitor, allow_test=options["allow_test"]
    )
    search = Search(
        space=space,
        objectives=tuple(objectives),
        n_trials=_whole("n_trials", options["n_trials"], 1),
        sampler=options["sampler"],
        sampler_options=options["sampler_options"] or {},
        seed=_whole("seed", options["seed"], 0),
        pruner=options["pruner"] or "none",
        pruner_options=options["pruner_options"] or {},
        storage=address_of(options["storage"], sweep),
        study=str(options["study_name"] or sweep.name),
    )
    check_sampler(search.sampler, search.sampler_options)
    make_sampler(search.sampler, search.sampler_options, space, search.seed)
    make_pruner(search.pruner, search.pruner_options)
    _check_several(search)
    if search.sampler != "grid":
        return search
    points = trials_of_grid(space)
    return replace(search, n_trials=min(search.n_trials, points))


def _whole(key: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(
            f"hydra.sweeper.{key}: expected a whole number from {least}, got {value!r}."
        )
    return value


def _check_several(search: Search) -> None:
    """What works with one objective only."""
    first, several = search.objectives[0], len(search.objectives) > 1
    if several and search.sampler not in SEVERAL_OBJECTIVES:
        raise ConfigError(
            f"hydra.sweeper.sampler={search.sampler}: expected one of "
            f"{', '.join(SEVERAL_OBJECTIVES)} for {len(search.objectives)} objectives."
        )
    if search.pruner != "none" and (several or not first.is_validated):
        names = ", ".join(objective.name for objective in search.objectives)
        raise ConfigError(
            f"hydra.sweeper.pruner={search.pruner}: expected one objective that each validation "
            f"measures, such as val/macro_recall, got {names}. Add hydra.sweeper.pruner=none."
        )
