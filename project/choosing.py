"""Settings that a machine's measurements decide, once for all runs on it."""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from project.atomic import write_text
from project.errors import RunError
from project.models.timing import Way, fastest
from project.runs.environment import hardware
from project.runs.lock import Lock

log = logging.getLogger(__name__)

AUTO = "auto"
CHOSEN = ("trainer.precision", "model.memory_format", "optimizer.fused")
"""Keys whose value ``auto`` is replaced by what was chosen."""

_PATIENCE_SECONDS = 600.0  # somebody else is measuring the same


def asks_for_fastest(cfg: DictConfig) -> bool:
    """Whether a setting is to be chosen by what is fastest on this machine."""
    return any(OmegaConf.select(cfg, key) == AUTO for key in CHOSEN)


def choose(
    cache: Path, question: Mapping[str, Any], measure: Callable[[], dict[Way, float]]
) -> tuple[Way, dict[str, float]]:
    """Takes the fastest way to train, measured unless this machine has been asked before.

    All runs of a sweep thus choose alike, though no two measurements are.

    Args:
        cache: Folder in which answers are kept.
        question: Everything the answer depends on but the machine, as plain values.
        measure: Gives the milliseconds a step by way.

    Returns:
        The way, and the milliseconds by ``<precision> <memory format>``.

    Raises:
        RunError: If the folder cannot be written, or another process measures for ten minutes.
    """
    file = cache / "fastest.json"
    lock = Lock.take(file.with_suffix(".lock"), seconds=_PATIENCE_SECONDS)
    if lock is None:
        raise RunError(
            f"{file}: expected to measure which precision is fastest, got another process that has "
            "been doing so for ten minutes. End it, or set trainer.precision and "
            "model.memory_format."
        )
    try:
        known = _known(file)
        key = _digest(question)
        if key not in known:
            known[key] = {" ".join(way): round(taken, 3) for way, taken in measure().items()}
            write_text(file, json.dumps(known, indent=2) + "\n")
    finally:
        lock.release()
    milliseconds = known[key]
    way = fastest({Way(*name.split()): value for name, value in milliseconds.items()})  # type: ignore[arg-type]
    shown = ", ".join(f"{name} {value:.1f}" for name, value in milliseconds.items())
    log.info("Milliseconds a step: %s. Takes %s.", shown, " ".join(way))
    return way, milliseconds


def _known(file: Path) -> dict[str, dict[str, float]]:
    """Answers by question; none where the file is missing or damaged: they can be found again."""
    try:
        known = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _digest(question: Mapping[str, Any]) -> str:
    machine = {
        "hardware": asdict(hardware()),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }
    text = json.dumps({"machine": machine, "question": question}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
