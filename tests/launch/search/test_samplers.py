import sys
from typing import Any

import optuna
import pytest

from project.errors import ConfigError
from project.launch.search.samplers import (
    PRUNERS,
    SAMPLERS,
    check_sampler,
    make_pruner,
    make_sampler,
    trials_of_grid,
)
from project.launch.search.space import Space, read_space

SPACE = read_space({}, ["a=1,2", "b=range(1,5)"])


@pytest.mark.parametrize(
    "name", [*sorted({*SAMPLERS} - {"gp"}), pytest.param("gp", marks=pytest.mark.slow)]
)
def test_sampler_is_built_by_its_name(name: str) -> None:
    check_sampler(name, {})
    assert isinstance(make_sampler(name, {}, SPACE, 1, 0), SAMPLERS[name])


@pytest.mark.parametrize("name", PRUNERS)
def test_pruner_is_built_by_its_name(name: str) -> None:
    options = {"percentile": 25.0} if name == "percentile" else {}
    assert isinstance(make_pruner(name, options), PRUNERS[name])


def drawn(*place: int) -> dict[str, Any]:
    study = optuna.create_study(sampler=make_sampler("random", {}, SPACE, *place))
    return study.ask(dict(SPACE.parameters)).params


def test_draws_follow_from_seed_and_place() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    wide = [str(drawn(seed, number)) for seed in range(4) for number in range(4)]
    assert wide == [str(drawn(seed, number)) for seed in range(4) for number in range(4)]
    assert len(set(wide)) > 4


def test_points_of_a_grid_are_counted() -> None:
    assert trials_of_grid(SPACE) == 10
    assert trials_of_grid(Space((), {})) == 1


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("bayes", {}, "sampler: expected one of tpe, random, grid, cmaes, gp, nsgaii, got 'bayes'"),
        ("nsga2", {}, 'Did you mean "nsgaii"'),
        ("tpe", {"n_startup": 5}, "sampler_options.n_startup: TPESampler has no such argument"),
        ("tpe", {"seed": 5}, "sampler_options.seed: expected hydra.sweeper.seed instead"),
        ("grid", {"search_space": {}}, "sampler_options.search_space: expected"),
    ],
)
def test_sampler_that_cannot_be_is_refused(name: str, options: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_sampler(name, options)


def test_sampler_that_rejects_a_value_says_so() -> None:
    with pytest.raises(ConfigError, match=r"NSGAIISampler cannot be built: .*population_size"):
        make_sampler("nsgaii", {"population_size": 1}, SPACE, 1)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("half", {}, "pruner: expected one of none, median, percentile, hyperband"),
        ("median", {"warmup": 1}, "pruner_options.warmup: MedianPruner has no such argument"),
        ("percentile", {}, "pruner_options: PercentilePruner cannot be built: .*percentile"),
        ("percentile", {"percentile": 200.0}, "Percentile must be between 0 and 100"),
    ],
)
def test_pruner_that_cannot_be_is_refused(name: str, options: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_pruner(name, options)


def test_cmaes_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cmaes", None)
    with pytest.raises(ConfigError, match="sampler=cmaes: expected the package cmaes"):
        check_sampler("cmaes", {})
