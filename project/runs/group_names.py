"""Names for recipes that say what sets them apart, as overrides that a user would write."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from project.runs.fingerprint import can_change_a_result, flattened, places_data
from project.runs.names import run_name

Switches = dict[str, str | None]

_LIMIT = 120  # characters; a table can wrap
_UNIQUE_DIGITS = 6


@dataclass(frozen=True)
class Recipe:
    """What makes the runs of a group.

    Attributes:
        fingerprint: Of the recipe.
        settings: What results depend on, by dotted key.
        config: The whole configuration, nested.
        overrides: As on the command line.
        choices: Option by group, where it is known.
    """

    fingerprint: str
    settings: Mapping[str, Any]
    config: Mapping[str, Any]
    overrides: tuple[str, ...]
    choices: Mapping[str, str | None]


def name_all(recipes: Sequence[Recipe]) -> list[tuple[str, Switches]]:
    """Names recipes after what differs between them.

    A name says, for each override that some recipe has and that makes a difference, the value
    that it has here: as overridden, else as recorded, else from the configuration. Where that
    leaves two names equal, options and keys that nobody overrode are added until they differ. A
    recipe alone is named after its own overrides.

    Args:
        recipes: With different fingerprints.

    Returns:
        For each recipe its name and what the name says: value by key, as on the command line;
        None for a key that the recipe lacks.
    """
    given = [overridden(recipe.overrides) for recipe in recipes]
    keys = list(dict.fromkeys(key for one in given for key in one))
    if len(recipes) > 1:
        differing = differing_keys([recipe.settings for recipe in recipes])
        keys = [key for key in keys if _matters(key, differing, recipes)]
    switches = [
        {key: _value(key, recipe, own) for key in keys}
        for recipe, own in zip(recipes, given, strict=True)
    ]
    _tell_apart(switches, recipes)
    names = [_name(one) for one in switches]
    often = Counter(names)
    return [
        (name if often[name] == 1 else f"{name}-{recipe.fingerprint[:_UNIQUE_DIGITS]}", one)
        for name, recipe, one in zip(names, recipes, switches, strict=True)
    ]


def differing_keys(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Keys that not all have, or not with one value; 1 and 1.0 are two values.

    Args:
        settings: Value by dotted key.

    Returns:
        The keys, in the order in which they first come.
    """
    keys = dict.fromkeys(key for one in settings for key in one)
    return [key for key in keys if len({_shown(one, key) for one in settings}) > 1]


def overridden(overrides: Iterable[str]) -> Switches:
    """What overrides set besides the seed and what cannot change a result.

    Args:
        overrides: As on the command line.

    Returns:
        Value by key, without quotes; None for what is deleted. The last override of a key counts.
    """
    pairs = (_parsed(override) for override in overrides)
    return {key: value for key, value in pairs if key != "seed" and can_change_a_result(key)}


def as_text(value: Any) -> str:
    """A value as one writes it on the command line."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str).replace(" ", "").replace('"', "")


def _parsed(override: str) -> tuple[str, str | None]:
    key, _, value = override.lstrip("+~").partition("=")
    key = re.sub(r"[/@]", ".", key)
    return key, None if override.startswith("~") else value.strip("\"'")


def _matters(key: str, differing: Sequence[str], recipes: Sequence[Recipe]) -> bool:
    """Whether an override may be behind a difference."""
    if all(key.partition(".")[0] not in recipe.config for recipe in recipes):
        return _overlays_differ(key, recipes)
    if places_data(key) and "data.fingerprint" in differing:
        return True
    return any(_same_branch(key, other) for other in differing)


def _overlays_differ(key: str, recipes: Sequence[Recipe]) -> bool:
    """An experiment is no key of its own: it sets others, anywhere."""
    return len({overridden(recipe.overrides).get(key) for recipe in recipes}) > 1


def _same_branch(one: str, other: str) -> bool:
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def _value(key: str, recipe: Recipe, own: Switches) -> str | None:
    """What the recipe has under a key: truth before words before a guess."""
    leaves = flattened(recipe.config)
    if key in leaves:
        return as_text(leaves[key])
    if key in own:
        return own[key]
    if key in recipe.choices:
        return as_text(recipe.choices[key])
    is_node = any(leaf.startswith(f"{key}.") for leaf in leaves)
    return "default" if is_node or "." not in key else None


def _tell_apart(switches: Sequence[Switches], recipes: Sequence[Recipe]) -> None:
    """Adds what nobody overrode, but only where it is needed."""
    known = [{**recipe.settings, **recipe.choices} for recipe in recipes]
    for key in _not_overridden(recipes):
        alike: dict[str, list[int]] = {}
        for number, one in enumerate(switches):
            alike.setdefault(repr(one), []).append(number)
        if len(alike) == len(switches):
            return
        if any(len({_shown(known[n], key) for n in numbers}) > 1 for numbers in alike.values()):
            for one, values in zip(switches, known, strict=True):
                one[key] = as_text(values[key]) if key in values else None


def _not_overridden(recipes: Sequence[Recipe]) -> list[str]:
    """Options first, as they say the most, then keys."""
    options = differing_keys([recipe.choices for recipe in recipes])
    keys = differing_keys([recipe.settings for recipe in recipes])
    return [*(o for o in options if "/" not in o and can_change_a_result(o)), *keys]


def _shown(values: Mapping[str, Any], key: str) -> str:
    return repr(values[key]) if key in values else ""


def _name(switches: Switches) -> str:
    said = [f"~{key}" if value is None else f"{key}={value}" for key, value in switches.items()]
    return run_name(said, _LIMIT)
