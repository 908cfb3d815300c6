"""Hydra's and OmegaConf's complaints in the words of someone who mistyped something."""

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

import conf
from project.errors import suggestion
from project.launch.cli.hydra_versions import version_options

_ASSIGNMENT = re.compile(r"^[+~]*(?P<key>[\w./@-]+?)(?:=(?P<value>.*))?$", re.DOTALL)


def explain(error: Exception, config_name: str, arguments: Sequence[str]) -> str:
    """Says what is wrong with the command line and what was probably meant.

    Args:
        error: What composing or running raised.
        config_name: Root config of the command.
        arguments: The command line, without the program.

    Returns:
        A message for the user.
    """
    if isinstance(error, MissingConfigException) and error.options is not None:
        return _unknown_option(error)
    unknown = _unknown_key(error)
    if unknown is not None:
        return _no_such_key(unknown, config_name, arguments)
    cause = error.__cause__
    detail = f"\n{cause}" if isinstance(cause, OmegaConfBaseException | HydraException) else ""
    return f"{error}{detail}"


def key_at_fault(message: str, keys: Iterable[str]) -> str | None:
    """Finds out whether a message is about one of some keys.

    Args:
        message: Begins with the key that it is about, as all messages about keys do.
        keys: Dotted keys.

    Returns:
        The key, or None.

    Example:
        >>> key_at_fault("model.widths: there is no such key.", ["model.width", "model.widths"])
        'model.widths'
    """
    pattern = r"[:=\[]"  # model.width: expected int; data.crop=x: expected; data.size[0]: expected
    return next((key for key in keys if re.match(re.escape(key) + pattern, message)), None)


def groups() -> set[str]:
    """Names of all config groups, whichever command has them."""
    folder = Path(conf.__path__[0])
    return {entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != "_"}


def _unknown_option(error: MissingConfigException) -> str:
    group, _, option = (error.missing_cfg_file or "").rpartition("/")
    options = [o for o in error.options or () if not o.startswith("_")]
    if not group:
        return str(error)
    return f"{group}={option}: expected one of {', '.join(options)}.{suggestion(option, options)}"


def _unknown_key(error: Exception) -> str | None:
    """The key that is not in the configuration, if that is what the error is about."""
    text = f"{error}\n{error.__cause__ or ''}"
    for pattern in (
        r"Could not override '([^']+)'",
        r"Could not delete from config\. '([^']+)' does not exist",
        r"Could not find '?([\w./]+)'? in (?:the )?config",
    ):
        if found := re.search(pattern, text):
            return found[1]
    return None


def _no_such_key(key: str, config_name: str, arguments: Sequence[str]) -> str:
    dotted = key.replace("/", ".").split("@")[0]
    keys = _keys_of(config_name, arguments)
    if below := [k for k in keys if k.rpartition(".")[0] == dotted]:  # a group of other commands
        return (
            f"{key}: {config_name} has no options of it; only its keys can be set, which are "
            f"{', '.join(below)}."
        )
    known = sorted({*keys} - {dotted})
    parent, _, last = dotted.rpartition(".")
    beside = {k.rpartition(".")[2]: k for k in known if k.rpartition(".")[0] == parent}
    near = get_close_matches(last, beside, n=1)
    meant = [beside[near[0]]] if near else [k for k in known if k.endswith(f".{last}")]
    meant = meant or get_close_matches(dotted, known, n=1, cutoff=0.8)
    if meant:
        return f"{key}: there is no such key. Did you mean {' or '.join(meant[:3])}?"
    listed = f" {parent or 'The top level'} has {', '.join(beside)}." if beside else ""
    return f"{key}: there is no such key.{listed} To add a new one, write +{key}=<value>."


def _keys_of(config_name: str, arguments: Sequence[str]) -> list[str]:
    """All keys of the command, with the options that the command line chooses, and its groups."""
    known = groups()
    choices = []
    for argument in arguments:
        match = _ASSIGNMENT.match(argument)
        if match and match["key"] in known and match["value"] and "," not in match["value"]:
            choices.append(argument)
    GlobalHydra.instance().clear()
    for overrides in (choices, []):  # a choice may be what is wrong
        try:
            with initialize_config_module("conf", **version_options()):
                cfg = compose(config_name, overrides, return_hydra_config=True)
        except (HydraException, OmegaConfBaseException):
            continue
        found = [*_dotted_keys(cfg), *cfg.hydra.runtime.choices]
        return [key for key in dict.fromkeys(found) if not re.match(r"hydra\b", key)]
    return []


def _dotted_keys(node: DictConfig, prefix: str = "") -> Iterator[str]:
    for key in map(str, node):
        name = f"{prefix}{key}"
        yield name
        if OmegaConf.is_missing(node, key) or OmegaConf.is_interpolation(node, key):
            continue
        child = node[key]
        if isinstance(child, DictConfig):
            yield from _dotted_keys(child, f"{name}.")
