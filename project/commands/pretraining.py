"""Trains the weights that a run starts from: once, for all runs that ask for the same."""

import contextlib
import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from project.checking import check
from project.errors import ConfigError, RunError
from project.launch.beforehand import has_finished, train_once
from project.launch.cli.free_names import addable
from project.launch.cli.hydra_versions import version_options
from project.launch.cli.mistakes import explain
from project.launch.cli.nested_groups import grouped
from project.launch.cli.options import flags_of
from project.launch.cli.quoting import as_list, quoted
from project.launch.cli.resolvers import register_resolvers
from project.launch.cli.word_lists import worded
from project.launch.composition.composed import plain, settled
from project.launch.composition.overlay import ABSENT, key_of, value_at
from project.launch.jobs.job import Job
from project.models.weights import read_weights
from project.runs.directory import RunDirectory
from project.runs.fingerprint import config_fingerprint
from project.runs.group_names import as_text
from project.runs.names import run_name
from project.runs.record import Pretrained, read_record

_FOLDER = "pretrained"  # below paths.output
_DIGITS = 12  # of the fingerprint, in the folder's name
_OF_THE_RUN = ("hydra", "paths", "resume")  # follow from the run that starts from the weights
_PLACEMENT = ("trainer.accelerator", "trainer.devices")
_HOW = ("trainer.enable_progress_bar", "data.num_workers")
_SHAPES = ("_target_", "name", "width", "depth", "in_chans")  # keys of a network that shape weights


@dataclass(frozen=True)
class Pretraining:
    """A training whose best weights a run starts from.

    Attributes:
        words: What was asked for, as on the command line.
        job: The training as a command of its own.
    """

    words: tuple[str, ...]
    job: Job


def planned(cfg: DictConfig) -> Pretraining | None:
    """Finds out what is to be trained before a run, and whether it can be.

    Args:
        cfg: A composed ``train`` configuration. Where photos, caches and runs lie and what computes
            holds for the other training, too, unless its words say something else.

    Returns:
        The training; None where `pretrain` asks for none.

    Raises:
        ConfigError: If the words make no training, or the run cannot start from its weights.
    """
    values = plain(cfg)
    words = values.get("pretrain")
    if words is None:
        return None
    _check_words(words)
    _check_network(values["model"])
    given = [*_passed_on(values, words), *words]
    with _blaming(words):
        composed = _composed(given)
        check(composed)
        config = settled(composed)
        _refuse_another(config.get("pretrain"))
        _check_same_network(config["model"], values["model"])
    name = f"{run_name(words)}-{config_fingerprint(config)[:_DIGITS]}"
    place = Path(values["paths"]["output"]).absolute() / _FOLDER / name
    job = Job(
        name=name,
        run=RunDirectory(place),
        overrides=tuple(words),
        words=(*flags_of(sys.argv[1:]), *given),
        config=config,
    )
    return Pretraining(tuple(words), job)


def pretrain_once(pretraining: Pretraining, then: Pretrained | None = None) -> Pretrained:
    """Has the weights trained, unless they are there already.

    The folder is locked meanwhile: whoever else needs the same weights waits for them. A training
    that was stopped goes on. Only the first process of a run trains; the others wait for it.

    Args:
        pretraining: What is to be trained.
        then: What the run that goes on, or that is repeated, started from; its folder is used as
            long as it is there.

    Returns:
        The weights.

    Raises:
        RunError: If the training failed, or its weights are not those of `then`.
    """
    if then is not None and tuple(then.words) != pretraining.words:
        then = None
    kept = RunDirectory(Path(then.folder)) if then is not None else None
    run = kept if kept is not None and has_finished(kept) else train_once(pretraining.job)
    found = _described(run, pretraining.words)
    if then is not None and then.weights_sha256 != found.weights_sha256:
        raise RunError(
            f"pretrain: expected the weights that the run started from, with the SHA-256 "
            f"{then.weights_sha256} and then in {then.folder}, got others in {found.folder}: "
            f"{found.weights_sha256}. Restore that folder; or train again from what there is now, "
            f"with project.rerun and 'pretrain={_listed(pretraining.words)}'."
        )
    return found


def starting_from(cfg: DictConfig, weights: Pretrained | None) -> DictConfig:
    """Has a network be built with weights, as ``model.checkpoint_path`` would have it.

    Args:
        cfg: A composed ``train`` configuration; stays as it is.
        weights: Where from; None: as the configuration says.
    """
    if weights is None:
        return cfg
    started = cfg.copy()
    started.model.checkpoint_path = weights.folder
    return started


