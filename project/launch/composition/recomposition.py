"""The configuration of an earlier run, composed again under today's ``conf/`` with other overrides.

What the run was trained with always wins over a default that has changed since; what today's code
no longer takes of it is for the checks of the configuration to find.
"""

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import NamedTuple

from hydra import compose
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from project.errors import ConfigError, suggestion
from project.launch.cli.mistakes import explain, groups, key_at_fault
from project.launch.cli.quoting import as_list
from project.launch.composition.composed import rooted
from project.launch.composition.earlier import Earlier
from project.launch.composition.overlay import (
    ABSENT,
    Node,
    all_keys,
    key_of,
    moved,
    overlaid,
    put,
    value_at,
)
from project.runs.differences import NOTHING, said
from project.runs.fingerprint import can_change_a_result, flattened, places_data

_OF_THIS_RUN = ("hydra", "paths")
_IDENTITY = re.compile(r"logger\.[^.]+\.id")  # a tracker would go on with the earlier run


class Kept(NamedTuple):
    """A value of the run and today's default, as `said`."""

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
        asked: The new overrides alone.
    """

    then: Node
    config: Node
    overrides: list[str]
    choices: dict[str, str | None]
    kept: dict[str, Kept]
    asked: tuple[str, ...]

    def asks_for_other_results(self, *, same_photos: bool) -> bool:
        """Whether a new override can change a result; one that says what the run did cannot.

        Args:
            same_photos: Whether photos, labels and split are the run's, wherever they lie.
        """
        keys = [key_of(override) for override in self.asked]
        return any(
            can_change_a_result(key)
            and not (same_photos and places_data(key))
            and (value_at(self.then, key) is ABSENT or self._differs(key))
            for key in keys
        )

    def _differs(self, key: str) -> bool:
        return repr(value_at(self.then, key)) != repr(value_at(self.config, key))


def recompose(
    earlier: Earlier, overrides: Sequence[str], paths: Mapping[str, str]
) -> Recomposition:
    """Composes the configuration of a run again.

    The configuration of a run that a program started is all there is to go by: a new option
    replaces the whole node of its group, and nothing else is composed.

    Args:
        earlier: The run. Hydra must be initialised, as it is inside of a command.
        overrides: New ones; each replaces the recorded override of the same key, and ``~key`` also
            drops recorded overrides below the key. Other data drop the recorded place of the
            photos. The identity of the run in a tracker is never carried over.
        paths: Where this run reads and writes; the ``paths`` node.

    Returns:
        The configuration, and how it came about.

    Raises:
        ConfigError: An override fits nothing today, be it a new one or the run's own; or the run's
            configuration lacks a whole node.
    """
    _check_words(overrides)
    defaults = _plain(_composed([], [], paths))
    earlier.require_nodes(defaults, [key_of(o) for o in overrides if not o.startswith("~")])
    then = moved(earlier.config, str(earlier.config["paths"]["run"]), paths["run"])
    then["paths"] = dict(paths)
    for key in filter(_IDENTITY.fullmatch, list(all_keys(then))):
        put(then, key, None)
    asked = tuple(overrides)
    if not earlier.composed:
        patched = rooted(_patched(then, defaults, overrides, paths))
        return Recomposition(then, patched, [], {}, {}, asked)
    recorded = [o for o in earlier.overrides if not _IDENTITY.fullmatch(key_of(o))]
    own = [o for o in recorded if not _is_replaced(o, overrides, earlier)]
    merged = _merged(earlier, own, overrides, paths)
    after = _composed(merged, own, paths)
    today = _plain(after)
    before = _before((recorded, own), paths, today)
    explicit = [key_of(override) for override in overrides]
    config = rooted(overlaid(then, before, today, explicit))
    choices = choices_of(after.hydra.runtime.choices)
    # Where photos lay relative to where the run was started says nothing about defaults.
    placed = [key for key in map(key_of, own) if places_data(key)]
    kept = _kept(then, rooted(before), config, [*explicit, *placed])
    return Recomposition(then, config, merged, choices, kept, asked)


def choices_of(choices: Mapping[str, str | None]) -> dict[str, str | None]:
    """Hydra's own record of chosen options, without those of Hydra itself."""
    return {str(k): v for k, v in choices.items() if k.partition("/")[0] != "hydra"}


def _check_words(overrides: Sequence[str]) -> None:
    for text in overrides:
        try:
            override = OverridesParser.create().parse_override(text)
        except HydraException as error:
            raise ConfigError(f"{text}: {error}") from error
        if override.is_sweep_override():
            raise ConfigError(f"{text}: expected one value, got several. Rerun once for each.")
        if key_of(text).partition(".")[0] in _OF_THIS_RUN:
            raise ConfigError(
                f"{text}: expected an override of what is trained, got one of where this command "
                "itself runs and writes. Write that as a word of its own, as key=value."
            )


def _is_replaced(old: str, overrides: Sequence[str], earlier: Earlier) -> bool:
    """Whether a recorded override gives way to a new one."""
    return any(
        _replaces(new, old) or (key_of(old) == "data.root" and _switches_data(new, earlier))
        for new in overrides
    )


def _replaces(new: str, old: str) -> bool:
    if new.startswith("~"):
        return f"{key_of(old)}.".startswith(f"{key_of(new)}.")
    return key_of(new) == key_of(old)


