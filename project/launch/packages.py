"""Packages that only some launchers and searches need."""

import importlib
from types import ModuleType

from project.errors import ConfigError


def require(package: str, wanted_by: str, extra: str) -> ModuleType:
    """Imports a package that may not be installed.

    Args:
        package: Its import name.
        wanted_by: What needs it, as on the command line.
        extra: The extra of ours that installs it.

    Raises:
        ConfigError: If it is not installed; says how to install it.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise ConfigError(
            f"{wanted_by}: expected the package {package}, which is not installed. "
            f"Install it: pip install 'evenhand[{extra}]'"
        ) from None
