"""How much memory is left."""

from pathlib import Path

import psutil

_CONTAINER = Path("/sys/fs/cgroup")
_LIMIT_AND_USE = ("memory.max", "memory.current")


def available_memory() -> int:
    """Bytes that can be used without swapping, on the machine and in the container."""
    free: int = psutil.virtual_memory().available
    try:
        limit, used = (int((_CONTAINER / name).read_text()) for name in _LIMIT_AND_USE)
        statistics = dict(map(str.split, (_CONTAINER / "memory.stat").read_text().splitlines()))
    except (OSError, ValueError):  # no container, or "max": no limit
        return free
    return min(free, limit - used + int(statistics.get("inactive_file", 0)))  # given up on demand
