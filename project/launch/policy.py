"""What a sweep does about failures, time and disk."""

import math
from dataclasses import dataclass
from typing import Any, cast, get_args

from project.errors import ConfigError, suggestion
from project.launch.jobs.checkpoints import Keep


@dataclass(frozen=True)
class Policy:
    """What a sweep does about failures, time and disk.

    Attributes:
        retries: How often a job that failed, or whose machine was lost, is tried again.
        timeout_minutes: Longest time of an attempt; None: any.
        keep_checkpoints: Of jobs that have finished; see `project.launch.jobs.checkpoints.tidy`.
        reserve_bytes: What is to stay free on disk.
    """

    retries: int = 0
    timeout_minutes: float | None = None
    keep_checkpoints: Keep = "all"
    reserve_bytes: int = 0


def make_policy(
    *, retries: Any, timeout_minutes: Any, keep_checkpoints: Any, reserve_gb: Any
) -> Policy:
    """Checks what a launcher was configured with.

    Args:
        retries: See `Policy`.
        timeout_minutes: See `Policy`.
        keep_checkpoints: See `Policy`.
        reserve_gb: In 10^9 bytes.

    Raises:
        ConfigError: If a value makes no sense.
    """
    kinds = get_args(Keep)
    if keep_checkpoints not in kinds:
        raise ConfigError(
            f"hydra.launcher.keep_checkpoints: expected one of {', '.join(kinds)}, got "
            f"{keep_checkpoints!r}.{suggestion(str(keep_checkpoints), kinds)}"
        )
    if not isinstance(retries, int) or isinstance(retries, bool) or retries < 0:
        raise ConfigError(f"hydra.launcher.retries: expected 0 or more times, got {retries}.")
    if not (_is_number(reserve_gb) and reserve_gb >= 0):
        raise ConfigError(f"hydra.launcher.reserve_gb: expected 0 or more, got {reserve_gb}.")
    if timeout_minutes is not None and not (_is_number(timeout_minutes) and timeout_minutes > 0):
        raise ConfigError(
            f"hydra.launcher.timeout_minutes: expected more than 0, or null, got {timeout_minutes}."
        )
    keep = cast("Keep", keep_checkpoints)
    return Policy(retries, timeout_minutes, keep, int(reserve_gb * 1e9))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
