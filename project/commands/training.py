"""Trains one classifier, tests its best epoch and reports."""

import logging
from pathlib import Path

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.callbacks import WeightAveraging
from pytorch_lightning.strategies import FSDPStrategy

from project import build
from project.callbacks.interruption import signals
from project.callbacks.loggers import closing_wandb, log_config, log_results
from project.callbacks.progress import FirstBatch
from project.callbacks.resumption import Restart, find_restart
from project.checking import check, check_headline
from project.choosing import asks_for_fastest
from project.commands.diagnosing import diagnoses
from project.commands.fastest import with_fastest
from project.commands.pretraining import Pretraining, planned, pretrain_once, starting_from
from project.commands.recorded import (
    Origin,
    best_epoch,
    describe,
    metrics_of,
    record_choice,
    recorded,
    refuse_other_data,
    report,
    tracked_as,
)
from project.data.datamodule import PhotoDataModule
from project.data.fit import square
from project.launch.composition.composed import settled
from project.launch.processes import (
    check_own_ids,
    check_processes,
    ctrl_c_raises,
    first_process,
)
from project.models.classifier import Classifier
from project.models.latency import milliseconds_per_image
from project.report.scores import worst_test
from project.runs.directory import RunDirectory
from project.runs.record import HEADLINE, Pretrained, RunRecord

log = logging.getLogger(__name__)


def train(cfg: DictConfig, origin: Origin | None = None) -> RunRecord:
    """Trains on the train split, tests the best epoch and reports.

    Args:
        cfg: A composed ``train`` configuration.
        origin: Where it comes from; None: from the command line.

    Returns:
        The record of the run, as it stands in ``run.json``.

    Raises:
        EvenhandError: If something configured cannot work, or training diverges.
        KeyboardInterrupt: After Ctrl-C; what was reached is kept.
        SystemExit: After SIGTERM, likewise.
    """
    directory = RunDirectory(Path(cfg.paths.run))
    with closing_wandb(directory.path):
        return _train(cfg, directory, origin)


def _train(cfg: DictConfig, directory: RunDirectory, origin: Origin | None) -> RunRecord:
    earlier = origin.earlier if origin is not None else None
    first_batch = FirstBatch()
    with recorded(cfg, directory, origin, first_batch.is_done) as record:
        check(cfg)
        check_processes(cfg.trainer)
        check_own_ids(cfg.logger)
        before = planned(cfg)
        build.seed_everything(cfg.seed)
        weights = _pretrain(before, directory, record, origin) if earlier is None else None
        with record.stage("scan"):
            data = build.datamodule(cfg)
            check_headline(cfg.get("headline", HEADLINE), data.catalog.classes)
            if earlier is not None:
                refuse_other_data(earlier, data)
            restart = _restart(directory, record) if earlier is not None else None
            describe(record, directory, data)
        if earlier is not None and restart is None:
            weights = _pretrain(before, directory, record, origin)
        if origin is not None and origin.on_data is not None:
            origin.on_data(record, data)
        with record.stage("build"):
            if asks_for_fastest(cfg):
                cfg, taken = with_fastest(cfg, len(data.catalog.classes))
                record_choice(record, directory, settled(cfg), taken)
            started = starting_from(cfg, weights)
            model = build.classifier(started, data.catalog.classes, data.plan.images.tolist())
            logged = restart.metrics_csv if restart is not None else ""
            named = tracked_as(record)
            trainer = build.trainer(cfg, directory, data, tracked_as=named, metrics_csv=logged)
            trainer.callbacks.append(first_batch)  # type: ignore[attr-defined]
            log_config(trainer.loggers, settled(cfg), directory, record)
        stoppable = signals.training(speaks=first_process())
        with record.stage("train"), stoppable, ctrl_c_raises(trainer):
            _fit(trainer, model, data, restart)
        record.best = best_epoch(trainer, directory, cfg.monitor)
        with record.stage("test"), ctrl_c_raises(trainer):
            record.metrics = _measured(trainer, model, data, directory)
            record.metrics |= _worst(record, cfg.monitor)
            record.milliseconds_per_image = _latency(trainer, model, cfg)
            if first_process():
                record.diagnoses = diagnoses(cfg, trainer, model, record, directory)
    if first_process():
        report(directory, record)
        log_results(trainer.loggers, directory, record)
    return record


