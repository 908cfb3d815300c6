"""Which sweep a process works for."""

import os
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

SWEEP = "EVENHAND_SWEEP"  # directory of the sweep, told to each job that is a process of its own


def sweep_of_this_job() -> Path | None:
    """The directory of the sweep that this process runs a job of; None for a single run."""
    if told := os.environ.get(SWEEP):
        return Path(told)
    if not HydraConfig.initialized():
        return None
    hydra = HydraConfig.get()
    return Path(hydra.sweep.dir) if hydra.mode == RunMode.MULTIRUN else None
