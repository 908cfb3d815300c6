"""``python -m project.prepare``: raw class folders to train, val and test, all of it verified."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from project.errors import ConfigError
from project.launch.cli.command import command
from project.launch.cli.options import asks_for
from project.launch.leaving import leave_after

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from project.data.catalog.catalog import Catalog


def main() -> None:
    """Reads the command line."""
    command("prepare", run, one)


def run(cfg: "DictConfig") -> "Catalog":
    """Splits, writes and verifies; see `project.commands.preparing.prepare`."""
    from project.commands.preparing import prepare  # noqa: PLC0415 - heavy, and not needed for --help

    return prepare(cfg)


def one(arguments: Sequence[str]) -> list[str]:
    """Refuses sweeps.

    Args:
        arguments: The words of the command line.

    Returns:
        The same words.

    Raises:
        ConfigError: If a sweep is asked for.
    """
    if asks_for("--multirun", arguments):
        raise ConfigError(
            "--multirun: expected one folder at a time; start project.prepare for each."
        )
    return list(arguments)


if __name__ == "__main__":
    leave_after(main)