def weights_digest(file: Path) -> str:
    """Digests the weights in a file.

    Args:
        file: A checkpoint.

    Returns:
        SHA-256 of names, types, shapes and values, in hexadecimal digits.

    Raises:
        ModelError: If the file cannot be read.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(read_weights(file).items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _check_words(words: Any) -> None:
    if not (isinstance(words, list) and words and all(isinstance(word, str) for word in words)):
        raise ConfigError(
            f"pretrain: expected null or a list of words of another training, got {words!r}. Write "
            "pretrain=[experiment=transfer_source]."
        )
    for word in words:
        try:
            override = OverridesParser.create().parse_override(_as_hydra_reads(word))
        except HydraException as error:
            raise ConfigError(
                f"pretrain: {word}: expected key=value as on the command line, got something "
                f"else ({error})."
            ) from error
        if override.is_sweep_override():
            raise ConfigError(
                f"pretrain: {word}: expected one value, got several, and a run starts from one "
                "training. Sweep over several lists of words."
            )
        if key_of(word).partition(".")[0] in _OF_THE_RUN:
            raise ConfigError(
                f"pretrain: {word}: expected a word about what is trained, got one about where it "
                "is kept, which follows from this run. Leave it out."
            )


def _check_network(model: Mapping[str, Any]) -> None:
    if "checkpoint_path" not in model:
        raise ConfigError(
            f"pretrain: expected a network that starts from weights, got {model['_target_']} "
            "without model.checkpoint_path. Add +model.checkpoint_path=null, or set pretrain=null."
        )
    for key in ("checkpoint_path", "pretrained"):
        if model.get(key) not in (None, False):
            raise ConfigError(
                f"pretrain: expected one source of weights, got model.{key}="
                f"{as_text(model[key])} as well. Leave one of them out: pretrain=null, or no "
                f"model.{key}."
            )


def _check_same_network(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    """Finds plain differences; whatever else differs in shape shows when weights are loaded."""
    for key in _SHAPES:
        if key in theirs and key in ours and theirs[key] != ours[key]:
            raise ConfigError(
                f"expected the network of this run, with model.{key}={ours[key]}, whose weights "
                f"would fit, got model.{key}={theirs[key]}. Choose the model in the words, too."
            )


def _refuse_another(words: Any) -> None:
    if words is not None:
        raise ConfigError(
            f"expected a training that starts from nothing trained here, got one with "
            f"pretrain={_listed(words)}. Add pretrain=null to its words."
        )


def _passed_on(values: Mapping[str, Any], words: Sequence[str]) -> list[str]:
    """What says where things are and what computes, as words."""
    given = {key_of(word) for word in words}
    known = {f"paths.{key}": value for key, value in values["paths"].items() if key != "run"}
    keys = _HOW if "trainer" in given else (*_HOW, *_PLACEMENT)
    known |= {key: value for key in keys if (value := value_at(values, key)) is not ABSENT}
    passed = [_word(key, value) for key, value in known.items() if key not in given]
    return passed if "logger" in given else [*passed, "logger=csv"]


def _word(key: str, value: Any) -> str:
    # A list of one without its brackets: text in quotes, whatever it holds.
    return f"++{key}={as_list([value])[1:-1] if isinstance(value, str) else as_text(value)}"


def _as_hydra_reads(word: str) -> str:
    return quoted(worded(grouped(addable(word))))


@contextlib.contextmanager
def _blaming(words: Sequence[str]) -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"pretrain={_listed(words)}: {error}") from error


def _listed(words: Sequence[str]) -> str:
    return f"[{','.join(words)}]"


def _composed(words: Sequence[str]) -> DictConfig:
    """Composes ``train``; what Hydra complains about gets an answer."""
    # Where the run itself lies is not known yet, and changes no result.
    given = [*map(_as_hydra_reads, words), f"++paths.run={_FOLDER}"]
    with _initialized():
        hydra = GlobalHydra.instance().hydra  # which explaining a mistake clears
        try:
            return compose("train", given)
        except (HydraException, OmegaConfBaseException) as error:
            said = explain(error, "train", given)
            GlobalHydra.instance().hydra = hydra
            raise ConfigError(said) from error


@contextlib.contextmanager
def _initialized() -> Iterator[None]:
    """Inside of a command Hydra knows where configurations are; a program may not have told it."""
    if GlobalHydra.instance().is_initialized():
        yield
        return
    register_resolvers()
    with initialize_config_module("conf", **version_options()):
        yield


def _described(run: RunDirectory, words: Sequence[str]) -> Pretrained:
    record = read_record(run)
    return Pretrained(
        folder=str(run.path),
        words=list(words),
        config_fingerprint=record.config_fingerprint,
        weights_sha256=weights_digest(run.existing_checkpoint("best")),
        metrics={name: value for name, value in record.metrics.items() if name[:4] == "val/"},
    )
