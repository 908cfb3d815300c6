"""A composed configuration as plain values; light, so that whoever starts runs can ask, too."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from project.errors import ConfigError

_OF_THE_ATTEMPT = ("resume",)  # how a run was started this time is no part of what it is


def plain(cfg: DictConfig) -> dict[str, Any]:
    """The configuration as resolved plain values, without Hydra's own part.

    Args:
        cfg: A composed configuration.

    Raises:
        ConfigError: If a value is still missing (``???``) or refers to nothing.
    """
    try:
        values = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        key = error.full_key
        raise ConfigError(
            f"{key}: a value is needed and none was given. Add {key}=<value>."
        ) from None
    except OmegaConfBaseException as error:
        raise ConfigError(f"{error.full_key}: {error.msg}") from None
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items() if key != "hydra"}


def settled(cfg: DictConfig) -> dict[str, Any]:
    """The configuration as a run records it and takes its fingerprint of.

    Args:
        cfg: A composed configuration.

    Returns:
        As `plain`, but photos have their whole path, as whoever reads it may stand elsewhere, and
        nothing is left of how the run was started.

    Raises:
        ConfigError: If a value is still missing (``???``) or refers to nothing.
    """
    values = {key: value for key, value in plain(cfg).items() if key not in _OF_THE_ATTEMPT}
    data = values.get("data")
    if isinstance(data, dict) and data.get("root"):
        data["root"] = str(Path(data["root"]).absolute())
    return values
