"""Packages that only some launchers need."""

import importlib
from types import ModuleType

from project.errors import ConfigError


def imported(package: str, launcher: str) -> ModuleType:
    """Imports what a launcher needs.

    Args:
        package: Its name, which is also that of the extra that installs it, but for SLURM.
        launcher: The value of ``hydra/launcher``, and the extra's name.

    Raises:
        ConfigError: If it is not installed.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise ConfigError(
            f"hydra/launcher={launcher}: expected the package {package}, which is not installed. "
            f"Install it: pip install 'evenhand[{launcher}]'"
        ) from None
