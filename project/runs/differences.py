"""What differs between two runs, as values for people to read."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from project.runs.environment import CodeVersion, Hardware
from project.runs.fingerprint import can_change_a_result
from project.runs.group_names import as_text
from project.runs.record import RunRecord

NOTHING = "nothing"
"""What is said of a key that is not there."""

_ABSENT = object()
_SHORT = 10  # digits of a digest tell enough apart


class Change(NamedTuple):
    """One thing that was different: what it is, and both values."""

    what: str
    then: str
    now: str


def said(values: Mapping[str, Any], key: str) -> str:
    """A value as one writes it on the command line, or `NOTHING`."""
    return as_text(values[key]) if key in values else NOTHING


def config_changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[list[Change], int]:
    """Compares two configurations.

    Args:
        then: Plain nested values.
        now: Plain nested values.

    Returns:
        A change for each dotted key that can change a result, and how many other keys differ.
    """
    changes = list(_changes(then, now))
    that_count = [change for change in changes if can_change_a_result(change.what)]
    return that_count, len(changes) - len(that_count)


def _changes(then: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> Iterator[Change]:
    """Leaf by leaf; but where a value became a node, or a node a value, that is one change."""
    for key in dict.fromkeys([*then, *now]):
        old, new = then.get(key, _ABSENT), now.get(key, _ABSENT)
        if all(value is _ABSENT or (isinstance(value, Mapping) and value) for value in (old, new)):
            yield from _changes(
                {} if old is _ABSENT else old, {} if new is _ABSENT else new, f"{prefix}{key}."
            )
        elif repr(old) != repr(new):
            yield Change(f"{prefix}{key}", said(then, key), said(now, key))


def environment_changes(
    then: RunRecord,
    code: CodeVersion | None,
    packages: Mapping[str, str],
    hardware: Hardware,
) -> list[Change]:
    """Compares what a run ran on with what there is now.

    Args:
        then: Record of the run.
        code: Version of the code now.
        packages: Versions now, by name.
        hardware: What computes now.

    Returns:
        A change for the code, each package and each part of the hardware that differs. Code with
        uncommitted changes counts as different, as nobody knows which changes they were.
    """
    changes = []
    if then.code != code or (code is not None and code.dirty):
        changes.append(Change("code", _commit(then.code), _commit(code)))
    for name in sorted(then.packages.keys() | packages.keys()):
        if then.packages.get(name) != packages.get(name):
            versions = said(then.packages, name), said(packages, name)
            changes.append(Change(name, *versions))
    if then.hardware is None:
        return changes
    for what, old, new in (
        ("processor", then.hardware.cpu, hardware.cpu),
        ("GPUs", ", ".join(then.hardware.gpus) or "none", ", ".join(hardware.gpus) or "none"),
    ):
        if old != new:
            changes.append(Change(what, old, new))
    return changes


def data_changes(then: RunRecord, now: RunRecord) -> list[Change]:
    """Compares what two runs learned from and were measured on.

    Args:
        then: Record of a run; if it ended before it knew its photos, nothing is known to differ.
        now: Record of another.

    Returns:
        A change for the photos, labels and splits together, and one for the classes and the number
        of images of each split where these differ.
    """
    if not then.data.fingerprint or then.data.fingerprint == now.data.fingerprint:
        return []
    changes = [Change("data", then.data.fingerprint[:_SHORT], now.data.fingerprint[:_SHORT])]
    if then.classes != now.classes:
        changes.append(Change("classes", ", ".join(then.classes), ", ".join(now.classes)))
    for split in dict.fromkeys([*then.data.images, *now.data.images]):
        counts = said(then.data.images, split), said(now.data.images, split)
        if counts[0] != counts[1]:
            changes.append(Change(f"{split} images", *counts))
    return changes


def metric_changes(then: Mapping[str, float], now: Mapping[str, float]) -> list[str]:
    """Compares numbers exactly.

    Args:
        then: Metrics by name.
        now: Metrics by name.

    Returns:
        Names of those that both have and that are not the same number, in alphabetical order;
        not being a number both times is the same.
    """
    return [
        name
        for name in sorted(then.keys() & now.keys())
        if then[name] != now[name] and not (math.isnan(then[name]) and math.isnan(now[name]))
    ]


def _commit(code: CodeVersion | None) -> str:
    if code is None:
        return "unknown"
    return code.commit[:_SHORT] + (" with uncommitted changes" if code.dirty else "")
