"""A composed configuration as plain values; light, so that whoever starts runs can ask, too."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from project.errors import ConfigError

_WAYS = {  # to give a value that no command line gives
    "scale": "Choose an experiment that says what is smaller (experiment=<name>, which reads "
    "conf/scale/of/small_<name>.yaml), or leave scale=small out.",
}
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
        key = error.full_key or ""
        way = _WAYS.get(key, f"Add {key}=<value>.")
        raise ConfigError(f"{key}: a value is needed and none was given. {way}") from None
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
    return rooted({key: value for key, value in plain(cfg).items() if key not in _OF_THE_ATTEMPT})


def rooted(values: dict[str, Any]) -> dict[str, Any]:
    """Gives photos their whole path, so that it is compared with the like.

    Args:
        values: A configuration as plain values; is changed.

    Returns:
        The configuration.
    """
    data = values.get("data")
    if isinstance(data, dict):
        _make_absolute(data, "root")
        tests = data.get("tests") or {}
        for name, node in tests.items():
            _make_absolute(*((node, "root") if isinstance(node, dict) else (tests, name)))
    return values


def _make_absolute(node: dict[str, Any], key: str) -> None:
    if node.get(key) and node[key] != "???":
        node[key] = str(Path(str(node[key])).absolute())
