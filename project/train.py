"""``python -m project.train``: trains a classifier and leaves a run directory."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from project.errors import ConfigError
from project.launch.cli.command import command
from project.launch.cli.options import asks_for, with_multirun
from project.launch.cli.quoting import as_list, quoted
from project.launch.leaving import leave_after
from project.runs.directory import RunDirectory

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from project.runs.record import RunRecord

_PLACE = "hydra.run.dir"


def main() -> None:
    """Reads the command line."""
    command("train", run, lambda words: placed(with_multirun(words)))


def run(cfg: "DictConfig") -> "RunRecord":
    """Trains, tests and reports.

    See `project.commands.training.train` and `project.commands.resuming.resume`.
    """
    if cfg.resume is not None:
        from project.commands.resuming import resume  # noqa: PLC0415 - heavy, and not needed for --help

        return resume(cfg)
    from project.commands.training import train  # noqa: PLC0415 - heavy, and not needed for --help

    return train(cfg)


def placed(arguments: Sequence[str]) -> list[str]:
    """Has a run that goes on stay in its directory.

    Args:
        arguments: The words of the command line.

    Returns:
        The words, and where ``resume`` names a run also ``hydra.run.dir``.

    Raises:
        ConfigError: If a sweep was asked for, or another directory.
        RunError: If there is no run in the directory.
    """
    resumed = _value("resume", arguments)
    if resumed in (None, ""):
        return list(arguments)
    if asks_for("--multirun", arguments):
        raise ConfigError(
            "--multirun: expected one run to go on with, got a sweep. To go on with a sweep, give "
            "its own command again, without resume."
        )
    directory = RunDirectory.open(Path(str(resumed)))
    given = _value(_PLACE, arguments)
    if given is None:
        return [*arguments, f"{_PLACE}={as_list([str(directory.path)])[1:-1]}"]
    if Path(str(given)).resolve() != directory.path.resolve():
        raise ConfigError(
            f"{_PLACE}: expected {directory.path}, which is to go on, got {given}. Leave "
            f"{_PLACE} out."
        )
    return list(arguments)


def _value(key: str, arguments: Sequence[str]) -> object:
    """The last value that a key is given."""
    value = None
    for argument in arguments:
        if argument.startswith(f"{key}="):
            try:
                value = OverridesParser.create().parse_override(quoted(argument)).value()
            except HydraException:  # which Hydra will explain
                continue
    return value


if __name__ == "__main__":
    leave_after(main)
