"""Searches over configurations: the trials of a study are the jobs of a sweep."""

import logging
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console

from project.atomic import write_text
from project.errors import ConfigError
from project.launch.cli.options import flags_of
from project.launch.cli.outcome import report_failure
from project.launch.jobs.composing import entry_module
from project.launch.search.objectives import Objective
from project.launch.search.settings import Search, read_search
from project.launch.search.source import DIRECTORY, ERROR, Compose, OptunaSource
from project.launch.search.space import read_space
from project.launch.search.study import SearchStudy
from project.report.search.text import print_search
from project.report.search.trials import Ended, Goal, Searched, Tried, as_csv
from project.runs.sweeps import JobStatus, SweepDirectory

log = logging.getLogger(__name__)

_STATES: dict[TrialState, Ended] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}
_OVERLAY = "sweep=optuna"  # sets nothing but that there is a search


def search(
    options: Mapping[str, Any],
    arguments: Sequence[str],
    config: DictConfig,
    config_loader: ConfigLoader,
    launcher: Any,
) -> list[JobStatus]:
    """Runs a search, or goes on with it, and reports what was found.

    Args:
        options: ``hydra.sweeper``.
        arguments: Overrides of the command line.
        config: The configuration of the sweep, with its part ``hydra``.
        config_loader: Knows the options of groups.
        launcher: Runs the trials.

    Returns:
        How each trial is in the end.

    Raises:
        EvenhandError: If the search cannot be as it is set, or its study is one of another search.
        KeyboardInterrupt: After Ctrl-C; what was found until then is reported.
    """
    stream = getattr(launcher, "stream", None)
    if stream is None:
        raise ConfigError(
            f"hydra/sweeper=optuna: expected a launcher that takes one job after the other, got "
            f"{type(launcher).__name__}. Leave hydra/launcher away, or take local, slurm or ray."
        )
    plain = {key: _plain(value) for key, value in options.items()}
    words = [word for word in arguments if word != _OVERLAY]
    sweep = SweepDirectory(Path(config.hydra.sweep.dir).absolute())
    space = read_space(plain["params"] or {}, words, config_loader)
    settings = read_search(plain, space, sweep.path, _monitored(config))
    _say(settings)
    sources: list[OptunaSource] = []

    def make_source(compose: Compose) -> OptunaSource:
        sources.append(OptunaSource(settings, sweep, compose))
        return sources[0]

    try:
        statuses: list[JobStatus] = stream(make_source)
    finally:
        for source in sources:
            _conclude(settings, source, sweep)
    return statuses


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def _monitored(config: DictConfig) -> Objective:
    if "monitor" not in config:
        raise ConfigError(
            "hydra/sweeper=optuna: expected a command that trains, got one that monitors nothing. "
            "Search with project.train."
        )
    return Objective(config.monitor, "minimize" if config.monitor_mode == "min" else "maximize")


def _say(search: Search) -> None:
    log.info(
        "Searching for the best %s with %s, %d trials in all: %s",
        " and ".join(objective.name for objective in search.objectives),
        search.sampler,
        search.n_trials,
        "; ".join(f"{key}: {words}" for key, words in search.space.described().items()),
    )
    population = search.sampler_options.get("population_size", 50)
    if search.sampler == "nsgaii" and population >= search.n_trials:
        log.warning(
            "nsgaii draws its first %d trials at random, and there are %d: set "
            "hydra.sweeper.sampler_options={population_size: <number>}.",
            population,
            search.n_trials,
        )


def _conclude(search: Search, source: OptunaSource, sweep: SweepDirectory) -> None:
    """Leaves the study and reports; nothing here may cost the sweep its result."""
    for number in source.not_composed:
        report_failure(f"trial={number:04}")
    try:
        source.close()
        _report(search, source.study, sweep)
    # Databases, figures and disks each have errors of their own, and all are less than the result.
    except Exception as error:  # noqa: BLE001
        log.warning("The search is not reported: %s: %s", type(error).__name__, error)


def _report(search: Search, study: SearchStudy, sweep: SweepDirectory) -> None:
    """Says what was best, and draws."""
    searched = _searched(search, study)
    print_search(searched, Console())
    if not searched.importances and len(searched.complete) > 1:
        log.info("Which parameter matters cannot be told: the trials are too few or too alike.")
    folder = sweep.path / "search"
    write_text(folder / "trials.csv", as_csv(searched))
    _draw(searched, folder)
    print(f"\nTrials and figures: {folder}")


def _draw(searched: Searched, folder: Path) -> None:
    from project.report.figures import save  # noqa: PLC0415 - heavy, when all else is done
    from project.report.search.figures import figures  # noqa: PLC0415

    for name, figure in figures(searched).items():
        save(figure, folder / f"{name}.png")


def _searched(search: Search, study: SearchStudy) -> Searched:
    """The search as plain values."""
    kinds = search.space.parameters
    return Searched(
        goals=[Goal(one.name, one.direction == "maximize") for one in search.objectives],
        trials=[_tried(search, trial) for trial in study.trials],
        best=[trial.number for trial in study.best],
        importances=_importances(study),
        logarithmic=frozenset(key for key, kind in kinds.items() if getattr(kind, "log", False)),
    )


def _importances(study: SearchStudy) -> dict[str, float]:
    # Optuna's message for too few trials, or for trials that all reached the same.
    with suppress(ValueError, RuntimeError):
        return study.importances()
    return {}


def _tried(search: Search, trial: FrozenTrial) -> Tried:
    # Not for a trial whose launcher died while it chose.
    chosen = search.space.parameters.keys() <= trial.params.keys()
    return Tried(
        number=trial.number,
        state=_STATES.get(trial.state, "running"),
        parameters=search.space.used(trial.params) if chosen else {},
        values=tuple(trial.values or ()),
        reported=trial.intermediate_values,
        directory=trial.user_attrs.get(DIRECTORY, ""),
        command=_command(search, trial.params) if chosen else "",
        error=trial.user_attrs.get(ERROR, ""),
    )


def _command(search: Search, chosen: Mapping[str, Any]) -> str:
    """What trains such a trial as a single run."""
    words = search.space.overrides(chosen)
    single = ["hydra.mode=RUN"] if any(word.startswith("sweep=") for word in words) else []
    return shlex.join(["python", "-m", entry_module(), *flags_of(sys.argv[1:]), *words, *single])
