"""What the configuration can compute: names of runs and of the jobs of a sweep."""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from project.launch.cli.hydra_versions import register_resolver
from project.runs.names import run_name


def register_resolvers() -> None:
    """Makes ``${run_name:...}`` and its kin known; safe to call twice."""
    register_resolver("run_name", run_name)
    register_resolver("rerun_name", rerun_name)
    register_resolver("sweep_name", lambda: sweep_name(sys.argv[1:]))
    register_resolver(
        "job_name",
        lambda overrides, params: job_name(overrides, params or {}, sys.argv[1:]),
    )


def sweep_name(arguments: Sequence[str]) -> str:
    """Names a sweep after its command, so that the same command finds it again.

    Args:
        arguments: The command line of the sweep.

    Returns:
        See `project.runs.names.run_name`.

    Example:
        >>> sweep_name(["--multirun", "data=folder", "hydra.launcher.retries=2"])
        'data=folder'
    """
    words = [word for word in arguments if not word.startswith("-")]
    return run_name([word for word in words if "=" in word or word.startswith("~")])


def rerun_name(run: object, overrides: Sequence[str] | None) -> str:
    """Names a repetition after the run, whose time is left out, and after what it overrides.

    Args:
        run: Directory of the run, or whatever was given as such; that is refused later.
        overrides: The new overrides.

    Returns:
        See `project.runs.names.run_name`.

    Example:
        >>> rerun_name("outputs/runs/2026-01-31_12-00-00_baseline", ["seed=2"])
        'rerun=baseline,seed=2'
    """
    name = re.sub(r"^[\d-]+_[\d-]+_", "", Path(str(run or "nothing")).name)
    return run_name([f"rerun={name}", *(overrides or [])])


def job_name(
    overrides: Sequence[str], params: Mapping[str, object], arguments: Sequence[str]
) -> str:
    """Names a job of a sweep after what varies in it; what all jobs share would only hide that.

    Args:
        overrides: The job's overrides.
        params: ``hydra.sweeper.params``: what the configuration sweeps over.
        arguments: The command line of the sweep.

    Returns:
        See `project.runs.names.run_name`.

    Example:
        >>> job_name(["data=folder", "seed=2"], {}, ["-m", "data=folder", "seed=1,2"])
        'seed=2'
    """
    swept = set(params) | _swept(arguments)
    varying = [o for o in overrides if o.lstrip("+").partition("=")[0] in swept]
    return run_name(varying or list(overrides))


def _swept(arguments: Sequence[str]) -> set[str]:
    """Keys that the command line gives several values."""
    parser, keys = OverridesParser.create(), set()
    for argument in arguments:
        try:
            override = parser.parse_override(argument)
        except HydraException:  # a flag of Hydra's
            continue
        if override.is_sweep_override():
            keys.add(override.get_key_element().lstrip("+"))
    return keys
