"""The configuration that a run was started with, as plain values."""

from typing import Any

import yaml

from project.errors import RunError
from project.runs.directory import RunDirectory


def read_config(run: RunDirectory) -> dict[str, Any]:
    """Reads the whole configuration of a run.

    Args:
        run: The run.

    Returns:
        Nested mappings, sequences and values; nothing refers to anything else any more.

    Raises:
        RunError: The run has no configuration, or it has been damaged.
    """
    config = _read(run, "config.yaml")
    if not isinstance(config, dict):
        raise _damaged(run, "config.yaml", f"{type(config).__name__} instead of keys and values")
    return config


def read_overrides(run: RunDirectory) -> list[str]:
    """Reads what was overridden when a run was started.

    Args:
        run: The run.

    Returns:
        The overrides as on the command line; none when a program composed the configuration.

    Raises:
        RunError: The run has no list of overrides, or it has been damaged.
    """
    overrides = _read(run, "overrides.yaml")
    if not (isinstance(overrides, list) and all(isinstance(o, str) for o in overrides)):
        raise _damaged(run, "overrides.yaml", "something else than a list of words")
    return overrides


def _read(run: RunDirectory, name: str) -> Any:
    file = run.config_file.with_name(name)
    try:
        return yaml.safe_load(file.read_bytes())
    except OSError as error:
        raise RunError(
            f"expected the configuration of a run at {file}, got: {error.strerror}. "
            "Choose the directory of a run that has started."
        ) from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: bytes that are no text
        raise _damaged(run, name, " ".join(str(error).split())) from error


def _damaged(run: RunDirectory, name: str, found: str) -> RunError:
    return RunError(
        f"expected the configuration of a run in {run.config_file.with_name(name)}, got content "
        f"that is none ({found}). It was changed by something else: restore it, or train again."
    )
