"""Sweepers for ``hydra/sweeper``; Hydra looks at this at every start, so it imports little."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hydra.plugins.sweeper import Sweeper

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hydra.plugins.launcher import Launcher
    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig


class OptunaSweeper(Sweeper):
    """Searches with Optuna.

    Args:
        n_trials: Trials in all, however often the search is started.
        params: What may be chosen, by key, besides what the command line says.
        objective: A metric, or several; None: what runs monitor.
        direction: ``maximize`` or ``minimize``, one for each objective; None: what is known.
        allow_test: Whether metrics of the test split may be objectives.
        sampler: What chooses (`project.launch.search.samplers.SAMPLERS`).
        sampler_options: Its arguments.
        seed: Of what it draws.
        pruner: What ends trials early (`project.launch.search.samplers.PRUNERS`).
        pruner_options: Its arguments.
        storage: URL or journal of the study; None: a journal in the sweep's directory.
        study_name: None: the name of the sweep's directory.
    """

    def __init__(
        self,
        n_trials: int = 20,
        params: Any = None,
        objective: Any = None,
        direction: Any = None,
        allow_test: bool = False,
        sampler: str = "tpe",
        sampler_options: Any = None,
        seed: int = 1,
        pruner: str = "none",
        pruner_options: Any = None,
        storage: str | None = None,
        study_name: str | None = None,
    ) -> None:
        self.options: dict[str, Any] = {
            "n_trials": n_trials,
            "params": params,
            "objective": objective,
            "direction": direction,
            "allow_test": allow_test,
            "sampler": sampler,
            "sampler_options": sampler_options,
            "seed": seed,
            "pruner": pruner,
            "pruner_options": pruner_options,
            "storage": storage,
            "study_name": study_name,
        }
        self.hydra_context: HydraContext | None = None
        self.config: DictConfig | None = None
        self.launcher: Launcher | None = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Takes what Hydra gives, and makes the launcher."""
        from hydra.core.plugins import Plugins  # noqa: PLC0415 - which imports this module
        from omegaconf import read_write  # noqa: PLC0415

        chosen = config.hydra.overrides.hydra
        with read_write(chosen):  # trials leave out what chose this sweeper, but have its settings
            chosen.append("hydra/sweeper=optuna")
        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Sequence[Any]:
        """Runs the search.

        Args:
            arguments: The command line.

        Returns:
            How each trial is in the end.
        """
        from project.launch.packages import require  # noqa: PLC0415

        require("optuna", "hydra/sweeper=optuna", "optuna")
        from project.commands.searching import search  # noqa: PLC0415 - imports Optuna

        assert self.config is not None, "Hydra calls setup first"
        assert self.hydra_context is not None
        loader = self.hydra_context.config_loader
        return search(self.options, arguments, self.config, loader, self.launcher)
