"""Values of one nested configuration over those of another."""

import re
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

Node = dict[str, Any]

ABSENT = object()
"""Stands for the value of a key that is not there."""

_FILLED = {"head": "model.head"}  # by groups that are not called as the key that they fill


def overlaid(saved: Node, before: Node, after: Node, explicit: Sequence[str]) -> Node:
    """Carries changes over to a configuration that may be of another time.

    Args:
        saved: What the changes are made to.
        before: Today's configuration without the changes. Arguments that it gives to a constructor
            and that `saved` lacks are new since, and are added; to other mappings nothing is.
        after: Today's configuration with the changes.
        explicit: Dotted keys that were asked for: as in `after`, even where `before` is the same.

    Returns:
        A new configuration.

    Example:
        >>> overlaid({"lr": 0.1, "size": 5}, {"lr": 0.2, "size": 9}, {"lr": 0.2, "size": 3}, [])
        {'lr': 0.1, 'size': 3}
    """
    config = deepcopy(saved)
    _add_new(config, before)
    _apply_changes(config, before, after)
    for key in explicit:
        put(config, key, value_at(after, key))
    return config


def key_of(override: str) -> str:
    """The dotted key of an override, whatever is done with it.

    Example:
        >>> key_of("+logger/wandb@logger=x"), key_of("~sampler")
        ('logger.wandb.logger', 'sampler')
        >>> key_of("head=gap")
        'model.head'
    """
    key = re.sub(r"[/@]", ".", override.lstrip("+~").partition("=")[0])
    return _FILLED.get(key, key)


def all_keys(node: Node, prefix: str = "") -> Iterator[str]:
    """Dotted keys of all values and mappings, each before those below it."""
    for key, value in node.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from all_keys(value, f"{prefix}{key}.")


def value_at(node: Any, key: str) -> Any:
    """The value of a dotted key, or `ABSENT`."""
    for part in key.split("."):
        if not isinstance(node, dict) or part not in node:
            return ABSENT
        node = node[part]
    return node


def put(config: Node, key: str, value: Any) -> None:
    """Sets a dotted key; `ABSENT` removes it."""
    if value is ABSENT and value_at(config, key) is ABSENT:
        return
    *parents, last = key.split(".")
    node = config
    for part in parents:
        if not isinstance(node.get(part), dict):
            node[part] = {}
        node = node[part]
    if value is ABSENT:
        del node[last]
    else:
        node[last] = deepcopy(value)


def moved(node: Any, old: str, new: str) -> Any:
    """The same values, with one directory in the place of another.

    Example:
        >>> moved({"run_dir": "there", "lr": 0.1}, "there", "here")
        {'run_dir': 'here', 'lr': 0.1}
    """
    if isinstance(node, dict):
        return {key: moved(value, old, new) for key, value in node.items()}
    if isinstance(node, list):
        return [moved(value, old, new) for value in node]
    return new if node == old else node


def _add_new(config: Node, today: Node) -> None:
    for key, value in today.items():
        if key not in config:
            config[key] = deepcopy(value)
        elif _same_constructor(config[key], value):
            _add_new(config[key], value)


def _same_constructor(one: Any, other: Any) -> bool:
    if not (isinstance(one, dict) and isinstance(other, dict) and "_target_" in one):
        return False
    return bool(one["_target_"] == other.get("_target_"))


def _apply_changes(config: Node, before: Node, after: Node) -> None:
    for key in [*before, *(key for key in after if key not in before)]:
        old, new = before.get(key, ABSENT), after.get(key, ABSENT)
        if isinstance(old, dict) and isinstance(new, dict) and isinstance(config.get(key), dict):
            _apply_changes(config[key], old, new)
        elif new is ABSENT:
            config.pop(key, None)
        elif repr(old) != repr(new):  # 1 and 1.0 are two values
            config[key] = deepcopy(new)
