"""Configuration to objects: the only place that instantiates.

What one part must know of another (the number of classes, images per class, normalisation) is
handed over here and in the entry points, as plain values.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.errors import InstantiationException
from lightning_fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf
from torch import nn

from project.callbacks.background import BackgroundCheckpointIO
from project.callbacks.checkpoints import AtomicCheckpointIO, BestCheckpoint
from project.callbacks.finetuning import Unfreezing
from project.callbacks.loggers import csv_logger
from project.callbacks.loops import Unobserved, use_resumable_loops
from project.callbacks.predictions import PredictionWriter
from project.callbacks.progress import ProgressReport
from project.callbacks.pruning import Pruning
from project.checking import FOR_JOINING, FOR_SOURCES, FOR_TORCH, check_monitor
from project.choosing import AUTO
from project.data.datamodule import PhotoDataModule
from project.data.fit import square
from project.errors import ConfigError, EvenhandError
from project.launch.cli.hydra_versions import instantiate
from project.launch.search.trial import RunningTrial
from project.models.auxiliary import auxiliary_weight
from project.models.backbones import COMPLETION, PREPARATION, prepare_backbone
from project.models.batch_norm import names_dropped
from project.models.classifier import Classifier
from project.models.joining import behead, former_head, put_on
from project.models.normalize import normalization_of
from project.models.trial import try_out
from project.models.weights import load_weights, refuse_two_sources
from project.runs.directory import RunDirectory

log = logging.getLogger(__name__)

Size = tuple[int, int]

_TARGET = "_target_"
_PARTS_OF_DATA = ("sampler", "oversampling", "augmentation", "mixing")


def datamodule(cfg: DictConfig) -> PhotoDataModule:
    """Builds the data module with its sampler, oversampling, augmentation and mixing.

    Args:
        cfg: A composed ``train`` configuration.

    Raises:
        ConfigError: If an argument is unknown or of the wrong type.
        DataError: If the photos cannot be found.
    """
    module: PhotoDataModule = _build(
        _resolved_without(cfg.data, *FOR_SOURCES),
        "data",
        **{name: part(cfg, name) for name in _PARTS_OF_DATA},
        seed=cfg.seed,
        cache_dir=cfg.paths.cache,
    )
    return module


def part(cfg: DictConfig, name: str) -> Any:
    """Builds one node of the configuration that needs nothing from the others.

    Args:
        cfg: A composed configuration, or a node of it.
        name: Key of the node, such as ``sampler``.

    Raises:
        ConfigError: If it cannot be built.
    """
    return _build(cfg[name], name)


def seed_everything(seed: object) -> None:
    """Seeds initial weights, dropout and whatever else draws from the global generators.

    Raises:
        ConfigError: If the seed is not a number from 0 to 2^32 - 1.
    """
    if not (isinstance(seed, int) and 0 <= seed < 2**32):
        raise ConfigError(f"seed: expected a number from 0 to 2^32 - 1, got {seed!r}.")
    pl.seed_everything(seed, verbose=False)


def classifier(cfg: DictConfig, classes: Sequence[str], class_counts: Sequence[int]) -> Classifier:
    """Builds the backbone and the module that trains and measures it.

    Args:
        cfg: A composed ``train`` configuration.
        classes: Class names in label order.
        class_counts: Training images per class, for the loss.

    Raises:
        ConfigError: If an argument is unknown or of the wrong type.
        ModelError: If the backbone or its weights cannot be had.
    """
    check_monitor(cfg.monitor, cfg.monitor_mode, classes)
    stopping = cfg.callbacks.get("early_stopping")
    if stopping is not None:
        check_monitor(stopping.monitor, stopping.mode, classes)
    backbone = _backbone(cfg.model, len(classes), square(cfg.data.size))
    mean, std = normalization_of(backbone)
    return Classifier(
        backbone,
        loss=_build(cfg.loss, "loss", class_counts=list(class_counts)),
        optimizer=part(cfg, "optimizer"),
        scheduler=part(cfg, "scheduler"),
        finetuning=part(cfg, "finetune") if cfg.get("finetune") is not None else None,
        classes=classes,
        mean=mean,
        std=std,
        monitor=cfg.monitor,
        monitor_mode=cfg.monitor_mode,
        seed=cfg.seed,
        aux_weight=auxiliary_weight(cfg.model),
    )


def trainer(
    cfg: DictConfig,
    run: RunDirectory,
    data: PhotoDataModule,
    *,
    training: bool = True,
    tracked_as: Mapping[str, str | None] | None = None,
    metrics_csv: str = "",
) -> pl.Trainer:
    """Builds the trainer with its callbacks and loggers.

    Args:
        cfg: A composed ``train`` configuration.
        run: Where the run leaves its files.
        data: What will be trained or evaluated on.
        training: Whether to build the configured callbacks and loggers, which evaluation needs not.
        tracked_as: Arguments of loggers for what their configuration leaves null.
        metrics_csv: What has been logged before, if the run goes on.

    Raises:
        ConfigError: If an argument is wrong, or no callback keeps the best epoch.
    """
    callbacks: list[pl.Callback] = [
        PredictionWriter(
            run, data.photos.relative_path, data.catalog.classes, lambda: data.tested_on
        )
    ]
    loggers: list[pl.loggers.Logger] = []
    for name, node in cfg.callbacks.items():
        if cfg.trainer.enable_progress_bar if name == "progress" else training:
            callbacks.append(_build(node, f"callbacks.{name}"))
    if training:
        _check_keeps_best(callbacks)
        callbacks.append(ProgressReport(run, cfg.monitor, cfg.monitor_mode))
        callbacks.append(Unfreezing(pretrained=_starts_from_weights(cfg)))
        callbacks += [Pruning(trial)] if (trial := RunningTrial.of_this_process()) else []
        loggers = [csv_logger(run, metrics_csv)]
        known = tracked_as or {}
        loggers += [tracker(node, f"logger.{name}", known) for name, node in cfg.logger.items()]
    set_float32_precision(cfg.trainer)
    built: pl.Trainer = _build(
        _placed(cfg.trainer),
        "trainer",
        callbacks=callbacks,
        logger=loggers,
        plugins=[BackgroundCheckpointIO(AtomicCheckpointIO(run))],
        default_root_dir=str(run.path),
        enable_checkpointing=training,
        **({} if cfg.trainer.get("profiler") else {"profiler": Unobserved()}),
    )
    # Deterministic algorithms also fill new memory with NaN, for those who look for bugs in torch.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    use_resumable_loops(built)
    return built


def set_float32_precision(node: DictConfig) -> None:
    """Says how exactly a GPU computes products of float32, those of convolutions included.

    Args:
        node: The configuration's ``trainer``.
    """
    precision = node.get("matmul_precision", "highest")
    torch.set_float32_matmul_precision(precision)
    # cuDNN has a switch of its own, on by default. The one named fp32_precision makes torch raise
    # when anybody, such as its own compiler, reads this one.
    torch.backends.cudnn.allow_tf32 = precision != "highest"


def tracker(node: DictConfig, path: str, known: Mapping[str, str | None]) -> pl.loggers.Logger:
    """Builds a logger.

    Args:
        node: An entry of ``logger``.
        path: Its key, for errors.
        known: Arguments for what the configuration leaves null, such as name and group.

    Raises:
        ConfigError: If an argument is unknown or of the wrong type.
    """
    opened = {key: value for key, value in known.items() if node.get(key, "") is None}
    built: pl.loggers.Logger = _build(node, path, **opened)
    return built


def _placed(node: DictConfig) -> DictConfig:
    """The trainer's node as the machine allows it, without what is meant for torch."""
    placed = OmegaConf.create({k: v for k, v in node.items() if k not in FOR_TORCH})
    if placed.precision == AUTO:  # of a run that ended before it chose
        placed.precision = "32-true"
    on_cpu = node.accelerator == "cpu" or not torch.cuda.is_available()
    if not (node.sync_batchnorm and on_cpu):
        return placed
    log.warning("On the CPU, each process normalises its own part of a batch: torch has no other.")
    placed.sync_batchnorm = False
    return placed


