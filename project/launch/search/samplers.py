"""Which values a search tries next, and which trials it ends early."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
from optuna import pruners, samplers
from optuna.exceptions import ExperimentalWarning

from project.errors import ConfigError, suggestion
from project.launch.composition.signatures import check_arguments
from project.launch.packages import require
from project.launch.search.space import Space, grid

SAMPLERS: dict[str, type[samplers.BaseSampler]] = {
    "tpe": samplers.TPESampler,
    "random": samplers.RandomSampler,
    "grid": samplers.GridSampler,
    "cmaes": samplers.CmaEsSampler,
    "gp": samplers.GPSampler,
    "nsgaii": samplers.NSGAIISampler,
}
PRUNERS: dict[str, type[pruners.BasePruner]] = {
    "none": pruners.NopPruner,
    "median": pruners.MedianPruner,
    "percentile": pruners.PercentilePruner,
    "hyperband": pruners.HyperbandPruner,
    "successive_halving": pruners.SuccessiveHalvingPruner,
}
SEVERAL_OBJECTIVES = ("tpe", "random", "grid", "gp", "nsgaii")
_SAY_NOTHING = {"warn_independent_sampling": False}  # it would at every trial
_OWN = {"cmaes": _SAY_NOTHING, "gp": _SAY_NOTHING}
_OURS = ("seed", "search_space")  # arguments that are set here


def make_sampler(
    name: str, options: Mapping[str, Any], space: Space, seed: int, *place: int
) -> samplers.BaseSampler:
    """Builds a sampler for one place in a search.

    What it knows of other trials it reads from the study, and what it draws follows from seed and
    place: a search that was killed draws nothing again.

    Args:
        name: One of `SAMPLERS`.
        options: Its arguments.
        space: What may be chosen.
        seed: Of the search.
        *place: Number of the trial, then of a parameter that is drawn for itself.

    Raises:
        ConfigError: If there is no such sampler, or the space is none for it.
    """
    kind = _kind(name, SAMPLERS, "hydra.sweeper.sampler")
    own: dict[str, Any] = {**_OWN.get(name, {}), **options}
    if (
        name == "grid"
    ):  # one order for all trials of all launches, so that each takes the next point
        own |= {"search_space": grid(space), "seed": 0}
    else:
        own["seed"] = int(np.random.SeedSequence([seed, *place]).generate_state(1)[0])
    built: samplers.BaseSampler = _built(kind, own, "hydra.sweeper.sampler_options")
    return built


def check_sampler(name: str, options: Mapping[str, Any]) -> None:
    """Compares a sampler's arguments with what it takes.

    Args:
        name: One of `SAMPLERS`.
        options: Its arguments.

    Raises:
        ConfigError: If there is no such sampler or argument, or it needs a package.
    """
    path = "hydra.sweeper.sampler"
    kind = _kind(name, SAMPLERS, path)
    if name == "cmaes":
        require("cmaes", f"{path}=cmaes", "optuna")
    if ours := [option for option in options if option in _OURS]:
        raise ConfigError(f"{path}_options.{ours[0]}: expected hydra.sweeper.seed instead.")
    check_arguments(kind, options, f"{path}_options")


def make_pruner(name: str, options: Mapping[str, Any]) -> pruners.BasePruner:
    """Builds a pruner.

    Args:
        name: One of `PRUNERS`.
        options: Its arguments; a step is an epoch.

    Raises:
        ConfigError: If there is no such pruner or argument.
    """
    path = "hydra.sweeper.pruner"
    kind = _kind(name, PRUNERS, path)
    check_arguments(kind, options, f"{path}_options")
    built: pruners.BasePruner = _built(kind, options, f"{path}_options")
    return built


def trials_of_grid(space: Space) -> int:
    """How many points a grid has.

    Args:
        space: What may be chosen.

    Raises:
        ConfigError: If a parameter is an interval.
    """
    return int(np.prod([len(values) for values in grid(space).values()]))


def _kind(name: str, known: Mapping[str, type], path: str) -> type:
    if name not in known:
        raise ConfigError(
            f"{path}: expected one of {', '.join(known)}, got {name!r}.{suggestion(name, known)}"
        )
    return known[name]


def _built(kind: type, options: Mapping[str, Any], path: str) -> Any:
    try:
        with warnings.catch_warnings():
            # It was chosen by name, and a new one is built for every trial.
            warnings.simplefilter("ignore", ExperimentalWarning)
            return kind(**options)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{path}: {kind.__name__} cannot be built: {error}") from error


def be_quiet() -> None:
    """Has Optuna log what is wrong only: the sweep itself tells how trials end."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
