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
    "callbacks.learning_rate",  # logs it
    "callbacks.progress",
    "data.download",
    "data.num_workers",  # randomness belongs to the sample, not to the worker
    "hydra",
    "logger",
    "name",
    "paths",
    "tags",
    "trainer.default_root_dir",
    "trainer.enable_model_summary",
    "trainer.enable_progress_bar",
    "trainer.log_every_n_steps",
    "trainer.profiler",
)
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


def recipe_fingerprint(config: Mapping[str, Any]) -> str:
    """Digests what `config_fingerprint` does, but for the seed: equal for repeats of one recipe.

    Args:
        config: The composed configuration as plain nested mappings, sequences and values.

    Returns:
        16 hexadecimal digits.
    """
    return _digest(config, (*CANNOT_CHANGE_A_RESULT, "seed"))


def _covered(key: str, excluded: Sequence[str]) -> bool:
    return any(fnmatchcase(key, path) or fnmatchcase(key, f"{path}.*") for path in excluded)


def _digest(config: Mapping[str, Any], excluded: Sequence[str]) -> str:
    # 1 and 1.0 stay apart: for limit_train_batches they mean one batch and all of them.
    text = json.dumps(_kept(config, excluded), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def _kept(node: Any, excluded: Sequence[str], prefix: str = "") -> Any:
    """The same tree without the excluded key paths."""
    if not isinstance(node, Mapping):
        return node
    return {
        str(key): _kept(value, excluded, f"{prefix}{key}.")
        for key, value in node.items()
        if not _covered(f"{prefix}{key}", excluded)
    }
