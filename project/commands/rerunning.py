"""Trains a finished run again, and says before and after what differs from it."""

import csv
import io
import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from project.checking import check
from project.choosing import AUTO, CHOSEN
from project.commands.recorded import Origin, log_agreement
from project.commands.training import train
from project.data.datamodule import PhotoDataModule
from project.errors import ConfigError
from project.launch.cli.mistakes import key_at_fault
from project.launch.composition.earlier import Earlier
from project.launch.composition.overlay import key_of
from project.launch.composition.recomposition import Recomposition
from project.launch.processes import first_process
from project.report.metrics import led
from project.report.scores import measured_split, percent
from project.runs.alignment import split_rows
from project.runs.differences import (
    NOTHING,
    Change,
    config_changes,
    data_changes,
    environment_changes,
)
from project.runs.directory import RunDirectory
from project.runs.environment import code_version, hardware, packages
from project.runs.groups import group_runs
from project.runs.predictions import read_predictions
from project.runs.record import RunRecord

log = logging.getLogger(__name__)

_HEADLINES = ("macro_recall", "accuracy")
_GAP = 3  # characters between the columns of a table


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
    if compare:
        read_predictions(earlier.run, measured_split(earlier.record))  # damaged ones raise
    changes = _changes(earlier, new)
    if first_process():
        _announce(earlier, new, changes)
    rerun_of = str(earlier.run.path.absolute())
    on_data = partial(_meet_data, earlier, new, changes, compare)
    origin = Origin("training", new.overrides, new.choices, rerun_of, on_data)
    if "pretrain" not in map(key_of, new.asked):
        origin = replace(origin, pretrained=earlier.record.pretrained)
    record = train(cfg, origin)
    if first_process():
        _conclude(earlier, record, new, changes)
        if compare:
            _compare(earlier, RunDirectory(Path(cfg.paths.run)), Path(cfg.paths.output))
    return record


def _check(cfg: DictConfig, earlier: Earlier, new: Recomposition) -> None:
    try:
        check(cfg)
    except ConfigError as error:
        key = key_at_fault(str(error), new.kept)
        if key is None:
            raise
        raise ConfigError(f"{error} {_cure(earlier, new, key)}") from error


def _cure(earlier: Earlier, new: Recomposition, key: str) -> str:
    then, today = new.kept[key]
    way = f"~{key}" if today == NOTHING else f"{key}={today}, today's value"
    return (
        f"{earlier.run.path} was trained with {key}={then}, which today's code does not take. "
        f"Rerun it with {way}; the results may differ then."
    )


def _changes(earlier: Earlier, new: Recomposition) -> list[Change]:
    """Everything but the data that differs and may change the result."""
    return [
        *config_changes(new.then, new.config)[0],
        *environment_changes(earlier.record, code_version(), packages(), hardware()),
    ]


def _announce(earlier: Earlier, new: Recomposition, changes: Sequence[Change]) -> None:
    """Shows what differs, before hours depend on it."""
    if changes:
        _print(f"What differs from {earlier.run.path}:", ("", "then", "now"), changes)
    else:
        log.info("Configuration, code, packages and hardware are those of %s.", earlier.run.path)
    if others := config_changes(new.then, new.config)[1]:
        log.info("Other keys that differ and cannot change a result: %d.", others)
    for key, (then, today) in new.kept.items():
        log.info("%s: %s, as in the run; %s.", key, then, _instead(earlier, key, today))


def _instead(earlier: Earlier, key: str, today: str) -> str:
    """Where another value than the run's would come from."""
    if key in CHOSEN and today == AUTO:
        return f"it was chosen there for {AUTO}"
    own = [key_of(o) for o in earlier.overrides if key_of(o) not in earlier.record.choices]
    if any(f"{key}.".startswith(f"{one}.") for one in own):
        return f"its own overrides give {today} today"
    return f"today's default is {today}"


def _meet_data(
    earlier: Earlier,
    new: Recomposition,
    changes: Sequence[Change],
    compare: bool,
    record: RunRecord,
    data: PhotoDataModule,
) -> None:
    """Shows what differs in the data, and refuses those on which nothing can be compared."""
    if first_process():
        _announce_data(earlier, record, changes)
    if compare:
        split = measured_split(earlier.record)
        earlier.refuse_vain_comparison(new.config, split, record.data.fingerprint)
        _refuse_other_images(earlier, split, record, data)


