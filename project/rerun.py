"""``python -m project.rerun``: trains a finished run again, exactly or with other overrides."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from project.errors import ConfigError
from project.launch.command import command
from project.launch.quoting import as_list
from project.launch.recomposition import Earlier, recompose
from project.runs.fingerprint import recipe_fingerprint
from project.runs.record import RunRecord

_OWN = re.compile(r"(run|compare|overrides|hydra[./].*|paths[.].*)=")
_OVERRIDE = re.compile(r"[^-].*=|~")


def main() -> None:
    """Reads the command line."""
    command("rerun", run, gathered)


def run(cfg: DictConfig) -> RunRecord:
    """Composes the run's configuration again, trains and compares; see `project.rerunning.rerun`.

    Args:
        cfg: A composed ``rerun`` configuration.

    Returns:
        The record of the new run.

    Raises:
        EvenhandError: If the run cannot be used, its configuration no longer fits, or training
            cannot go on.
    """
    if OmegaConf.is_missing(cfg, "run"):
        raise ConfigError("run: a value is needed and none was given. Add run=<run directory>.")
    earlier = Earlier.open(Path(cfg.run))
    paths = {str(key): str(value) for key, value in cfg.paths.items()}
    new = recompose(earlier, [str(override) for override in cfg.overrides], paths)
    if cfg.compare:
        _refuse_same_recipe(earlier.config, new.config)
    from project.rerunning import rerun  # noqa: PLC0415 - heavy, and mistakes are found before

    return rerun(earlier, new, compare=cfg.compare)


def _refuse_same_recipe(then: dict[str, Any], now: dict[str, Any]) -> None:
    if recipe_fingerprint(then) == recipe_fingerprint(now):
        raise ConfigError(
            "compare=true: expected an override that makes another recipe than the run's, got none "
            "but of the seed or of what cannot change a result. Leave compare=true out, or "
            "override something, such as oversampling=none."
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
    if {"-m", "--multirun"} & set(arguments):
        raise ConfigError(
            "--multirun: expected one run to train again, got a sweep. Sweep with project.train, "
            "or start project.rerun once for each job."
        )
    overrides = [a for a in arguments if _OVERRIDE.match(a) and not _OWN.match(a)]
    if not overrides:
        return list(arguments)
    if any(a.startswith("overrides=") for a in arguments):
        raise ConfigError(
            f"overrides: expected all overrides in one way, got the list and {overrides[0]}. Leave "
            "the list out, and write its words as they are."
        )
    # Where keys begin, as Hydra wants all of them side by side.
    place = next(n for n, argument in enumerate(arguments) if _OVERRIDE.match(argument))
    rest = [a for a in arguments if a not in overrides]
    return [*rest[:place], f"overrides={as_list(overrides)}", *rest[place:]]


if __name__ == "__main__":
    main()
