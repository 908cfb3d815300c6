"""The run whose configuration is composed again."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from project.errors import ConfigError, RunError
from project.launch.composition.overlay import Node
from project.runs.differences import said
from project.runs.directory import RunDirectory
from project.runs.finding import open_training_run
from project.runs.fingerprint import recipe_fingerprint
from project.runs.record import RunRecord, read_record
from project.runs.saved_config import read_config, read_overrides


@dataclass(frozen=True)
class Earlier:
    """A run as it was left.

    Attributes:
        run: Its directory.
        record: What it was and measured.
        config: What it was trained with.
        overrides: What it was started with.
    """

    run: RunDirectory
    record: RunRecord
    config: Node
    overrides: list[str]

    @classmethod
    def open(cls, path: Path) -> Self:
        """Reads a run.

        Args:
            path: Its directory.

        Returns:
            All that is needed of it.

        Raises:
            RunError: There is no training run, or a file of it is missing or damaged.
        """
        run = open_training_run(path)
        return cls(run, read_record(run), read_config(run), read_overrides(run))

    @property
    def composed(self) -> bool:
        """Whether Hydra composed the configuration, and not a program."""
        return bool(self.record.choices or self.record.overrides)

    def require_nodes(self, today: Mapping[str, Any], chosen: Collection[str]) -> None:
        """Finds out whether the configuration has the shape that today's has.

        What stands in the place of a node, or is missing, has nothing that could be carried over.

        Args:
            today: Today's configuration. What is a mapping in it must be one in the run's.
            chosen: Keys that are chosen anew, whatever the run has there.

        Raises:
            ConfigError: Names the key, what was saved, and what to do.
        """
        for key, node in today.items():
            found = self.config.get(key)
            is_node = isinstance(found, dict) and (key != "paths" or "run" in found)
            if not isinstance(node, dict) or is_node or key in chosen:
                continue
            cure = f"Rerun it with {key}=<option>"
            if key == "paths":
                cure = "Restore the file, or train again with project.train"
            raise ConfigError(
                f"{key}: expected keys and values in {self.run.config_file}, got "
                f"{said(self.config, key)}. {cure}."
            )

    def refuse_vain_comparison(self, config: Node, split: str, data: str = "") -> None:
        """Finds out before training that there would be nothing to compare.

        Args:
            config: What is to be trained.
            split: The split whose predictions are to be compared.
            data: Fingerprint of its photos, labels and split, once it is known.

        Raises:
            RunError: The run has not finished, or has no predictions.
            ConfigError: Both are of one recipe.
        """
        path = self.run.path
        if self.record.state != "finished":
            raise RunError(
                f"compare=true: expected a finished run at {path}, got one that is "
                f"{self.record.state}. Leave compare=true out, or let the run finish first."
            )
        if split not in self.run.predicted_splits:
            raise RunError(
                f"compare=true: expected predictions at {self.run.predictions(split)}, got no such "
                "file. Leave compare=true out, or rerun the run without it and then that rerun."
            )
        then = recipe_fingerprint(self.config, self.record.data.fingerprint if data else "")
        if then == recipe_fingerprint(config, data):
            raise ConfigError(
                "compare=true: expected an override that makes another recipe than the run's, got "
                "none but of the seed or of what cannot change a result. Leave compare=true out, "
                "or override something, such as oversampling=none."
            )
