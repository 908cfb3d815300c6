"""What differs between two runs, as values for people to read."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from project.runs.environment import CodeVersion, Hardware
from project.runs.fingerprint import can_change_a_result, flattened
from project.runs.record import RunRecord

_SHORT_COMMIT = 10  # digits


class Change(NamedTuple):
    """One thing that was different: what it is, and both values."""

    what: str
    then: str
    now: str


def config_changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[list[Change], int]:
    """Compares two configurations.

    Args:
        then: Plain nested values.
        now: Plain nested values.

    Returns:
        A change for each dotted key that can change a result, and how many other keys differ.
    """
    old, new = flattened(then), flattened(now)
    differing = [
        key
        for key in dict.fromkeys([*old, *new])
        if (key in old) != (key in new) or repr(old[key]) != repr(new[key])
    ]
    that_count = [key for key in differing if can_change_a_result(key)]
    changes = [Change(key, _said(old, key), _said(new, key)) for key in that_count]
    return changes, len(differing) - len(that_count)


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
            versions = _said(then.packages, name), _said(packages, name)
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


def _said(values: Mapping[str, Any], key: str) -> str:
    if key not in values:
        return "-"
    return "null" if values[key] is None else str(values[key])


def _commit(code: CodeVersion | None) -> str:
    if code is None:
        return "unknown"
    return code.commit[:_SHORT_COMMIT] + (" with uncommitted changes" if code.dirty else "")
