"""``python -m project.cache``: which decoded images are kept on the disk; removes some."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table
from rich.text import Text

from project.data.store.folder import (
    GIGABYTE,
    Stored,
    evict,
    gigabytes,
    images_folder,
    remove,
    remove_leftovers,
    stored,
)
from project.data.store.layout import Description
from project.errors import ConfigError
from project.launch.cli.actions import Actions
from project.launch.cli.command import command

ACTIONS = Actions("project.cache", ("list", "prune"), "prune older_than_days=30", one="folder")
_DAY = 86_400  # seconds


def main() -> None:
    """Reads the command line."""
    command("cache", run, ACTIONS.arranged)


def run(cfg: DictConfig) -> list[Stored]:
    """Does what is asked for.

    Args:
        cfg: A composed ``cache`` configuration.

    Returns:
        The files that there are after that, those first that were used longest ago.

    Raises:
        ConfigError: If there is no such action, or a number is below 0.
    """
    folder = images_folder(Path(str(cfg.paths.cache)).expanduser())
    action, console = ACTIONS.check(str(cfg.action)), Console()
    if action == "prune":
        _check(cfg)
        _prune(folder, cfg, console)
    else:
        _show(folder, console)
    return stored(folder)


def _check(cfg: DictConfig) -> None:
    for key in ("older_than_days", "keep_gb"):
        if cfg[key] is not None and not (isinstance(cfg[key], int | float) and cfg[key] >= 0):
            raise ConfigError(f"{key}: expected a number from 0, or null, got {cfg[key]!r}.")


def _show(folder: Path, console: Console) -> None:
    files = stored(folder)
    if not files:
        console.print(Text(f"No images are kept in {folder}."), soft_wrap=True)
        return
    table = Table("photos", "images", "side", "size", "last used", "file")
    for one in files:
        used = datetime.fromtimestamp(one.last_used, UTC).astimezone()
        table.add_row(
            *_words(one.description()),
            gigabytes(one.size),
            f"{used:%Y-%m-%d %H:%M}",
            Text(one.file.name, overflow="fold"),
        )
    console.print(table)
    console.print(Text(f"{_sum(files)} in {folder}"), soft_wrap=True)


def _words(description: Description | None) -> tuple[Text, str, str]:
    if description is None:
        return Text("cannot be used; prune removes it", "dim"), "", ""
    policy = f"{description.side} {description.interpolation}{' boxes' * description.boxed}"
    return Text(description.root, overflow="fold"), f"{description.images:,}", policy


def _prune(folder: Path, cfg: DictConfig, console: Console) -> None:
    gone = remove_leftovers(folder)
    files = stored(folder)
    before = time.time() - (cfg.older_than_days or 0) * _DAY
    for one in files:
        old = cfg.older_than_days is not None and one.last_used < before
        if (cfg.all or old or one.description() is None) and remove(one.file):
            gone.append(one)
    if cfg.keep_gb is not None:
        left = stored(folder)
        gone += evict(left, sum(one.size for one in left) - cfg.keep_gb * GIGABYTE)
    for one in gone:
        console.print(Text(f"removed {one.file.name} ({gigabytes(one.size)})"), soft_wrap=True)
    left = stored(folder)
    console.print(Text(f"Removed: {_sum(gone)}. Kept: {_sum(left)}."))
    if cfg.all and left:
        console.print(Text("Those that are kept are open in other processes."))
    if not gone and not cfg.all and cfg.older_than_days is None and cfg.keep_gb is None:
        console.print(
            Text("To remove more: older_than_days=<days>, keep_gb=<gigabytes> or all=true."),
            soft_wrap=True,
        )


def _sum(files: Sequence[Stored]) -> str:
    return f"{len(files)} file{'s' * (len(files) != 1)} ({gigabytes(sum(f.size for f in files))})"


if __name__ == "__main__":
    main()
