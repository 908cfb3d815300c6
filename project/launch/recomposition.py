"""The configuration of an earlier run, composed again under today's ``conf/`` with other overrides.

What the run was trained with always wins over a default that has changed since; what today's code
no longer takes of it is for the checks of the configuration to find.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

from hydra import compose
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

import conf
from project.errors import ConfigError, suggestion
from project.launch.mistakes import explain
from project.launch.overlay import ABSENT, Node, overlaid, put, value_at
from project.launch.quoting import quoted
from project.runs.directory import RunDirectory
from project.runs.finding import open_training_run
from project.runs.fingerprint import can_change_a_result, flattened
from project.runs.group_names import as_text
from project.runs.record import RunRecord, read_record
from project.runs.saved_config import read_config, read_overrides

NOTHING = "nothing"


@dataclass(frozen=True)
class Earlier:
    """The run whose configuration is composed again.

    Attributes:
        run: Its directory.
        record: What it was and measured.
        config: What it was trained with.
        overrides: What it was started with.
    """

    run: RunDirectory
    record: RunRecord
    config: Node
    overrides: list[str]

    @classmethod
    def open(cls, path: Path) -> Self:
        """Reads a run.

        Args:
            path: Its directory.

        Returns:
            All that is needed of it.

        Raises:
            RunError: There is no training run, or a file of it is missing or damaged.
        """
        run = open_training_run(path)
        return cls(run, read_record(run), read_config(run), read_overrides(run))

    @property
    def composed(self) -> bool:
        """Whether Hydra composed the configuration, and not a program."""
        return bool(self.record.choices or self.record.overrides)


class Kept(NamedTuple):
    """A value of the run and today's default, as text; `NOTHING` where there is no such key."""

    then: str
    today: str


@dataclass(frozen=True)
class Recomposition:
    """A run's configuration as it is to run now.

    Attributes:
        then: What the run was trained with, but in the directory of this one.
        config: What is to run: plain nested values, nothing left to resolve.
        overrides: All that made it, the run's own and the new ones, as on the command line.
        choices: Option by group, where the run recorded any.
        kept: What stays as it was in the run although today's configuration has something else,
            by dotted key.
    """

    then: Node
    config: Node
    overrides: list[str]
    choices: dict[str, str | None]
    kept: dict[str, Kept]


def recompose(
    earlier: Earlier, overrides: Sequence[str], paths: Mapping[str, str]
) -> Recomposition:
    """Composes the configuration of a run again.

    The configuration of a run that a program started is all there is to go by: a new option
    replaces the whole node of its group, and nothing else is composed.

    Args:
        earlier: The run. Hydra must be initialised, as it is inside of a command.
        overrides: New ones; each replaces the recorded override of the same key, and ``~key`` also
            drops recorded overrides below the key.
        paths: Where this run reads and writes; the ``paths`` node.

    Returns:
        The configuration, and how it came about.

    Raises:
        ConfigError: An override fits nothing today, be it a new one or the run's own.
    """
    _check_single(overrides)
    then = _moved(earlier.config, str(earlier.config["paths"]["run"]), paths["run"])
    then["paths"] = dict(paths)
    if not earlier.composed:
        return Recomposition(then, _rooted(_patched(then, overrides, paths)), [], {}, {})
    recorded = earlier.overrides
    merged = _merged(recorded, overrides, paths)
    after = _composed(merged, recorded, paths)
    today = _plain(after)
    try:
        before = _plain(_composed(recorded, recorded, paths))
    except ConfigError:  # what has been replaced since no longer composes
        before = today
    explicit = [_key(override) for override in overrides]
    config = _rooted(overlaid(then, before, today, explicit))
    choices = choices_of(after.hydra.runtime.choices)
    kept = _kept(then, _rooted(before), config, explicit)
    return Recomposition(then, config, merged, choices, kept)


def choices_of(choices: Mapping[str, str | None]) -> dict[str, str | None]:
    """Hydra's own record of chosen options, without those of Hydra itself."""
    return {str(k): v for k, v in choices.items() if k.partition("/")[0] != "hydra"}


def _merged(
    recorded: Sequence[str], overrides: Sequence[str], paths: Mapping[str, str]
) -> list[str]:
    """The run's overrides and the new ones, without those that cancel each other."""
    prefixes = {_key(o): o[: len(o) - len(o.lstrip("+"))] for o in recorded}
    kept = [o for o in recorded if not any(_replaces(new, o) for new in overrides)]
    news = [o if o[0] in "+~" else f"{prefixes.get(_key(o), '')}{o}" for o in overrides]
    deleted = [o for o in news if o.startswith("~")]
    merged = [*kept, *(o for o in news if o not in deleted)]
    if not deleted:
        return merged
    there = _plain(_composed(merged, recorded, paths))
    return [*merged, *(o for o in deleted if value_at(there, _key(o)) is not ABSENT)]


