"""A comparison of runs as a run of Weights & Biases."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import wandb

from project.callbacks.tracking.identity import Identity
from project.callbacks.tracking.mode import Mode, possible_mode, told_mode
from project.callbacks.tracking.session import check_variables, close_run, harmless, open_run
from project.callbacks.tracking.staging import staged_in

_UPLOAD_SECONDS = 60.0


def log_comparison(
    directory: Path,
    *,
    project: str,
    entity: str | None,
    name: str,
    group: str | None,
    tags: Sequence[str],
    mode: Mode | Literal["auto"],
    tables: Mapping[str, tuple[Sequence[str], Sequence[Sequence[object]]]],
    figures: Mapping[str, Path],
    summary: Mapping[str, object],
) -> str | None:
    """Sends a comparison to W&B, or keeps it for ``wandb sync``; failures are warnings.

    Args:
        directory: Of the comparison; what W&B keeps goes to its folder ``wandb``.
        project: Name of the W&B project.
        entity: User or team; None takes the default of whoever is logged in.
        name: Name of the W&B run.
        group: What it belongs to.
        tags: Free words.
        mode: ``auto`` is online where a key is known and the server answers, else offline.
        tables: By key: columns, and rows with a value for each of them.
        figures: Pictures by key; those that do not exist are left out.
        summary: Single values by key.

    Returns:
        The command that uploads what W&B has not got, or None if it has everything.

    Raises:
        ConfigError: If W&B is to be online and would have to ask for a key, or would refuse a name
            or one of its variables.
    """
    told = told_mode(mode)
    check_variables()
    identity = Identity(project, entity, name, group, "compare", tags)
    identity.check()
    with staged_in(directory), harmless("the comparison"):
        run = open_run(directory, identity, possible_mode(told), _UPLOAD_SECONDS)
        if run is None:
            return None
        run.summary.update({key: _plain(value) for key, value in summary.items()})
        pictures = {key: wandb.Image(str(file)) for key, file in figures.items() if file.is_file()}
        run.log({**pictures, **{key: _table(*table) for key, table in tables.items()}})
    return close_run(exit_code=0)


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> wandb.Table:
    plain: list[Iterable[object]] = [[_plain(value) for value in row] for row in rows]
    return wandb.Table(columns=list(columns), data=plain, allow_mixed_types=True)


def _plain(value: object) -> object:
    """W&B takes plain values; what is none becomes text."""
    return value if value is None or isinstance(value, str | int | float) else str(value)