def _announce_data(earlier: Earlier, record: RunRecord, changes: Sequence[Change]) -> None:
    then, path = earlier.record, earlier.run.path
    if not then.data.fingerprint:
        log.info("%s ended before it knew its photos, so whether they differ is unknown.", path)
    elif differing := data_changes(then, record):
        log.warning("The photos, labels or split are not those of %s.", path)
        _print(f"What differs in the data from {path}:", ("", "then", "now"), differing)
    else:
        log.info("The photos, labels and split are those of %s.", path)
        if not changes:
            log.info("Nothing differs from %s: the metrics must come out exactly.", path)


def _refuse_other_images(
    earlier: Earlier, split: str, record: RunRecord, data: PhotoDataModule
) -> None:
    then, path = earlier.record, earlier.run.path
    if then.data.fingerprint == record.data.fingerprint:
        return
    if set(then.classes) != set(record.classes):
        raise ConfigError(
            f"compare=true: expected the classes of {path}, which are {', '.join(then.classes)}, "
            f"got {', '.join(record.classes)}. Leave compare=true out, or set data.classes and "
            "data.class_map to those of the run."
        )
    now = csv.DictReader(io.StringIO(data.photos.listed(split).decode()))
    old, new = _images(split_rows(earlier.run, split), split), _images(now, split)
    if old != new:
        example = min(image[0] for image in old ^ new)
        raise ConfigError(
            f"compare=true: expected the {split} images of {path}, got {len(old - new)} of "
            f"{len(old)} missing or changed and {len(new - old)} that it was not measured on (such "
            f"as {example}) in {record.data.root}. Leave compare=true out, or restore the photos "
            "and the split."
        )


def _images(rows: Iterable[dict[str, str]], split: str) -> set[tuple[str, str, str]]:
    """Path, label and digest of the images of a split; runs of old versions kept no digests."""
    return {
        (row["path"], row["label"], row.get("content_hash", ""))
        for row in rows
        if row["split"] == split
    }


def _conclude(
    earlier: Earlier, now: RunRecord, new: Recomposition, changes: Sequence[Change]
) -> None:
    """Says how the results relate to those of the run."""
    then, path = earlier.record, earlier.run.path
    if not then.metrics:
        log.info("%s is %s and measured nothing, so there is nothing to compare.", path, then.state)
        return
    of_data = data_changes(then, now)
    if new.asks_for_other_results(same_photos=not of_data):
        _print_headlines(then, now)
    elif not log_agreement(now.metrics, then.metrics, str(path)):
        # Of the data, the first change stands for all.
        suspects = ", ".join(change.what for change in [*changes, *of_data[:1]])
        log.warning("What differs and may explain it: %s.", suspects or "nothing that is recorded")


def _print_headlines(then: RunRecord, now: RunRecord) -> None:
    split = measured_split(now)
    names = [f"{split}/{metric}" for metric in led(now.headline, _HEADLINES)]
    rows = [
        Change(name, percent(then.metrics[name]), percent(now.metrics[name]))
        for name in names
        if name in then.metrics and name in now.metrics
    ]
    _print("One run each, so a difference may be chance:", ("", "then", "now"), rows)


def _print(title: str, headings: Sequence[str], rows: Sequence[Change]) -> None:
    console = Console()
    name = min(max((len(row[0]) for row in rows), default=0), console.width // 2)
    value = max(1, (console.width - name) // 2 - _GAP)
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column(headings[0], width=name, overflow="fold")
    for heading in headings[1:]:
        table.add_column(heading, max_width=value, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # as text: brackets are no markup
    console.print(Text(title), soft_wrap=True)
    console.print(table)


def _compare(earlier: Earlier, new: RunDirectory, output: Path) -> None:
    """Ends with the paired comparison; the earlier run is the baseline."""
    from project.commands.comparison import Options, compare_runs  # noqa: PLC0415 - only where asked for

    runs = [earlier.run, new]
    groups = group_runs(runs).groups
    baseline = next(group.name for group in groups if earlier.run in group.runs)
    options = Options(baseline=baseline, split=measured_split(earlier.record))
    compare_runs(runs, output / "comparisons" / new.path.name, options)
