"""A configuration against signatures and the machine, before any photo is read."""

import importlib
import re
from collections.abc import Sequence
from typing import Any

from hydra.utils import get_object
from omegaconf import DictConfig

from project.choosing import AUTO, CHOSEN, asks_for_fastest
from project.errors import ConfigError, EvenhandError, suggestion
from project.launch.composition.composed import plain
from project.launch.composition.signatures import check_arguments
from project.launch.placement import check_devices
from project.models.backbones import COMPLETION, PREPARATION
from project.models.finetuning.plans import FineTuning
from project.models.metrics import metric_names
from project.runs.metric_names import SMALL_IS_GOOD
from project.runs.record import HEADLINE

FOR_TORCH = ("matmul_precision",)
"""Keys of every trainer that are meant for torch and not for it."""
FOR_JOINING = ("features",)
"""Keys of every head that say what it is joined to."""
FOR_SOURCES = ("background",)
"""Keys of data that its source has too, by interpolation: they are short names for it."""

_TARGET = "_target_"
_KEYS = {
    "data", "sampler", "oversampling", "augmentation", "mixing",
    "model", "loss", "optimizer", "scheduler", "finetune",
    "trainer", "callbacks", "logger", "paths",
    "scale", "seed", "monitor", "monitor_mode", "headline", "pretrain", "tags", "resume",
}  # fmt: skip
_OURS = {
    "model": (*PREPARATION, *COMPLETION),
    "model.head": FOR_JOINING,
    "trainer": FOR_TORCH,
    "data": FOR_SOURCES,
}
_HYDRA_KEYS = {_TARGET, "_partial_", "_convert_", "_recursive_", "_args_"}
_MATMUL_PRECISIONS = ("highest", "high", "medium")
_LEADING = ("accuracy", "macro_recall", "macro_f1")
_LEADING_OF_A_CLASS = ("recall", "precision", "f1")


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
    _check_headline(values.get("headline", HEADLINE))
    _check_head(values["model"].get("head"))
    _check_read_by_source(values["data"])
    for key, node in values.items():
        _check_node(node, key)
    check_devices(cfg.trainer)
    _check_validates(cfg.trainer)
    _check_chosen(cfg)
    _check_finetuning(values.get("finetune"), cfg.trainer.max_epochs)


def check_part(cfg: DictConfig, name: str) -> None:
    """Compares one node of a configuration with signatures.

    Args:
        cfg: A composed configuration.
        name: Key of the node, such as ``data``.

    Raises:
        ConfigError: Naming the key, what was expected and what was found.
    """
    _check_node(plain(cfg)[name], name)


def _check_node(node: Any, path: str) -> None:
    if isinstance(node, list):
        for number, item in enumerate(node):
            _check_node(item, f"{path}[{number}]")
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        _check_node(value, f"{path}.{key}")
    if _TARGET in node:
        ours = _OURS.get(path, ())
        given = {k: v for k, v in node.items() if k not in _HYDRA_KEYS | set(ours)}
        given = {k: v for k, v in given.items() if v != AUTO or f"{path}.{k}" not in CHOSEN}
        check_arguments(_target(node[_TARGET], path), given, path)


def _check_head(node: Any) -> None:
    if node is not None and not (isinstance(node, dict) and _TARGET in node):
        raise ConfigError(
            f"model.head: expected something to build, got {node!r}. Choose an option (head=gap), "
            "or give it a _target_."
        )


def _check_read_by_source(data: dict[str, Any]) -> None:
    """A short name that the source does not follow would be ignored."""
    for key in FOR_SOURCES:
        if key not in data:
            continue
        found = data["source"].get(key, "no such key")
        if found != data[key]:
            raise ConfigError(
                f"data.{key}={data[key]}: expected a source that follows it, got {found} at "
                f"data.source.{key}. Set data.{key} alone, or leave it out where the source has no "
                "such key."
            )


def check_monitor(monitor: str, mode: str, classes: Sequence[str]) -> None:
    """Checks what the best epoch is found by.

    Args:
        monitor: Name of a metric.
        mode: Whether its smallest or its largest value is the best.
        classes: Class names, each of which has metrics of its own.

    Raises:
        ConfigError: If there is no such metric of the validation split, or its best is the other.
    """
    known = [f"val/{name}" for name in ("loss", *metric_names(classes))]
    if monitor not in known:
        advice = suggestion(monitor, known) or f" There are {', '.join(known)}."
        raise ConfigError(
            f"monitor: expected a metric of the validation split, got {monitor!r}.{advice}"
        )
    best = "min" if monitor.removeprefix("val/") in SMALL_IS_GOOD else "max"
    if mode != best:
        raise ConfigError(
            f"monitor_mode={mode}: the best {monitor} is the {best}imum. Add monitor_mode={best}."
        )


def check_headline(headline: str, classes: Sequence[str]) -> None:
    """Checks that there is the class that tables are to lead with.

    Args:
        headline: Name of a metric, as `check` accepts it.
        classes: Class names.

    Raises:
        ConfigError: If it is about another class; lists those that there are.
    """
    kind, slash, name = headline.partition("/")
    if slash and name not in classes:
        raise ConfigError(
            f"headline: expected {kind}/<class> of {', '.join(classes)}, which the photos show, "
            f"got {headline!r}.{suggestion(name, classes)}"
        )


def _check_headline(headline: object) -> None:
    kind, _, name = str(headline).partition("/")
    if headline in _LEADING or (kind in _LEADING_OF_A_CLASS and name):
        return
    known = [*_LEADING, *(f"{one}/<class>" for one in _LEADING_OF_A_CLASS)]
    meant = re.sub("^(train|val|test)/", "", str(headline))  # tables know whose metric it is
    name = meant.partition("/")[2] or "<class>"
    near = [*_LEADING, *(f"{one}/{name}" for one in _LEADING_OF_A_CLASS)]
    raise ConfigError(
        f"headline: expected one of {', '.join(known)}, got {headline!r}.{suggestion(meant, near)}"
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


def _check_finetuning(node: dict[str, Any] | None, max_epochs: int | None) -> None:
    """Whose mistakes would show only when all photos have been read, or hours later."""
    if node is None:  # of a run that was begun before there was a choice
        return
    arguments = {key: value for key, value in node.items() if key not in _HYDRA_KEYS}
    target = _target(node[_TARGET], "finetune")
    try:
        plan = target(**arguments)
    except EvenhandError:
        raise
    except Exception as error:  # whatever a plan of the user's raises
        given = ", ".join(f"{key}={value}" for key, value in arguments.items()) or "no arguments"
        raise ConfigError(
            f"finetune: expected a FineTuning from {node[_TARGET]} with {given}, got "
            f"{type(error).__name__}: {error}. Change the arguments, or take one of "
            "project.models.finetuning.plans."
        ) from error
    if not isinstance(plan, FineTuning):
        raise ConfigError(
            f"finetune._target_: expected what gives a FineTuning, got {node[_TARGET]}, which "
            f"gives a {type(plan).__name__}. Take one of project.models.finetuning.plans."
        )
    plan.check_within(max_epochs)


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
