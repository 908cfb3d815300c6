"""Fills in the record of a run from its configuration, data and trainer."""

import contextlib
import logging
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from project.atomic import write_bytes, write_text
from project.callbacks.checkpoints import BestCheckpoint
from project.callbacks.interruption import signals
from project.data.datamodule import PhotoDataModule
from project.errors import EvenhandError, RunError, TrainingError
from project.launch.composition.composed import settled
from project.launch.composition.overlay import key_of
from project.launch.composition.recomposition import choices_of
from project.launch.membership import sweep_of_this_job
from project.launch.processes import first_process
from project.report.draws import draws_text
from project.report.tables import print_result
from project.runs.differences import Change, data_changes, metric_changes
from project.runs.directory import RunDirectory
from project.runs.environment import code_version, hardware, packages
from project.runs.fingerprint import config_fingerprint, recipe_fingerprint
from project.runs.lock import locked_or_inherited
from project.runs.names import run_name
from project.runs.record import (
    HEADLINE,
    Best,
    DataFacts,
    Kind,
    Pretrained,
    RunRecord,
    recording,
    refuse_finished,
)

log = logging.getLogger(__name__)

_PATIENCE_SECONDS = 1.0  # whoever only looks at the lock holds it for a moment


def task_overrides() -> list[str]:
    """What was overridden on the command line; nothing when a program calls us."""
    given = list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []
    return [override for override in given if key_of(override) != "resume"]


def task_choices() -> dict[str, str | None]:
    """The option of each group; nothing when a program calls us."""
    known = HydraConfig.initialized()
    return choices_of(HydraConfig.get().runtime.choices) if known else {}


@dataclass(frozen=True)
class Origin:
    """Where the configuration of a run comes from, if not straight from the command line.

    Attributes:
        kind: What is to be recorded.
        overrides: What was overridden.
        choices: Option by group.
        rerun_of: Directory of the run that this one repeats, if any.
        on_data: Called once the data of a training run are described in its record, on every
            process and before anything is built; may refuse them.
        earlier: Record of the earlier attempts, if the run goes on; what it says stays true.
        pretrained: Weights that the run must start from, if it trains others first: those that the
            run started from which it repeats.
    """

    kind: Kind = "training"
    overrides: list[str] = field(default_factory=task_overrides)
    choices: dict[str, str | None] = field(default_factory=task_choices)
    rerun_of: str | None = None
    on_data: Callable[[RunRecord, PhotoDataModule], None] | None = None
    earlier: RunRecord | None = None
    pretrained: Pretrained | None = None


@contextlib.contextmanager
def recorded(
    cfg: DictConfig,
    directory: RunDirectory,
    origin: Origin | None = None,
    begun: Callable[[], bool] = lambda: True,
) -> Iterator[RunRecord]:
    """Records a run in its directory while the block runs; other ranks write nothing.

    Args:
        cfg: The composed configuration.
        directory: Where the run leaves its files.
        origin: Where the configuration comes from; None: from the command line, to train.
        begun: Tells whether a run that goes on has got anywhere; if it fails before, its record
            says again how it had ended, so that it can go on another time.

    Yields:
        The record, for the block to complete.

    Raises:
        RunError: If the directory cannot be written, holds a finished run, or another process works
            in it.
        MissingMandatoryValue: If the configuration still lacks a value.
        SystemExit: After SIGTERM; the record says that the run was interrupted.
    """
    values = settled(cfg)
    origin = origin or Origin()
    record = _begun(values, directory, origin)
    if not first_process():
        with signals.heeded():
            yield record
        return
    directory.check_writable()
    with _locked(directory), signals.heeded():
        if origin.earlier is None:
            refuse_finished(directory)
            directory.clear()
            write_text(directory.config_file, OmegaConf.to_yaml(OmegaConf.create(values)))
            given = OmegaConf.create(record.overrides)
            write_text(directory.overrides_file, OmegaConf.to_yaml(given))
            record.code, record.packages = code_version(), packages()
            record.hardware = hardware()
        try:
            with recording(directory, record, lambda: origin.earlier is None or begun()):
                yield record
        except BaseException:
            with contextlib.suppress(EvenhandError, OSError):  # the error that ended the run counts
                _write_page(directory)
            raise


