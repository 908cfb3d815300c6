"""``python -m project.compare``: which change helped, with a verdict for each metric and class."""

import glob
from collections.abc import Sequence
from typing import TYPE_CHECKING

from project.errors import ConfigError
from project.launch.cli.command import command
from project.launch.cli.options import without_options
from project.launch.cli.quoting import as_list

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from project.stats.results import Comparison


def main() -> None:
    """Reads the command line."""
    command("compare", run, arranged)


def run(cfg: "DictConfig") -> "Comparison":
    """Compares and reports; see `project.commands.comparison.compare`."""
    from project.commands.comparison import compare  # noqa: PLC0415 - heavy, and not needed for --help

    return compare(cfg)


def arranged(arguments: Sequence[str]) -> list[str]:
    """Checks the folder's name before anything is written there, and finds runs without a key.

    Args:
        arguments: The words of the command line.

    Returns:
        The words that Hydra is to read.

    Raises:
        ConfigError: If the name is no plain one, or runs are named with the key and without.
    """
    names = [argument.partition("=")[2] for argument in arguments if argument.startswith("name=")]
    for name in names:
        if name in ("", "null", ".", "..") or "/" in name or "\\" in name:
            raise ConfigError(f"name: expected the name of a folder without a path, got {name!r}.")
    return with_runs(arguments)


def with_runs(arguments: Sequence[str]) -> list[str]:
    """Collects runs that are named without a key, as shells expand patterns to them.

    Args:
        arguments: The words of the command line.

    Returns:
        The words that Hydra is to read, the runs under the key ``runs``.

    Raises:
        ConfigError: If runs are named with the key as well.

    Example:
        >>> with_runs(["outputs/sweeps/one", "outputs/runs/2026-*", "margin=0.02"])
        ['margin=0.02', 'runs=["outputs/sweeps/one","outputs/runs/2026-*"]']
    """
    runs = [argument for argument in without_options(arguments) if _names_runs(argument)]
    if not runs:
        return list(arguments)
    if any(argument.startswith("runs=") for argument in arguments):
        raise ConfigError(
            f"expected runs either with the key or without, got runs=... and {runs[0]}. "
            "Put them all behind runs=[...,...], or drop the key."
        )
    return [*(a for a in arguments if a not in runs), f"runs={as_list(runs)}"]


def _names_runs(argument: str) -> bool:
    if "/" in argument and "=" not in argument:
        return True
    return bool(glob.glob(argument) or glob.glob(glob.escape(argument)))  # noqa: PTH207 - any length


if __name__ == "__main__":
    main()