def _starts_from_weights(cfg: DictConfig) -> bool:
    given = (cfg.get("pretrain"), cfg.model.get("checkpoint_path"))
    return bool(cfg.model.get("pretrained")) or any(source is not None for source in given)


def _check_keeps_best(callbacks: Sequence[pl.Callback]) -> None:
    if not any(isinstance(callback, BestCheckpoint) for callback in callbacks):
        raise ConfigError(
            "callbacks: expected one that keeps the best epoch, which is what is tested. Name the "
            "default callbacks too: callbacks=[default,...]."
        )


def unprepared_backbone(node: DictConfig, num_classes: int, size: Size) -> nn.Module:
    """Builds a network with its head, without what is done to any, such as compiling it.

    Args:
        node: The configuration's ``model``.
        num_classes: Length of the class list.
        size: Height and width of the pictures, in pixels.

    Raises:
        ConfigError: If an argument is unknown or of the wrong type.
        ModelError: If the network, its features or its weights cannot be had.
        RunError: If the weights are to be those of a run that has none.
    """
    checkpoint_path = _weights_file(node.get("checkpoint_path"))
    refuse_two_sources(bool(node.get("pretrained")), checkpoint_path)
    built: nn.Module = _build(
        _without(node, *PREPARATION, *COMPLETION), "model", num_classes=num_classes
    )
    if node.get("head") is not None:
        _join_head(built, node, num_classes, size)
    if checkpoint_path is not None:
        load_weights(
            built,
            checkpoint_path,
            num_classes,
            former_head=lambda: former_head(built, size),
            may_lack=names_dropped(built, node.get("batch_norm", "keep")),
        )
    return built


