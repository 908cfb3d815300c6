"""From what a sweeper chooses to a job: its configuration, its directory, its command line."""

import copy
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from project.launch.cli.options import flags_of
from project.launch.composition.composed import settled
from project.launch.jobs.job import MODULE, Job, devices_of
from project.runs.directory import RunDirectory

# What is said of Hydra itself holds for each job, but for what is about the sweep as a whole.
_OF_THE_SWEEP = ("sweep", "launcher", "sweeper", "mode", "run", "job.num", "job.id")


@dataclass(frozen=True)
class Composer:
    """Composes the jobs of a sweep.

    Args:
        context: Hydra's, of the sweep.
        config: The configuration of the sweep, with its part ``hydra``.
    """

    context: HydraContext
    config: DictConfig

    @property
    def sweep(self) -> Path:
        """The directory of the sweep, absolute."""
        return Path(self.config.hydra.sweep.dir).absolute()

    @property
    def devices(self) -> int:
        """Devices of a job, by what all jobs share."""
        trainer = self.config.get("trainer")
        return devices_of({"trainer": OmegaConf.to_container(trainer)} if trainer else {})

    def __call__(
        self, overrides: Sequence[str], number: int, environment: Mapping[str, str] | None = None
    ) -> Job:
        """Composes a job as its process will.

        Args:
            overrides: What the sweeper chose, with what all jobs share.
            number: Of the job in the sweep, from 0.
            environment: Variables of its own.

        Raises:
            ConfigError: If a value is missing or refers to nothing.
            HydraException: If the overrides cannot be composed.
        """
        cfg = self.context.config_loader.load_sweep_config(self.config, list(overrides))
        with open_dict(cfg):
            cfg.hydra.job.num, cfg.hydra.job.id = number, str(number)
        before = HydraConfig.instance().cfg
        HydraConfig.instance().set_config(cfg)
        try:
            name = str(cfg.hydra.sweep.subdir)
            run = RunDirectory(self.sweep / name)
            with read_write(cfg.hydra.runtime), open_dict(cfg.hydra.runtime):
                cfg.hydra.runtime.output_dir = str(run.path)
            HydraConfig.instance().set_config(cfg)
            config = settled(_without_hydra(cfg))
        finally:
            HydraConfig.instance().cfg = before
        numbered = [f"hydra.job.num={number}", f"hydra.job.id={number}"]
        words = [*flags_of(sys.argv[1:]), *overrides, *self._of_hydra(), *numbered]
        return Job(
            name=name,
            run=run,
            overrides=tuple(overrides),
            words=tuple(words),
            config=config,
            module=entry_module(),
            environment=dict(environment or {}),
        )

    def _of_hydra(self) -> list[str]:
        return [
            word
            for word in map(str, self.config.hydra.overrides.hydra)
            if not _is_of_the_sweep(word)
        ]


def entry_module() -> str:
    """The entry point of this process as ``python -m`` knows it."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    known = spec is not None and spec.name.startswith("project.")
    return spec.name if known and spec is not None else MODULE


def _is_of_the_sweep(word: str) -> bool:
    key = word.lstrip("+~").partition("=")[0].replace("/", ".").partition("@")[0]
    below = key.removeprefix("hydra.")
    return any(below == part or below.startswith(f"{part}.") for part in _OF_THE_SWEEP)


def _without_hydra(cfg: DictConfig) -> DictConfig:
    task = copy.deepcopy(cfg)
    with read_write(task), open_dict(task):
        del task["hydra"]
    return task