def _switches_data(new: str, earlier: Earlier) -> bool:
    if new.startswith("~") or key_of(new) != "data":
        return False
    chosen = OverridesParser.create().parse_override(new).value()
    return chosen != earlier.record.choices.get("data")


def _merged(
    earlier: Earlier, own: Sequence[str], overrides: Sequence[str], paths: Mapping[str, str]
) -> list[str]:
    """The run's overrides that stay and the new ones, without those that cancel each other."""
    prefixes = {key_of(o): o[: len(o) - len(o.lstrip("+"))] for o in earlier.overrides}
    news = [o if o[0] in "+~" else f"{prefixes.get(key_of(o), '')}{o}" for o in overrides]
    deleted = [o for o in news if o.startswith("~")]
    merged = [*own, *(o for o in news if o not in deleted)]
    if not deleted:
        return merged
    there = _plain(_composed(merged, own, paths))
    for override in deleted:
        _require_something_to_drop(override, earlier, there)
    return [*merged, *(o for o in deleted if value_at(there, key_of(o)) is not ABSENT)]


def _require_something_to_drop(override: str, earlier: Earlier, there: Node) -> None:
    key = key_of(override)
    known = [*all_keys(earlier.config), *all_keys(there), *map(key_of, earlier.overrides)]
    if not any(f"{one}.".startswith(f"{key}.") for one in known):
        raise ConfigError(
            f"{override}: expected a key of the run, of its overrides or of today's configuration, "
            f"got none of them.{suggestion(key, known)}"
        )


def _before(attempts: Sequence[Sequence[str]], paths: Mapping[str, str], today: Node) -> Node:
    """Today's configuration without the new overrides; with them where it no longer composes."""
    for overrides in attempts:
        try:
            return _plain(_composed(overrides, [], paths))
        except ConfigError:  # what has been replaced since
            continue
    return today


def _composed(overrides: Sequence[str], own: Sequence[str], paths: Mapping[str, str]) -> DictConfig:
    """Composes ``train``; what Hydra complains about gets an answer."""
    # A list of one without its brackets: text in quotes, whatever it holds.
    placed = [f"++paths.{key}={as_list([value])[1:-1]}" for key, value in paths.items()]
    rest = [o for o in overrides if key_of(o).partition(".")[0] not in _OF_THIS_RUN]
    hydra = GlobalHydra.instance().hydra  # which explaining a mistake clears
    try:
        return compose("train", [*rest, *placed], return_hydra_config=True)
    except (HydraException, OmegaConfBaseException) as error:
        words = explain(error, "train", rest)
        GlobalHydra.instance().hydra = hydra
        raise ConfigError(f"{words}{_cure(words, own)}") from error


def _cure(words: str, own: Sequence[str]) -> str:
    """What to do if the mistake is not in what the user wrote."""
    recorded = {key_of(override): override for override in own}
    key = key_at_fault(words, recorded)
    if key is None:
        return ""
    return (
        f" The run was started with {recorded[key]}, which no longer fits: override {key}, or drop "
        f"it with ~{key}."
    )


def _plain(cfg: DictConfig) -> Node:
    parts = {key: node for key, node in cfg.items_ex(resolve=False) if key != "hydra"}
    bare = OmegaConf.masked_copy(cfg, [str(key) for key in parts])
    plain = OmegaConf.to_container(bare, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _kept(then: Node, today: Node, config: Node, explicit: Sequence[str]) -> dict[str, Kept]:
    old, now, new = flattened(then), flattened(today), flattened(config)
    kept = {key: Kept(said(old, key), said(now, key)) for key in old}
    kept |= {key: Kept(NOTHING, said(now, key)) for key in now if key not in new}
    return {
        key: both
        for key, both in kept.items()
        if both.then != both.today
        and can_change_a_result(key)
        and not any(f"{key}.".startswith(f"{one}.") for one in explicit)
    }


def _patched(then: Node, before: Node, overrides: Sequence[str], paths: Mapping[str, str]) -> Node:
    """Overrides of a configuration that a program composed."""
    known = {key_of(group) for group in groups()}
    switches = [o for o in overrides if key_of(o) in known and not o.startswith("~")]
    whole = [o for o in switches if "." not in key_of(o)]
    config = deepcopy(then)
    for key, node in _plain(_composed(whole, [], paths)).items():
        if repr(node) != repr(before.get(key)) or key in map(key_of, whole):
            config[key] = node
    after = _plain(_composed(switches, [], paths))
    for key in {key_of(o) for o in switches if o not in whole}:
        put(config, key, value_at(after, key))
    for override in overrides:
        if override not in switches:
            _set(config, override)
    return config


def _set(config: Node, text: str) -> None:
    """Applies one ``key=value``, ``+key=value`` or ``~key`` to plain values."""
    override = OverridesParser.create().parse_override(text)
    key = override.key_or_group
    if value_at(config, key) is ABSENT and not (override.is_add() or override.is_force_add()):
        known = list(all_keys(config))
        raise ConfigError(
            f"{key}: there is no such key.{suggestion(key, known)} To add a new one, write "
            f"+{key}=<value>."
        )
    put(config, key, ABSENT if override.is_delete() else override.value())
