"""How much of the machine is ours."""

import os

_SHARE = "EVENHAND_CORES"  # of the cores, set for the jobs of a sweep that share a machine


def available_cores() -> int:
    """Counts the cores that this process may use.

    A scheduler or container can limit them, and so does whoever runs several jobs side by side.
    """
    there = _allowed_cores()
    share = os.environ.get(_SHARE, "")
    return min(there, max(1, int(share))) if share.isdigit() else there


def _allowed_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS and Windows
