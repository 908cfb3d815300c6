"""Which runs must give the same results: a digest of their configuration."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

# Key paths, each with everything below it; a star stands for any part. In doubt a key is not
# here: two runs wrongly told apart cost time, two wrongly thought equal cost a result. So
# `data.root` (other photos), `trainer.devices` and `trainer.precision` (other rounding) count.
CANNOT_CHANGE_A_RESULT = (
    "callbacks.*.run_dir",  # a new one for every run
    "callbacks.diagnoses",  # only looks on
    "callbacks.last.checkpoint_minutes",  # a run goes on to the same results
    "callbacks.learning_rate",  # logs it
    "callbacks.progress",
    "data.cache",  # the same images
    "data.cache_limit_gb",
    "data.download",
    "data.num_workers",  # randomness belongs to the sample, not to the worker
    "headline",  # says what tables lead with
    "hydra",
    "logger",
    "name",
    "paths",
    "resume",  # goes on with a run as it is
    "tags",
    "trainer.default_root_dir",
    "trainer.enable_model_summary",
    "trainer.enable_progress_bar",
    "trainer.log_every_n_steps",
    "trainer.profiler",
)
# Where photos, labels and split lie. Which they are, the fingerprint of the data says better.
PLACES_OF_DATA = ("data.root", "data.source.table", "data.split_file", "data.tests")
_DIGITS = 16


def config_fingerprint(config: Mapping[str, Any]) -> str:
    """Digests what a run's results depend on, its seed included.

    Args:
        config: The composed configuration as plain nested mappings, sequences and values.

    Returns:
        16 hexadecimal digits: equal for configurations that must give equal results, whatever
        the order of their keys.

    Example:
        >>> quiet = {"seed": 1, "trainer": {"max_epochs": 3, "enable_progress_bar": False}}
        >>> plain = {"trainer": {"max_epochs": 3}, "seed": 1}
        >>> config_fingerprint(quiet) == config_fingerprint(plain)
        True
    """
    return _digest(config, CANNOT_CHANGE_A_RESULT)


def recipe_fingerprint(config: Mapping[str, Any], data: str = "") -> str:
    """Digests what `config_fingerprint` does, but for the seed: equal for repeats of one recipe.

    Args:
        config: The composed configuration as plain nested mappings, sequences and values.
        data: Fingerprint of photos, labels and split (`project.runs.record.DataFacts`). Given, it
            stands for the places of the data, so that photos may lie elsewhere for each run.

    Returns:
        16 hexadecimal digits.
    """
    return _digest(_with_data(config, data), (*CANNOT_CHANGE_A_RESULT, "seed"))


def result_settings(config: Mapping[str, Any], data: str = "") -> dict[str, Any]:
    """Lists what a run's results depend on, its seed included.

    Args:
        config: The composed configuration as plain nested mappings, sequences and values.
        data: As for `recipe_fingerprint`; given, it is listed as ``data.fingerprint``.

    Returns:
        Value by dotted key; sequences and empty mappings are values.

    Example:
        >>> result_settings({"seed": 1, "model": {"width": 8}, "logger": {"csv": 1}})
        {'seed': 1, 'model.width': 8}
    """
    return flattened(_kept(_with_data(config, data), CANNOT_CHANGE_A_RESULT))


def can_change_a_result(key: str) -> bool:
    """Whether results may depend on a key.

    Args:
        key: Dotted, or the name of a group.
    """
    return not _covered(key, CANNOT_CHANGE_A_RESULT)


def places_data(key: str) -> bool:
    """Whether a key says where photos, labels or split lie.

    Args:
        key: Dotted.
    """
    return _covered(key, PLACES_OF_DATA)


def flattened(node: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested configuration as one level of dotted keys.

    Args:
        node: Nested mappings; sequences and empty mappings are values.
        prefix: Of all keys, with its dot.

    Returns:
        Value by dotted key, in the order of the configuration.
    """
    flat: dict[str, Any] = {}
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            flat |= flattened(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _with_data(config: Mapping[str, Any], data: str) -> Mapping[str, Any]:
    if not data or not isinstance(config.get("data"), Mapping):
        return config
    elsewhere = _kept(config, PLACES_OF_DATA)
    return {**elsewhere, "data": {**elsewhere["data"], "fingerprint": data}}


def _covered(key: str, excluded: Sequence[str]) -> bool:
    return any(fnmatchcase(key, path) or fnmatchcase(key, f"{path}.*") for path in excluded)


def _digest(config: Mapping[str, Any], excluded: Sequence[str]) -> str:
    # 1 and 1.0 stay apart: for limit_train_batches they mean one batch and all of them.
    text = json.dumps(_kept(config, excluded), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def _kept(node: Any, excluded: Sequence[str], prefix: str = "") -> Any:
    """The same tree without the excluded key paths."""
    if prefix == "trainer.devices." and isinstance(node, list):
        return len(node)  # how many count, not which slots they sit in
    if not isinstance(node, Mapping):
        return node
    return {
        str(key): _kept(value, excluded, f"{prefix}{key}.")
        for key, value in node.items()
        if not _covered(f"{prefix}{key}", excluded)
    }
