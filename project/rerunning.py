"""Trains a finished run again, and says before and after what differs from it."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from project import build
from project.errors import ConfigError
from project.launch.processes import first_process
from project.launch.recomposition import NOTHING, Earlier, Recomposition
from project.recorded import Origin, log_agreement
from project.report.scores import measured_split, percent
from project.runs.differences import Change, config_changes, environment_changes
from project.runs.directory import RunDirectory
from project.runs.environment import code_version, hardware, packages
from project.runs.fingerprint import recipe_fingerprint
from project.runs.groups import group_runs
from project.runs.record import RunRecord
from project.training import train

log = logging.getLogger(__name__)

_HEADLINES = ("macro_recall", "accuracy")
_NAME_WIDTH = 40  # characters of a name that stay on one line


def rerun(earlier: Earlier, new: Recomposition, *, compare: bool) -> RunRecord:
    """Trains a run again with today's code, and compares the results.

    Args:
        earlier: The run.
        new: Its configuration as it is to run now.
        compare: Whether to end with the paired comparison of the two.

    Returns:
        The record of the new run.

    Raises:
        EvenhandError: If today's code does not take the configuration, or training cannot go on.
    """
    cfg = OmegaConf.create(new.config)
    _check(cfg, earlier, new)
    changes = _changes(earlier, new)
    if first_process():
        _announce(earlier, new, changes)
    rerun_of = str(earlier.run.path.absolute())
    record = train(cfg, Origin("training", new.overrides, new.choices, rerun_of))
    if first_process():
        _conclude(earlier, record, new.config, changes)
        if compare:
            _compare(earlier.run, RunDirectory(Path(cfg.paths.run)), Path(cfg.paths.output))
    return record


def _check(cfg: DictConfig, earlier: Earlier, new: Recomposition) -> None:
    try:
        build.check(cfg)
    except ConfigError as error:
        named = [key for key in new.kept if str(error).startswith(key)]
        if not named:
            raise
        raise ConfigError(f"{error} {_cure(earlier, new, max(named, key=len))}") from error


def _cure(earlier: Earlier, new: Recomposition, key: str) -> str:
    then, today = new.kept[key]
    way = f"~{key}" if today == NOTHING else f"{key}={today}, today's value"
    return (
        f"{earlier.run.path} was trained with {key}={then}, which today's code does not take. "
        f"Rerun it with {way}; the results may differ then."
    )


def _changes(earlier: Earlier, new: Recomposition) -> list[Change]:
    """Everything that is known to differ and may change the result."""
    return [
        *config_changes(new.then, new.config)[0],
        *environment_changes(earlier.record, code_version(), packages(), hardware()),
    ]


def _announce(earlier: Earlier, new: Recomposition, changes: Sequence[Change]) -> None:
    """Shows what differs, before hours depend on it."""
    if changes:
        _print(f"What differs from {earlier.run.path}:", ("", "then", "now"), changes)
    else:
        log.info("Nothing differs from %s: the metrics must come out exactly.", earlier.run.path)
    if others := config_changes(new.then, new.config)[1]:
        log.info("Other keys that differ and cannot change a result: %d.", others)
    for key, (then, today) in new.kept.items():
        log.info("%s: %s, as in the run; today's default is %s.", key, then, today)


def _conclude(
    earlier: Earlier, now: RunRecord, config: dict[str, Any], changes: Sequence[Change]
) -> None:
    """Says how the results relate to those of the run."""
    then, path = earlier.record, earlier.run.path
    if not then.metrics:
        log.info("%s is %s and measured nothing, so there is nothing to compare.", path, then.state)
        return
    facts = (then.data.fingerprint, now.data.fingerprint)
    if facts[0] == facts[1]:
        log.info("The photos, labels and split are those of %s.", path)
    else:
        changes = [*changes, Change("data", *facts)]
        log.warning("The photos, labels or split are not those of %s.", path)
    recipes = [
        recipe_fingerprint(c, d) for c, d in zip((earlier.config, config), facts, strict=True)
    ]
    if recipes[0] != recipes[1] or then.seed != now.seed:
        _print_headlines(then, now)
    elif not log_agreement(now.metrics, then.metrics, str(path)):
        suspects = ", ".join(change.what for change in changes)
        log.warning("What differs and may explain it: %s.", suspects or "nothing that is recorded")


def _print_headlines(then: RunRecord, now: RunRecord) -> None:
    split = measured_split(now)
    names = [f"{split}/{headline}" for headline in _HEADLINES]
    rows = [
        Change(name, percent(then.metrics[name]), percent(now.metrics[name]))
        for name in names
        if name in then.metrics and name in now.metrics
    ]
    _print("One run each, so a difference may be chance:", ("", "then", "now"), rows)


def _print(title: str, headings: Sequence[str], rows: Sequence[Change]) -> None:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    longest = max((len(row[0]) for row in rows), default=0)
    for heading, width in zip(headings, (min(longest, _NAME_WIDTH), None, None), strict=True):
        table.add_column(heading, min_width=width, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # as text: brackets are no markup
    console = Console()
    console.print(Text(title), soft_wrap=True)
    console.print(table)


def _compare(run: RunDirectory, new: RunDirectory, output: Path) -> None:
    """Ends with the paired comparison; the earlier run is the baseline."""
    from project.comparison import Options, compare_runs  # noqa: PLC0415 - only where asked for

    groups = group_runs([run, new]).groups
    if len(groups) < 2:
        log.info("Both runs are of one recipe, so there are no recipes to compare.")
        return
    baseline = next(group.name for group in groups if run in group.runs)
    folder = output / "comparisons" / new.path.name
    compare_runs([run, new], folder, Options(baseline=baseline))