def _begun(values: dict[str, Any], directory: RunDirectory, origin: Origin) -> RunRecord:
    if origin.earlier is not None:
        headline = str(values.get("headline", origin.earlier.headline))
        attempts = origin.earlier.attempts + 1
        return replace(deepcopy(origin.earlier), attempts=attempts, headline=headline)
    return RunRecord(
        command=shlex.join(["python", "-m", _module(), *sys.argv[1:]]),
        overrides=origin.overrides,
        choices=origin.choices,
        kind=origin.kind,
        rerun_of=origin.rerun_of,
        name=directory.path.name,
        seed=values.get("seed"),
        headline=str(values.get("headline", HEADLINE)),
        config_fingerprint=config_fingerprint(values),
        recipe_fingerprint=recipe_fingerprint(values),
    )


@contextlib.contextmanager
def _locked(directory: RunDirectory) -> Iterator[None]:
    """Keeps other processes out of the run's directory."""
    with locked_or_inherited(directory.lock_file, _PATIENCE_SECONDS) as ours:
        if not ours:
            raise RunError(
                f"{directory.path}: expected to have the directory for this run alone, got another "
                "process that is working in it. Wait until it has ended, or choose another folder "
                "with hydra.run.dir=<folder>."
            )
        yield


def tracked_as(record: RunRecord) -> dict[str, str | None]:
    """What experiment trackers call the run, where the configuration leaves that open.

    Args:
        record: Of the run.

    Returns:
        Its ``name``, made of the overrides, and as ``group`` the experiment, else the sweep.
    """
    sweep = sweep_of_this_job()
    experiment = record.choices.get("experiment")
    # In a sweep, what varies has already given the job's directory its name.
    name = record.name if sweep else run_name(record.overrides)
    return {"name": name, "group": experiment or (sweep.name if sweep else None)}


def refuse_other_data(earlier: RunRecord, data: PhotoDataModule) -> None:
    """Makes sure that a run goes on with what it has learned from so far.

    Args:
        earlier: Record of its earlier attempts.
        data: What there is now.

    Raises:
        RunError: Photos, labels, splits or classes are others; shows what differs.
    """
    now = RunRecord()
    _fill(now, data)
    changes = data_changes(earlier, now)
    if earlier.classes and earlier.classes != now.classes and not changes:
        changes = [Change("classes", ", ".join(earlier.classes), ", ".join(now.classes))]
    if changes:
        shown = "".join(f"\n  {what}: {then}, now {today}" for what, then, today in changes)
        raise RunError(
            f"resume: expected the data that the run began with, got others in {now.data.root}:"
            f"{shown}\nRestore them, or train anew with project.rerun run=<run directory>."
        )


def describe(record: RunRecord, directory: RunDirectory, data: PhotoDataModule) -> None:
    """Records the data, and says in the log what will be drawn and what is wrong with them.

    Args:
        record: Is completed.
        directory: Gets the split as ``splits.csv``, and a file for each named test set.
        data: The run's data.
    """
    _fill(record, data)
    if first_process():
        record.write(directory)  # a run that is killed can still be evaluated
        write_bytes(directory.splits_file, data.catalog.splits_csv())
        for name in data.photos.tests:
            write_bytes(directory.test_set_file(name), data.photos.listed(name))
        _log_draws(record, data.plan.factors.tolist())


def _fill(record: RunRecord, data: PhotoDataModule) -> None:
    catalog = data.catalog
    record.classes = list(catalog.classes)
    record.counts = data.photos.counts()
    record.draws = dict(zip(catalog.classes, data.plan.draws.tolist(), strict=True))
    record.data = _facts(record, data)
    record.remark(data.remarks())


