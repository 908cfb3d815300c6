"""Trains one classifier, tests its best epoch and reports."""

from pathlib import Path

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.callbacks import WeightAveraging
from pytorch_lightning.loggers import CSVLogger

from project import build
from project.callbacks.loggers import closing_wandb
from project.data.datamodule import PhotoDataModule
from project.launch.processes import check_processes, ctrl_c_raises, first_process
from project.models.classifier import Classifier
from project.recorded import best_epoch, describe, metrics_of, recorded, report
from project.runs.directory import RunDirectory
from project.runs.record import RunRecord


def train(cfg: DictConfig) -> RunRecord:
    """Trains on the train split, tests the best epoch and reports.

    Args:
        cfg: A composed ``train`` configuration.

    Returns:
        The record of the run, as it stands in ``run.json``.

    Raises:
        EvenhandError: If something configured cannot work, or training diverges.
        KeyboardInterrupt: After Ctrl-C; what was reached is kept.
    """
    directory = RunDirectory(Path(cfg.paths.run))
    with recorded(cfg, directory) as record, closing_wandb():
        build.check(cfg)
        check_processes(cfg.trainer)
        build.seed_everything(cfg.seed)
        with record.stage("scan"):
            data = build.datamodule(cfg)
            describe(record, directory, data)
        with record.stage("build"):
            model = build.classifier(cfg, data.catalog.classes, data.plan.images.tolist())
            trainer = build.trainer(cfg, directory, data)
            for logger in trainer.loggers:
                if not isinstance(logger, CSVLogger):  # the run directory has it in .hydra
                    logger.log_hyperparams(build.plain(cfg))
        with record.stage("train"), ctrl_c_raises(trainer):
            trainer.fit(model, datamodule=data)
        record.best = best_epoch(trainer, directory, cfg.monitor)
        with record.stage("test"), ctrl_c_raises(trainer):
            record.metrics = _measured(trainer, model, data, directory)
    if first_process():
        report(directory, record)
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
