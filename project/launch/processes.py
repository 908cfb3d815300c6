"""Which process of a distributed run this is, and how one ends."""

import contextlib
import os
import signal
from collections.abc import Iterator

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from project.errors import ConfigError
from project.launch.membership import sweep_of_this_job

_RANK_VARIABLES = ("RANK", "LOCAL_RANK", "SLURM_PROCID")  # torchrun, Lightning, srun


def first_process() -> bool:
    """Whether this process speaks for the run; the others compute and stay silent."""
    known = [os.environ[name] for name in _RANK_VARIABLES if name in os.environ]
    return not known or known[0] == "0"


def check_processes(trainer: DictConfig) -> None:
    """Refuses what would have processes of one run disagree about what they do.

    Args:
        trainer: The ``trainer`` node of a composed configuration.

    Raises:
        ConfigError: If a sweep would be started again in every process, as by launchers of Hydra's
            own, or if processes that something else started would each make a run directory.
    """
    if not HydraConfig.initialized():
        return
    hydra = HydraConfig.get()
    if hydra.mode == RunMode.MULTIRUN and trainer.strategy != "auto":
        raise ConfigError(
            "--multirun: a job of several processes would start the sweep again in each of them. "
            "Leave hydra/launcher away: by default each job is a command of its own."
        )
    given = any(override.startswith("hydra.run.dir=") for override in hydra.overrides.hydra)
    if _started_elsewhere() and not given:
        raise ConfigError(
            "hydra.run.dir: torchrun and srun start the processes themselves, and each would make "
            "a run directory. Name one for all of them: hydra.run.dir=<folder>."
        )


def check_own_ids(loggers: DictConfig) -> None:
    """Refuses one id for what the jobs of a sweep track: they would write into each other's run.

    Args:
        loggers: The ``logger`` node of a composed configuration.

    Raises:
        ConfigError: If jobs of ``--multirun`` are given an id, by a key or by W&B's variable. The
            id of an agent's job is let through, because the agent decides about it.
    """
    if sweep_of_this_job() is None:
        return
    given = [f"logger.{name!s}.id" for name, node in loggers.items() if node.get("id") is not None]
    if "wandb" in loggers and "WANDB_RUN_ID" in os.environ and "WANDB_SWEEP_ID" not in os.environ:
        given.append("WANDB_RUN_ID")
    if given:
        raise ConfigError(
            f"{given[0]}: each job of --multirun is a run of its own, and with one id all would "
            "write into the same. Leave the id away: every job makes one, and keeps it when it is "
            "started again in its directory."
        )


def _started_elsewhere() -> bool:
    by_srun = "SLURM_STEP_ID" in os.environ and int(os.environ.get("SLURM_NTASKS", "1")) > 1
    return by_srun or "TORCHELASTIC_RUN_ID" in os.environ


@contextlib.contextmanager
def ctrl_c_raises(trainer: pl.Trainer) -> Iterator[None]:
    """Turns Lightning's ``sys.exit(1)`` after Ctrl-C back into what it was.

    Whatever else ends this process in the midst of the trainer ends those that it has started, too:
    they would wait for it for ever.

    Args:
        trainer: What runs inside the block.

    Raises:
        KeyboardInterrupt: If the user interrupted the trainer.
    """
    try:
        yield
    except SystemExit as exit_:
        if trainer.interrupted and exit_.code == 1:
            raise KeyboardInterrupt from None
        if trainer.strategy.launcher is not None:
            trainer.strategy.launcher.kill(signal.SIGKILL)
        raise