def _replaces(new: str, old: str) -> bool:
    if new.startswith("~"):
        return f"{_key(old)}.".startswith(f"{_key(new)}.")
    return _key(new) == _key(old)


def _composed(
    overrides: Sequence[str], recorded: Sequence[str], paths: Mapping[str, str]
) -> DictConfig:
    """Composes ``train``; what Hydra complains about gets an answer."""
    placed = [quoted(f"paths.{key}={value}") for key, value in paths.items()]
    rest = [o for o in overrides if not _key(o).startswith(("paths.", "hydra."))]
    hydra = GlobalHydra.instance().hydra  # which explaining a mistake clears
    try:
        return compose("train", [*rest, *placed], return_hydra_config=True)
    except (HydraException, OmegaConfBaseException) as error:
        words = explain(error, "train", rest)
        GlobalHydra.instance().hydra = hydra
        raise ConfigError(f"{words}{_cure(words, [o for o in recorded if o in rest])}") from error


def _cure(words: str, own: Sequence[str]) -> str:
    """What to do if the mistake is not in what the user wrote."""
    culprits = [override for override in own if words.startswith(_key(override))]
    if not culprits:
        return ""
    culprit = max(culprits, key=lambda override: len(_key(override)))
    return (
        f" The run was started with {culprit}, which no longer fits: override {_key(culprit)}, or "
        f"drop it with ~{_key(culprit)}."
    )


def _plain(cfg: DictConfig) -> Node:
    parts = {key: node for key, node in cfg.items_ex(resolve=False) if key != "hydra"}
    bare = OmegaConf.masked_copy(cfg, [str(key) for key in parts])
    plain = OmegaConf.to_container(bare, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _kept(then: Node, today: Node, config: Node, explicit: Sequence[str]) -> dict[str, Kept]:
    old, now, new = flattened(then), flattened(today), flattened(config)
    kept = {key: Kept(_said(old, key), _said(now, key)) for key in old}
    kept |= {key: Kept(NOTHING, _said(now, key)) for key in now if key not in new}
    return {
        key: both
        for key, both in kept.items()
        if both.then != both.today
        and can_change_a_result(key)
        and not any(f"{key}.".startswith(f"{one}.") for one in explicit)
    }


def _said(values: Node, key: str) -> str:
    return as_text(values[key]) if key in values else NOTHING


def _patched(then: Node, overrides: Sequence[str], paths: Mapping[str, str]) -> Node:
    """Overrides of a configuration that a program composed."""
    switches = [o for o in overrides if _key(o) in _groups() and not o.startswith("~")]
    before, after = (_plain(_composed(chosen, [], paths)) for chosen in ([], switches))
    config = deepcopy(then)
    for key, node in after.items():
        if repr(node) != repr(before.get(key)) or key in map(_key, switches):
            config[key] = node
    for override in overrides:
        if override not in switches:
            _set(config, override)
    return config


def _check_single(overrides: Sequence[str]) -> None:
    for text in overrides:
        try:
            override = OverridesParser.create().parse_override(text)
        except HydraException as error:
            raise ConfigError(f"{text}: {error}") from error
        if override.is_sweep_override():
            raise ConfigError(f"{text}: expected one value, got several. Rerun once for each.")


def _set(config: Node, text: str) -> None:
    """Applies one ``key=value``, ``+key=value`` or ``~key`` to plain values."""
    override = OverridesParser.create().parse_override(text)
    key = override.key_or_group
    if value_at(config, key) is ABSENT and not override.is_add():
        known = list(_all_keys(config))
        raise ConfigError(
            f"{key}: there is no such key.{suggestion(key, known)} To add a new one, write "
            f"+{key}=<value>."
        )
    put(config, key, ABSENT if override.is_delete() else override.value())


def _all_keys(node: Node, prefix: str = "") -> Iterator[str]:
    for key, value in node.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _all_keys(value, f"{prefix}{key}.")


def _groups() -> set[str]:
    return {entry.name for entry in Path(conf.__path__[0]).iterdir() if entry.is_dir()}


def _moved(node: Any, old: str, new: str) -> Any:
    """The same values, with the directory of this run in the place of the earlier one's."""
    if isinstance(node, dict):
        return {key: _moved(value, old, new) for key, value in node.items()}
    if isinstance(node, list):
        return [_moved(value, old, new) for value in node]
    return new if node == old else node


def _key(override: str) -> str:
    return re.sub(r"[/@]", ".", override.lstrip("+~").partition("=")[0])


def _rooted(config: Node) -> Node:
    """Photos are recorded with their whole path, so that it is compared with the like."""
    if (root := value_at(config, "data.root")) not in (ABSENT, None):
        config["data"]["root"] = str(Path(str(root)).absolute())
    return config
