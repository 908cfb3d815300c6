"""Fills in the record of a run from its configuration, data and trainer."""

import contextlib
import logging
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytorch_lightning as pl
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from project import build
from project.data.datamodule import PhotoDataModule
from project.errors import EvenhandError, TrainingError
from project.launch.processes import first_process
from project.launch.recomposition import choices_of
from project.report.draws import draws_text
from project.report.page import write_report
from project.report.tables import print_result
from project.runs.atomic import write_bytes, write_text
from project.runs.differences import metric_changes
from project.runs.directory import RunDirectory
from project.runs.environment import code_version, hardware, packages
from project.runs.fingerprint import config_fingerprint, recipe_fingerprint
from project.runs.names import run_name
from project.runs.record import Best, DataFacts, Kind, RunRecord, recording, refuse_finished

log = logging.getLogger(__name__)


def task_overrides() -> list[str]:
    """What was overridden on the command line; nothing when a program calls us."""
    return list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []


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
    """

    kind: Kind = "training"
    overrides: list[str] = field(default_factory=task_overrides)
    choices: dict[str, str | None] = field(default_factory=task_choices)
    rerun_of: str | None = None
    on_data: Callable[[RunRecord, PhotoDataModule], None] | None = None


@contextlib.contextmanager
def recorded(
    cfg: DictConfig, directory: RunDirectory, origin: Origin | None = None
) -> Iterator[RunRecord]:
    """Records a run in its directory while the block runs; other ranks write nothing.

    Args:
        cfg: The composed configuration.
        directory: Where the run leaves its files.
        origin: Where the configuration comes from; None: from the command line, to train.

    Yields:
        The record, for the block to complete.

    Raises:
        RunError: If the directory cannot be written or holds a finished run.
        MissingMandatoryValue: If the configuration still lacks a value.
    """
    values = build.plain(cfg)
    if values.get("data", {}).get("root"):  # whoever reads the record may stand elsewhere
        values["data"]["root"] = str(Path(values["data"]["root"]).absolute())
    origin = origin or Origin()
    record = RunRecord(
        command=shlex.join(["python", "-m", _module(), *sys.argv[1:]]),
        overrides=origin.overrides,
        choices=origin.choices,
        kind=origin.kind,
        rerun_of=origin.rerun_of,
        name=directory.path.name,
        seed=values.get("seed"),
        config_fingerprint=config_fingerprint(values),
        recipe_fingerprint=recipe_fingerprint(values),
    )
    if not first_process():
        yield record
        return
    directory.check_writable()
    refuse_finished(directory)
    directory.clear()
    write_text(directory.config_file, OmegaConf.to_yaml(OmegaConf.create(values)))
    write_text(directory.overrides_file, OmegaConf.to_yaml(OmegaConf.create(record.overrides)))
    record.code, record.packages, record.hardware = code_version(), packages(), hardware()
    try:
        with recording(directory, record):
            yield record
    except BaseException:
        with contextlib.suppress(EvenhandError, OSError):  # the error that ended the run counts
            write_report(directory)
        raise


def tracked_as(record: RunRecord) -> dict[str, str | None]:
    """What experiment trackers call the run, where the configuration leaves that open.

    Args:
        record: Of the run.

    Returns:
        Its ``name``, made of the overrides, and as ``group`` the experiment, else the sweep.
    """
    sweep = _sweep()
    experiment = record.choices.get("experiment")
    # In a sweep, what varies has already given the job's directory its name.
    name = record.name if sweep else run_name(record.overrides)
    return {"name": name, "group": experiment or sweep}


def _sweep() -> str | None:
    """The directory of the sweep that this job belongs to."""
    if not HydraConfig.initialized():
        return None
    hydra = HydraConfig.get()
    return Path(hydra.sweep.dir).name if hydra.mode == RunMode.MULTIRUN else None


def describe(record: RunRecord, directory: RunDirectory, data: PhotoDataModule) -> None:
    """Records the data, and says in the log what will be drawn and what is wrong with them.

    Args:
        record: Is completed.
        directory: Gets the split as ``splits.csv``.
        data: The run's data.
    """
    catalog, plan = data.catalog, data.plan
    record.classes = list(catalog.classes)
    record.counts = {split: catalog.counts(split) for split in ("train", "val", "test")}
    record.draws = dict(zip(catalog.classes, plan.draws.tolist(), strict=True))
    record.data = _facts(record, data)
    record.messages += data.remarks()
    if first_process():
        record.write(directory)  # a run that is killed can still be evaluated
        write_bytes(directory.splits_file, catalog.splits_csv())
        _log_draws(record, plan.factors.tolist())


def describe_split(record: RunRecord, data: PhotoDataModule, run: RunRecord, split: str) -> None:
    """Records what a finished run is evaluated on.

    Args:
        record: Of the evaluation; is completed.
        data: Frozen to the run's classes.
        run: Record of the run.
        split: The split that is evaluated.
    """
    catalog = data.catalog
    record.classes = list(catalog.classes)
    record.counts = {"train": run.counts["train"], split: catalog.counts(data.test_split)}
    record.data = _facts(record, data)
    record.messages += data.remarks()


def _facts(record: RunRecord, data: PhotoDataModule) -> DataFacts:
    catalog = data.catalog
    return DataFacts(
        root=str(catalog.root.resolve()),
        fingerprint=catalog.fingerprint,
        images={split: sum(counts.values()) for split, counts in record.counts.items()},
        skipped=dict(catalog.skipped),
        leaks=len(catalog.leaks),
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
    assert trainer.checkpoint_callback is not None, "the default callbacks keep the best epoch"
    score = trainer.checkpoint_callback.best_model_score  # type: ignore[attr-defined]
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
    write_report(directory)
    print_result(record, directory, Console())


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
