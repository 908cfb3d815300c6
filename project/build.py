"""Configuration to objects: the only place that instantiates.

What one part must know of another (the number of classes, images per class, normalisation) is
handed over here and in the entry points, as plain values.
"""

import importlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.errors import InstantiationException
from hydra.utils import get_object
from lightning_fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf
from torch import nn

from project.callbacks.background import BackgroundCheckpointIO
from project.callbacks.checkpoints import AtomicCheckpointIO, BestCheckpoint
from project.callbacks.loggers import csv_logger
from project.callbacks.loops import Unobserved, use_resumable_loops
from project.callbacks.predictions import PredictionWriter
from project.callbacks.progress import ProgressReport
from project.callbacks.pruning import Pruning
from project.choosing import AUTO, CHOSEN, choose
from project.data.datamodule import PhotoDataModule
from project.data.fit import square
from project.errors import ConfigError, EvenhandError, ModelError, suggestion
from project.launch.cli.hydra_versions import instantiate
from project.launch.composition.composed import plain
from project.launch.composition.signatures import check_arguments
from project.launch.placement import check_devices
from project.launch.search.trial import RunningTrial
from project.models.backbones import prepare_backbone
from project.models.classifier import Classifier
from project.models.metrics import metric_names
from project.models.normalize import normalization_of
from project.models.timing import Way, milliseconds_per_step, random_state_kept, ways
from project.runs.directory import RunDirectory

log = logging.getLogger(__name__)

_TARGET = "_target_"
_KEYS = {
    "data", "sampler", "oversampling", "augmentation", "mixing",
    "model", "loss", "optimizer", "scheduler",
    "trainer", "callbacks", "logger", "paths",
    "seed", "monitor", "monitor_mode", "tags", "resume",
}  # fmt: skip
_HYDRA_KEYS = {_TARGET, "_partial_", "_convert_", "_recursive_", "_args_"}
_PARTS_OF_DATA = ("sampler", "oversampling", "augmentation", "mixing")
_PREPARATION = ("compile", "memory_format")  # keys of every model, meant for us and not for it
_FOR_TORCH = ("matmul_precision",)  # keys of every trainer, likewise
_MATMUL_PRECISIONS = ("highest", "high", "medium")


