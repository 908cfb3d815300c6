"""Which GPUs this process may use, found out without touching any of them."""

import logging
import os
import re
import subprocess
from collections.abc import Sequence

from project.errors import ConfigError

log = logging.getLogger(__name__)

VISIBLE = "CUDA_VISIBLE_DEVICES"

_WHOLE = re.compile(r"^GPU (?P<index>\d+):.*\(UUID: (?P<uuid>[^)]+)\)", re.MULTILINE)
_PART = re.compile(r"^\s+MIG .*\(UUID: (?P<uuid>MIG-[^)]+)\)")
_SECONDS = 30.0  # a driver that is waking up takes its time


def visible_gpus() -> list[str]:
    """Lists the GPUs that a process started from here could use.

    Returns:
        Names as ``CUDA_VISIBLE_DEVICES`` takes them, in CUDA's order: its own entries where it is
        set (numbers, UUIDs of GPUs or of MIG instances), else what the driver lists: numbers, and
        for a GPU that is cut into MIG instances the UUID of each instance.
    """
    told = os.environ.get(VISIBLE)
    if told is None:
        return _listed_by_driver()
    names: list[str] = []
    for name in (entry.strip() for entry in told.split(",")):
        if not name or name.startswith("-") or name in names:
            break  # CUDA itself takes nothing from there on
        names.append(name)
    return names


def chosen_gpus(gpus: str | int | Sequence[int | str] | None) -> list[str]:
    """Finds the GPUs that a launcher was told to use.

    Args:
        gpus: ``auto`` for all that are visible; numbers of visible ones, counted from 0 as torch
            counts them; or names as `visible_gpus` gives them. None or nothing: no GPU.

    Returns:
        Names as ``CUDA_VISIBLE_DEVICES`` takes them.

    Raises:
        ConfigError: If a number or a name is not among the visible ones, or comes twice. Where
            nothing tells which GPUs there are, what was asked for is believed.
    """
    if gpus is None or gpus == "none" or (isinstance(gpus, Sequence) and not gpus):
        return []
    if isinstance(gpus, bool | float):
        raise ConfigError(f"hydra.launcher.gpus: expected auto, numbers or null, got {gpus}.")
    visible = visible_gpus()
    if gpus == "auto":
        return visible
    asked = [gpus] if isinstance(gpus, str | int) else list(gpus or ())
    if not visible:
        log.warning("No driver lists any GPU here; the launcher takes your word for %s.", gpus)
    names = [_name(entry, visible) if visible else str(entry) for entry in asked]
    if len(set(names)) < len(names):
        raise ConfigError(f"hydra.launcher.gpus={gpus}: expected each GPU once.")
    return names


def _name(asked: int | str, visible: Sequence[str]) -> str:
    if str(asked) in visible and not str(asked).isdigit():
        return str(asked)
    if str(asked).isdigit() and int(asked) < len(visible):
        return visible[int(asked)]
    there = ", ".join(f"{number}: {name}" for number, name in enumerate(visible)) or "none"
    raise ConfigError(
        f"hydra.launcher.gpus: expected GPUs that are visible here ({there}), got {asked}."
    )


def _listed_by_driver() -> list[str]:
    try:
        done = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []  # no driver, no GPU
    names: list[str] = []
    index = ""
    parts = 0
    for line in done.stdout.splitlines():
        if whole := _WHOLE.match(line):
            index, parts = whole["index"], 0
            names.append(index)
        elif part := _PART.match(line):
            if parts == 0:
                names.pop()  # a GPU in parts can only be used by part
            parts += 1
            names.append(part["uuid"])
    return names