def record_choice(
    record: RunRecord, directory: RunDirectory, values: dict[str, Any], taken: dict[str, float]
) -> None:
    """Keeps what was chosen by measuring, so that the run goes on and is repeated with it.

    Args:
        record: Is completed. Its configuration's fingerprint stays that of what was asked for, by
            which a sweep knows its jobs again.
        directory: Gets the configuration.
        values: The configuration with fixed values.
        taken: Milliseconds a step of what was tried.
    """
    record.step_milliseconds = taken
    record.recipe_fingerprint = recipe_fingerprint(values)
    if first_process():
        write_text(directory.config_file, OmegaConf.to_yaml(OmegaConf.create(values)))
        record.write(directory)


def describe_split(record: RunRecord, data: PhotoDataModule, run: RunRecord, split: str) -> None:
    """Records what a finished run is evaluated on.

    Args:
        record: Of the evaluation; is completed.
        data: Frozen to the run's classes.
        run: Record of the run.
        split: The split, or the named test set, that is evaluated.
    """
    catalog = data.catalog
    record.classes = list(catalog.classes)
    record.counts = {"train": run.counts["train"], split: catalog.counts(data.tested_rows)}
    record.data = _facts(record, data)
    record.messages += data.remarks()


def _facts(record: RunRecord, data: PhotoDataModule) -> DataFacts:
    catalog = data.catalog
    return DataFacts(
        root=str(catalog.root.resolve()),
        fingerprint=data.photos.fingerprint,
        images={split: sum(counts.values()) for split, counts in record.counts.items()},
        skipped=dict(catalog.skipped),
        leaks=len(catalog.leaks) + sum(map(len, data.photos.leaks.values())),
    )


def _log_draws(record: RunRecord, factors: list[int]) -> None:
    """One line a class: images, variants and draws per epoch."""
    log.info("Data: %s\n%s", record.data.root, draws_text(record, factors))
    if record.data.skipped:
        log.warning("%d unreadable images are skipped.", len(record.data.skipped))
    for message in record.messages:
        log.warning(message)


def best_epoch(trainer: pl.Trainer, directory: RunDirectory, monitor: str) -> Best:
    """The epoch whose weights are tested.

    Args:
        trainer: Has finished training.
        directory: Holds the best checkpoint.
        monitor: Name of the metric that decides.

    Raises:
        TrainingError: If training ended before the first validation.
    """
    if not directory.checkpoint("best").exists():
        raise TrainingError(
            "Expected at least one validation, which finds the best epoch, but training ended "
            "before it. Raise trainer.max_steps or trainer.max_epochs."
        )
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    score = next(c.best_model_score for c in callbacks if isinstance(c, BestCheckpoint))
    assert score is not None, "there is a file"
    file = torch.load(directory.checkpoint("best"), weights_only=True, mmap=True)
    return Best(monitor, float(score), int(file["epoch"]))


def metrics_of(trainer: pl.Trainer) -> dict[str, float]:
    """What the trainer measured last, by name (``test/accuracy``), as plain numbers."""
    numbers = trainer.callback_metrics.items()
    return {name: float(value) for name, value in numbers if "/" in name}


def report(directory: RunDirectory, record: RunRecord) -> None:
    """Draws the figures, writes the page and prints the table.

    Args:
        directory: The run's directory.
        record: Its record, finished.
    """
    _write_page(directory)
    print_result(record, directory, Console())


def _write_page(directory: RunDirectory) -> None:
    from project.report.page import write_report  # noqa: PLC0415 - slow, when all else is done

    write_report(directory)


def log_agreement(now: Mapping[str, float], then: Mapping[str, float], whose: str) -> bool:
    """Says whether the numbers of a run came out again.

    Args:
        now: Metrics by name.
        then: Those of the run.
        whose: The run, in words.

    Returns:
        Whether all that both have are exactly equal, and there are any.
    """
    shared = sorted(now.keys() & then.keys())
    if not shared:
        return False
    differ = metric_changes(then, now)
    if not differ:
        log.info("All %d metrics are exactly those of %s.", len(shared), whose)
        return True
    log.warning("%d of %d metrics differ from those of %s:", len(differ), len(shared), whose)
    for name in differ:
        log.warning("  %s: %.6f, was %.6f", name, now[name], then[name])
    return False


def _module() -> str:
    """The entry point as ``python -m`` knows it."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    return spec.name if spec else "project.train"
