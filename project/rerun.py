"""``python -m project.rerun``: trains a finished run again, exactly or with other overrides."""

import re
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from project.errors import ConfigError
from project.launch.cli.command import command
from project.launch.cli.options import asks_for
from project.launch.cli.quoting import as_list, quoted
from project.launch.composition.earlier import Earlier
from project.launch.composition.recomposition import recompose
from project.launch.leaving import leave_after
from project.report.scores import measured_split
from project.runs.record import RunRecord

_OWN = re.compile(r"\+{0,2}(run|compare|overrides|(hydra|paths)([./@].*)?)=")
_OVERRIDE = re.compile(r"[^-].*=|~")


def main() -> None:
    """Reads the command line."""
    command("rerun", run, gathered)


def run(cfg: DictConfig) -> RunRecord:
    """Composes the run's configuration again, trains and compares.

    See `project.commands.rerunning.rerun`.

    Args:
        cfg: A composed ``rerun`` configuration.

    Returns:
        The record of the new run.

    Raises:
        EvenhandError: If the run cannot be used, its configuration no longer fits, or training
            cannot go on.
    """
    _check(cfg)
    earlier = Earlier.open(Path(str(cfg.run)))
    paths = {str(key): str(value) for key, value in cfg.paths.items()}
    new = recompose(earlier, [str(override) for override in cfg.overrides], paths)
    if cfg.compare:
        earlier.refuse_vain_comparison(new.config, measured_split(earlier.record))
    from project.commands.rerunning import rerun  # noqa: PLC0415 - heavy, and mistakes are found before

    return rerun(earlier, new, compare=cfg.compare)


def _check(cfg: DictConfig) -> None:
    if OmegaConf.is_missing(cfg, "run") or cfg.run in (None, ""):
        raise ConfigError("run: a value is needed and none was given. Add run=<run directory>.")
    if OmegaConf.is_config(cfg.run):
        raise ConfigError(f"run: expected one run directory, got {cfg.run}. Rerun once for each.")
    if not isinstance(cfg.compare, bool):
        raise ConfigError(f"compare: expected true or false, got {cfg.compare!r}.")
    if not OmegaConf.is_list(cfg.overrides):
        raise ConfigError(
            f"overrides: expected a list of words, got {cfg.overrides!r}. Write them without this "
            "key, as for project.train."
        )


def gathered(arguments: Sequence[str]) -> list[str]:
    """Collects what is to be overridden in the run's configuration under the key ``overrides``.

    Args:
        arguments: The words of the command line.

    Returns:
        The words that Hydra is to read: keys of this command and options, then ``overrides``.

    Raises:
        ConfigError: If a sweep was asked for, or overrides in two ways.

    Example:
        >>> gathered(["run=outputs/runs/one", "seed=2", "--cfg", "job"])
        ['overrides=["seed=2"]', 'run=outputs/runs/one', '--cfg', 'job']
    """
    if asks_for("--multirun", arguments):
        raise ConfigError(
            "--multirun: expected one run to train again, got a sweep. Sweep with project.train, "
            "or start project.rerun once for each job."
        )
    overrides = [a for a in arguments if _OVERRIDE.match(a) and not _OWN.match(a)]
    if not overrides:
        return list(arguments)
    if any(a.lstrip("+").startswith("overrides=") for a in arguments):
        raise ConfigError(
            f"overrides: expected all overrides in one way, got the list and {overrides[0]}. Leave "
            "the list out, and write its words as they are."
        )
    # Where keys begin, as Hydra wants all of them side by side.
    place = next(n for n, argument in enumerate(arguments) if _OVERRIDE.match(argument))
    rest = [a for a in arguments if a not in overrides]
    return [*rest[:place], f"overrides={as_list([quoted(o) for o in overrides])}", *rest[place:]]


if __name__ == "__main__":
    leave_after(main)
