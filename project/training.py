"""Trains one classifier, tests its best epoch and reports."""

from pathlib import Path

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.callbacks import WeightAveraging

from project import build
from project.callbacks.loggers import closing_wandb, log_config, log_results
from project.data.datamodule import PhotoDataModule
from project.launch.processes import (
    check_own_ids,
    check_processes,
    ctrl_c_raises,
    first_process,
)
from project.models.classifier import Classifier
from project.recorded import (
    Origin,
    best_epoch,
    describe,
    metrics_of,
    recorded,
    report,
    tracked_as,
)
from project.runs.directory import RunDirectory
from project.runs.record import RunRecord


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
    """
    directory = RunDirectory(Path(cfg.paths.run))
    with closing_wandb(directory.path):
        return _train(cfg, directory, origin)


def _train(cfg: DictConfig, directory: RunDirectory, origin: Origin | None) -> RunRecord:
    with recorded(cfg, directory, origin) as record:
        build.check(cfg)
        check_processes(cfg.trainer)
        check_own_ids(cfg.logger)
        build.seed_everything(cfg.seed)
        with record.stage("scan"):
            data = build.datamodule(cfg)
            describe(record, directory, data)
        if origin is not None and origin.on_data is not None:
            origin.on_data(record, data)
        with record.stage("build"):
            model = build.classifier(cfg, data.catalog.classes, data.plan.images.tolist())
            trainer = build.trainer(cfg, directory, data, tracked_as=tracked_as(record))
            log_config(trainer.loggers, build.plain(cfg), directory, record)
        with record.stage("train"), ctrl_c_raises(trainer):
            trainer.fit(model, datamodule=data)
        record.best = best_epoch(trainer, directory, cfg.monitor)
        with record.stage("test"), ctrl_c_raises(trainer):
            record.metrics = _measured(trainer, model, data, directory)
    if first_process():
        report(directory, record)
        log_results(trainer.loggers, directory, record)
    return record


def _measured(
    trainer: pl.Trainer, model: Classifier, data: PhotoDataModule, directory: RunDirectory
) -> dict[str, float]:
    """Validation and test metrics of the best epoch."""
    # The averaged weights are the checkpoint's. Lightning's callback would put the others back.
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    callbacks[:] = [c for c in callbacks if not isinstance(c, WeightAveraging)]
    loggers, trainer.loggers = trainer.loggers, []  # the epoch has been logged once already
    metrics: dict[str, float] = {}
    tested = [trainer.test] if len(data.catalog.indices("test")) else []
    for measure in (trainer.validate, *tested):
        best = str(directory.checkpoint("best"))
        measure(model, datamodule=data, ckpt_path=best, weights_only=True, verbose=False)
        metrics |= metrics_of(trainer)
        trainer.loggers = loggers
    return metrics