def _weights_file(given: str | None) -> str | Path | None:
    """What is given, or the best weights of a run if its directory is."""
    if given is None or not Path(given).is_dir():
        return given
    return RunDirectory.open(Path(given)).existing_checkpoint("best")


def _join_head(backbone: nn.Module, node: DictConfig, num_classes: int, size: Size) -> None:
    if node.get("aux_logits"):
        raise ConfigError(
            "model.aux_logits=true: expected the network's own head, beside which its auxiliary "
            f"ones learn, got {node.head.get(_TARGET)}. Set model.aux_logits=false or head=own."
        )
    shape = behead(backbone, node.head.get("features", "map"), size)
    head = _build(
        _without(node.head, *FOR_JOINING), "model.head", shape=shape, num_classes=num_classes
    )
    put_on(backbone, head)


def _resolved_without(node: DictConfig, *keys: str) -> DictConfig:
    """Without keys that the rest refers to."""
    values: Any = OmegaConf.to_container(node, resolve=True)
    return OmegaConf.create({k: v for k, v in values.items() if k not in keys})


def _without(node: DictConfig, *keys: str) -> DictConfig:
    return OmegaConf.create({k: v for k, v in node.items() if k not in keys})


def _backbone(node: DictConfig, num_classes: int, size: Size) -> nn.Module:
    preparation = {key: node[key] for key in PREPARATION if key in node}
    if preparation.get("memory_format") == AUTO:  # of a run that ended before it chose
        preparation["memory_format"] = "channels_last"
    built = unprepared_backbone(node, num_classes, size)
    try_out(built, size, with_auxiliary=bool(node.get("aux_logits")))
    return prepare_backbone(built, **preparation)


def _build(node: DictConfig, path: str, **joined: Any) -> Any:
    """Instantiates a node; errors name the key instead of Hydra's machinery.

    What is joined to it goes by Python: Hydra would turn dataclasses into dictionaries.
    """
    try:
        if joined:
            return instantiate(node, _partial_=True, _convert_="all")(**joined)
        return instantiate(node, _convert_="all")
    except EvenhandError:
        raise
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, EvenhandError):
            raise cause from None
        raise _unbuildable(node, path, cause or error) from error
    except (TypeError, ValueError, MisconfigurationException) as error:  # rejected arguments
        raise _unbuildable(node, path, error) from error


def _unbuildable(node: DictConfig, path: str, why: BaseException) -> ConfigError:
    return ConfigError(f"{path}: {node.get(_TARGET)} cannot be built: {why}")