def _pretrain(
    before: Pretraining | None, directory: RunDirectory, record: RunRecord, origin: Origin | None
) -> Pretrained | None:
    """The weights that a run starts from, which may have to be trained; None: it trains none."""
    if before is None:
        return None
    then = record.pretrained or (origin.pretrained if origin is not None else None)
    with record.stage("pretrain"):
        record.pretrained = pretrain_once(before, then)
    if first_process():
        record.write(directory)
    return record.pretrained


def _restart(directory: RunDirectory, record: RunRecord) -> Restart | None:
    """Where a run goes on; if nowhere, what it left is removed, and it starts again."""
    restart, remarks = find_restart(directory, mend=first_process())
    record.remark(remarks)  # which says so in the log, too
    if not first_process():
        return restart
    if restart is None:
        log.warning("There is no checkpoint to go on from: training starts from the beginning.")
        directory.clear()
    else:
        where = f"epoch {restart.data['epoch']}, after {restart.data['batch']} of its batches"
        log.info("Training goes on from %s: %s.", restart.file.name, where)
    return restart


def _fit(
    trainer: pl.Trainer, model: Classifier, data: PhotoDataModule, restart: Restart | None
) -> None:
    if restart is None:
        trainer.fit(model, datamodule=data)
    else:
        data.load_state_dict(restart.data)  # some strategies would do so when loaders have begun
        trainer.fit(model, datamodule=data, ckpt_path=restart.file, weights_only=True)
    trainer.strategy.barrier()  # the first process writes checkpoints until its training has ended


def _latency(trainer: pl.Trainer, model: Classifier, cfg: DictConfig) -> float | None:
    """Milliseconds for an image; None where that cannot be measured.

    A model may lie in parts on several devices, or a device have too little memory by now.
    """
    if not first_process() or isinstance(trainer.strategy, FSDPStrategy):
        return None
    device = trainer.strategy.root_device
    batch_size = max(1, cfg.data.batch_size // trainer.world_size)
    try:
        with trainer.precision_plugin.forward_context():
            taken = milliseconds_per_image(model, square(cfg.data.size), batch_size, device)
    except RuntimeError as error:  # what torch raises when memory runs out
        log.warning("The milliseconds for an image could not be measured: %s", error)
        return None
    return round(taken, 4)


def _measured(
    trainer: pl.Trainer, model: Classifier, data: PhotoDataModule, directory: RunDirectory
) -> dict[str, float]:
    """Metrics of the best epoch on the validation split and in each test."""
    # The averaged weights are the checkpoint's. Lightning's callback would put the others back.
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    callbacks[:] = [c for c in callbacks if not isinstance(c, WeightAveraging)]
    loggers, trainer.loggers = trainer.loggers, []  # the epoch has been logged once already
    best = str(directory.checkpoint("best"))
    trainer.validate(model, datamodule=data, ckpt_path=best, weights_only=True, verbose=False)
    metrics = metrics_of(trainer)
    trainer.loggers = loggers
    tested = ["test"] if len(data.catalog.indices("test")) else []
    for split in (*tested, *data.photos.tests):
        data.tested_on = model.test_stage = split
        trainer.test(model, datamodule=data, ckpt_path=best, weights_only=True, verbose=False)
        metrics |= metrics_of(trainer)
    return metrics


def _worst(record: RunRecord, monitor: str) -> dict[str, float]:
    worst = worst_test(record, monitor)
    return worst.metrics if worst is not None else {}
