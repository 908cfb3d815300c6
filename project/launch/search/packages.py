"""What a search needs besides what is always installed."""

from importlib.util import find_spec

from project.errors import ConfigError


def require(package: str, wanted_by: str) -> None:
    """Makes sure that a package can be imported, without importing it.

    Args:
        package: Its import name.
        wanted_by: What needs it, as on the command line.

    Raises:
        ConfigError: If it is not installed; says how to install it.
    """
    if find_spec(package) is None:
        raise ConfigError(
            f"{wanted_by}: {package} is not installed. pip install 'evenhand[optuna]'"
        )
