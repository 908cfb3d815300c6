"""Goes on with a run that was stopped, as if it never had been."""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from project.choosing import AUTO, CHOSEN
from project.commands.recorded import Origin, task_overrides
from project.commands.training import train
from project.errors import ConfigError, RunError
from project.launch.composition.composed import settled
from project.launch.composition.overlay import ABSENT, Node, key_of, moved, put, value_at
from project.runs.differences import NOTHING, Change, environment_changes, said
from project.runs.directory import RunDirectory
from project.runs.environment import code_version, hardware, packages
from project.runs.finding import open_training_run
from project.runs.fingerprint import can_change_a_result, flattened
from project.runs.record import RunRecord, read_record
from project.runs.saved_config import read_config


def resume(cfg: DictConfig) -> RunRecord:
    """Trains a run to its end, from its last checkpoint on.

    Args:
        cfg: A composed ``train`` configuration, whose ``resume`` is the run's directory. Of what it
            says, only overrides count: those that cannot change a result are taken over, the others
            must say what the run has.

    Returns:
        The record of the run, of all attempts together.

    Raises:
        ConfigError: If an override would change the run.
        RunError: If there is no run, it has finished, another process works on it, or its data have
            changed.
        EvenhandError: As `project.commands.training.train`.
    """
    run = open_training_run(Path(str(cfg.resume)))
    _require_same_place(run, Path(cfg.paths.run))
    earlier = read_record(run)
    if earlier.state == "finished":
        raise RunError(
            f"resume: expected a run that was stopped, got {run.path}, which finished at "
            f"{earlier.finished}: there is nothing left to do. Choose another, or train it anew "
            "with project.rerun."
        )
    then = _moved_here(read_config(run), str(cfg.paths.run))
    config = continued(then, settled(cfg), task_overrides())
    earlier.remark(_changes_since(earlier))
    origin = Origin(
        kind="training",
        overrides=earlier.overrides,
        choices=earlier.choices,
        rerun_of=earlier.rerun_of,
        earlier=earlier,
    )
    return train(OmegaConf.create(config), origin)


def continued(then: Node, now: Node, overrides: Sequence[str]) -> Node:
    """The configuration of a run with what may be different in another attempt.

    Args:
        then: What the run was started with.
        now: What the command line composes.
        overrides: What was overridden on the command line.

    Returns:
        `then`, with today's paths and those of the overridden values that cannot change a result.

    Raises:
        ConfigError: If an overridden value that can change a result is another one; shows both.
    """
    config = deepcopy(then)
    config["paths"] = deepcopy(now["paths"])
    for key in map(key_of, overrides):
        # What an overlay changes can be anywhere.
        below = key if value_at(now, key) is not ABSENT or value_at(then, key) is not ABSENT else ""
        _refuse_changes(_part(then, below), _part(now, below))
        for free in _free_keys(now, below):
            put(config, free, value_at(now, free))
    return config


def _require_same_place(run: RunDirectory, place: Path) -> None:
    if run.path.resolve() != place.resolve():
        raise ConfigError(
            f"paths.run: expected {run.path}, which is to go on, got {place}. Leave paths.run and "
            "hydra.run.dir out."
        )


def _moved_here(config: Node, place: str) -> Node:
    """Paths were relative to where the run was started, and its directory may have been moved."""
    node: Node = moved(config, str(value_at(config, "paths.run")), place)
    return node


def _part(config: Node, key: str) -> dict[str, Any]:
    """The values below a key by dotted key, as far as they can change a result."""
    flat = flattened(config)
    return {
        name: value
        for name, value in flat.items()
        if can_change_a_result(name) and (not key or f"{name}.".startswith(f"{key}."))
    }


def _free_keys(now: Node, key: str) -> list[str]:
    """The keys below a key that cannot change a result, where something is said about them."""
    if key and not can_change_a_result(key):
        return [key]
    flat = flattened(now)
    return [
        name
        for name in flat
        if key and f"{name}.".startswith(f"{key}.") and not can_change_a_result(name)
    ]


def _refuse_changes(then: dict[str, Any], now: dict[str, Any]) -> None:
    changes = [
        Change(name, said(then, name), said(now, name))
        for name in dict.fromkeys([*then, *now])
        if repr(then.get(name, NOTHING)) != repr(now.get(name, NOTHING))
        and not (name in CHOSEN and now.get(name) == AUTO)  # the run has chosen
    ]
    if changes:
        shown = "".join(f"\n  {name}: {old}, now {new}" for name, old, new in changes)
        raise ConfigError(
            f"resume: expected the settings that the run began with, as a run goes on as it began; "
            f"got others:{shown}\nLeave these overrides out, or train anew with project.rerun "
            "run=<run directory> and what is to change."
        )


def _changes_since(earlier: RunRecord) -> list[str]:
    changes = environment_changes(earlier, code_version(), packages(), hardware())
    if not changes:
        return []
    shown = "; ".join(f"{what}: {then}, then {now}" for what, then, now in changes)
    remark = (
        f"The run was stopped and went on after changes ({shown}): its results may differ from "
        "those of a run that was never stopped."
    )
    return [remark]