def datamodule(cfg: DictConfig) -> PhotoDataModule:
    """Builds the data module with its sampler, oversampling, augmentation and mixing.

    Args:
        cfg: A composed ``train`` configuration.

    Raises:
        ConfigError: If an argument is unknown or of the wrong type.
        DataError: If the photos cannot be found.
    """
    module: PhotoDataModule = _build(
        cfg.data,
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
    _check_monitor(cfg.monitor, cfg.monitor_mode, classes)
    stopping = cfg.callbacks.get("early_stopping")
    if stopping is not None:
        _check_monitor(stopping.monitor, stopping.mode, classes)
    backbone = _backbone(cfg.model, len(classes), square(cfg.data.size))
    mean, std = normalization_of(backbone)
    return Classifier(
        backbone,
        loss=_build(cfg.loss, "loss", class_counts=list(class_counts)),
        optimizer=part(cfg, "optimizer"),
        scheduler=part(cfg, "scheduler"),
        classes=classes,
        mean=mean,
        std=std,
        monitor=cfg.monitor,
        monitor_mode=cfg.monitor_mode,
        seed=cfg.seed,
    )


def asks_for_fastest(cfg: DictConfig) -> bool:
    """Whether a setting is to be chosen by what is fastest on this machine."""
    return any(OmegaConf.select(cfg, key) == AUTO for key in CHOSEN)


def with_fastest(cfg: DictConfig, num_classes: int) -> tuple[DictConfig, dict[str, float]]:
    """Chooses what is to be chosen by what is fastest on this machine.

    Args:
        cfg: A composed ``train`` configuration; stays as it is.
        num_classes: Length of the class list.

    Returns:
        The configuration with fixed values, and the milliseconds a step of what was tried; no
        generator of random numbers has moved.

    Raises:
        ModelError: If the backbone cannot be had.
        RunError: If the answer cannot be kept.
    """
    chosen = cfg.copy()
    milliseconds: dict[str, float] = {}
    if AUTO in (cfg.trainer.precision, cfg.model.get("memory_format")):
        way, milliseconds = _measured(cfg, num_classes)
        chosen.trainer.precision = way.precision
        if "memory_format" in cfg.model:
            chosen.model.memory_format = way.memory_format
    if cfg.optimizer.get("fused") == AUTO:
        # Where gradients are scaled, a fused optimizer would have to clip them, too.
        clips = cfg.trainer.gradient_clip_val is not None
        chosen.optimizer.fused = not (chosen.trainer.precision == "16-mixed" and clips)
    return chosen, milliseconds


def _measured(cfg: DictConfig, num_classes: int) -> tuple[Way, dict[str, float]]:
    on_gpu = cfg.trainer.accelerator != "cpu" and torch.cuda.is_available()
    device = torch.device("cuda" if on_gpu else "cpu")
    size = square(cfg.data.size)
    processes = cfg.trainer.devices if isinstance(cfg.trainer.devices, int) else 1
    batch_size = max(2, cfg.data.batch_size // max(1, processes))
    tried = ways(cfg.trainer.precision, cfg.model.get("memory_format", "contiguous"), device)
    # Other weights take as long.
    fresh = {"pretrained": False, "checkpoint_path": None}
    drawn = {key: fresh.get(key, value) for key, value in cfg.model.items()}
    node = OmegaConf.create({k: v for k, v in drawn.items() if k not in _PREPARATION})

    def measure() -> dict[Way, float]:
        with random_state_kept():
            backbone = _build(node, "model", num_classes=num_classes)
            return milliseconds_per_step(backbone, tried, size, batch_size, device)

    question = {
        "model": OmegaConf.to_container(node, resolve=True),
        "size": size,
        "batch_size": batch_size,
        "device": device.type,
        "tried": tried,
    }
    return choose(Path(cfg.paths.cache), question, measure)


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
        PredictionWriter(run, data.catalog.relative_path, data.catalog.classes, data.test_split)
    ]
    loggers: list[pl.loggers.Logger] = []
    for name, node in cfg.callbacks.items():
        if cfg.trainer.enable_progress_bar if name == "progress" else training:
            callbacks.append(_build(node, f"callbacks.{name}"))
    if training:
        _check_keeps_best(callbacks)
        callbacks.append(ProgressReport(run, cfg.monitor, cfg.monitor_mode))
        callbacks += [Pruning(trial)] if (trial := RunningTrial.of_this_process()) else []
        loggers = [csv_logger(run, metrics_csv)]
        known = tracked_as or {}
        loggers += [tracker(node, f"logger.{name}", known) for name, node in cfg.logger.items()]
    torch.set_float32_matmul_precision(cfg.trainer.get("matmul_precision", "highest"))
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


def check(cfg: DictConfig) -> None:
    """Compares the configuration with signatures and with the machine, before any photo is read.

    Raises:
        ConfigError: Naming the key, what was expected and what was found.
    """
    values = plain(cfg)
    for key in values:
        if key not in _KEYS:
            raise ConfigError(
                f"{key}: nothing reads this key. There are {', '.join(sorted(_KEYS))}."
                f"{suggestion(key, _KEYS)}"
            )
    if values.get("resume") is not None:
        raise ConfigError(
            f"resume: expected a run of its own, got {values['resume']} to go on with, which only "
            "project.train does. Leave resume out."
        )
    for group in ("callbacks", "logger"):
        for name, node in values[group].items():
            if not (isinstance(node, dict) and _TARGET in node):
                raise ConfigError(
                    f"{group}.{name}: expected something to build, got {node!r}. Choose its option "
                    f"too ({group}=[default,{name}]), or give it a _target_."
                )
    for key, node in values.items():
        _check_node(node, key)
    check_devices(cfg.trainer)
    _check_validates(cfg.trainer)
    _check_chosen(cfg)


def _check_node(node: Any, path: str) -> None:
    if isinstance(node, list):
        for number, item in enumerate(node):
            _check_node(item, f"{path}[{number}]")
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        _check_node(value, f"{path}.{key}")
    if _TARGET in node:
        ours = {"model": _PREPARATION, "trainer": _FOR_TORCH}.get(path, ())
        given = {k: v for k, v in node.items() if k not in _HYDRA_KEYS | set(ours)}
        given = {k: v for k, v in given.items() if v != AUTO or f"{path}.{k}" not in CHOSEN}
        check_arguments(_target(node[_TARGET], path), given, path)


def _placed(node: DictConfig) -> DictConfig:
    """The trainer's node as the machine allows it, without what is meant for torch."""
    placed = OmegaConf.create({k: v for k, v in node.items() if k not in _FOR_TORCH})
    if placed.precision == AUTO:  # of a run that ended before it chose
        placed.precision = "32-true"
    on_cpu = node.accelerator == "cpu" or not torch.cuda.is_available()
    if not (node.sync_batchnorm and on_cpu):
        return placed
    log.warning("On the CPU, each process normalises its own part of a batch: torch has no other.")
    placed.sync_batchnorm = False
    return placed


def _check_monitor(monitor: str, mode: str, classes: Sequence[str]) -> None:
    known = [f"val/{name}" for name in ("loss", *metric_names(classes))]
    if monitor not in known:
        advice = suggestion(monitor, known) or f" There are {', '.join(known)}."
        raise ConfigError(
            f"monitor: expected a metric of the validation split, got {monitor!r}.{advice}"
        )
    best = "min" if monitor in ("val/loss", "val/calibration_error") else "max"
    if mode != best:
        raise ConfigError(
            f"monitor_mode={mode}: the best {monitor} is the {best}imum. Add monitor_mode={best}."
        )


def _check_chosen(cfg: DictConfig) -> None:
    """What torch is told before a trainer is built, and what machines would choose differently."""
    given = cfg.trainer.get("matmul_precision", "highest")
    if given not in _MATMUL_PRECISIONS:
        raise ConfigError(
            f"trainer.matmul_precision: expected {', '.join(_MATMUL_PRECISIONS)}, got {given!r}."
            + suggestion(str(given), _MATMUL_PRECISIONS)
        )
    if asks_for_fastest(cfg) and cfg.trainer.num_nodes > 1:
        raise ConfigError(
            f"{', '.join(CHOSEN)}: expected fixed values for trainer.num_nodes="
            f"{cfg.trainer.num_nodes}, as each machine would choose for itself, got {AUTO}. Take "
            "what a run on one of them chose."
        )


def _check_validates(node: DictConfig) -> None:
    """The best epoch is found by validation, so a run without one has nothing to test."""
    every, epochs = node.check_val_every_n_epoch, node.max_epochs
    if node.limit_val_batches == 0 or node.get("fast_dev_run"):
        raise ConfigError(
            "trainer: expected validation batches, because the best epoch is found by them; got "
            f"limit_val_batches={node.limit_val_batches}, fast_dev_run={node.get('fast_dev_run')}. "
            "For a quick trial take debug=one_step."
        )
    if every is not None and epochs is not None and 0 <= epochs < every:
        raise ConfigError(
            f"trainer.check_val_every_n_epoch={every}: expected at most {epochs}, which is "
            "trainer.max_epochs."
        )


def _check_keeps_best(callbacks: Sequence[pl.Callback]) -> None:
    if not any(isinstance(callback, BestCheckpoint) for callback in callbacks):
        raise ConfigError(
            "callbacks: expected one that keeps the best epoch, which is what is tested. Name the "
            "default callbacks too: callbacks=[default,...]."
        )


def _target(name: str, path: str) -> Any:
    try:
        return get_object(name)
    except Exception as error:  # whatever importing it raises
        reason = f"({error.__cause__ or error}).{_nearest_target(name)}"
        raise ConfigError(f"{path}._target_: {name!r} cannot be imported {reason}") from error


def _nearest_target(name: str) -> str:
    module, _, attribute = name.rpartition(".")
    try:
        return suggestion(attribute, dir(importlib.import_module(module)))
    except (ImportError, ValueError):
        return ""


def _backbone(node: DictConfig, num_classes: int, size: tuple[int, int]) -> nn.Module:

    preparation = {key: node[key] for key in _PREPARATION if key in node}
    if preparation.get("memory_format") == AUTO:  # of a run that ended before it chose
        preparation["memory_format"] = "channels_last"
    rest = OmegaConf.create({k: v for k, v in node.items() if k not in _PREPARATION})
    built = _build(rest, "model", num_classes=num_classes)
    _try_out(built, size)
    return prepare_backbone(built, **preparation)


def _try_out(backbone: nn.Module, size: tuple[int, int]) -> None:
    """Has the network look at two blank pictures, before photos wait for it."""
    training = backbone.training
    backbone.eval()
    try:
        with torch.no_grad():
            backbone(torch.zeros(2, 3, *size))
    except Exception as error:  # whatever a network of the user's raises
        raise ModelError(
            f"model: {type(backbone).__name__} cannot take pictures of 3 channels and "
            f"{size[0]} x {size[1]} pixels ({type(error).__name__}: {error}). Choose another "
            "data.size or model."
        ) from error
    backbone.train(training)


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
