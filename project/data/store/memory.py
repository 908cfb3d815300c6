"""How much memory is left."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import psutil

_OWN = Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")


class _Version(NamedTuple):
    """Names of files of a control group, and of the statistic of what is given up on demand."""

    limit: str
    used: str
    cached: str


_FIRST = _Version("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_SECOND = _Version("memory.max", "memory.current", "inactive_file")


def available_memory() -> int:
    """Bytes that can be used without swapping, on the machine and in each group around it.

    Containers, SLURM and systemd limit memory by control groups, of which one may hold another.
    """
    free: int = psutil.virtual_memory().available
    return max(0, min([free, *_left_in_groups()]))


def _left_in_groups() -> Iterator[int]:
    for folder, version in _groups():
        try:
            limit, used = (int((folder / name).read_text()) for name in version[:2])
            statistics = dict(map(str.split, (folder / "memory.stat").read_text().splitlines()))
        except (OSError, ValueError):  # not seen from within a container, or "max": no limit
            continue
        yield limit - used + int(statistics.get(version.cached, 0))


def _groups() -> Iterator[tuple[Path, _Version]]:
    """The groups of this process, from the innermost to the root, where memory may be limited."""
    try:
        lines = _OWN.read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if not controllers:
            top, version = _GROUPS, _SECOND
        elif "memory" in controllers.split(","):
            top, version = _GROUPS / "memory", _FIRST
        else:
            continue
        inner = PurePosixPath(*(part for part in name.split("/") if part != ".."))
        for group in (inner, *inner.parents):
            yield top / group, version
