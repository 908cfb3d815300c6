"""Has a configuration's open settings chosen by what trains its network fastest here."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf

from project import build
from project.choosing import AUTO, choose
from project.data.fit import square
from project.models.batch_norm import convert_batch_norm
from project.models.timing import Way, milliseconds_per_step, random_state_kept, ways

_CUBLAS = "CUBLAS_WORKSPACE_CONFIG"
_SETTINGS = ("matmul_precision", "benchmark", "deterministic")  # of torch, by `trainer`


def with_fastest(cfg: DictConfig, num_classes: int) -> tuple[DictConfig, dict[str, float]]:
    """Chooses what is to be chosen by what is fastest on this machine.

    Args:
        cfg: A composed ``train`` configuration; stays as it is.
        num_classes: Length of the class list.

    Returns:
        The configuration with fixed values, and the milliseconds a step of what was tried; no
        generator of random numbers has moved.

    Raises:
        ModelError: If the backbone cannot be had.
        RunError: If the answer cannot be kept.
        TrainingError: If torch cannot train the network here, whatever is chosen.
    """
    chosen = cfg.copy()
    milliseconds: dict[str, float] = {}
    if AUTO in (cfg.trainer.precision, cfg.model.get("memory_format")):
        way, milliseconds = _measured(cfg, num_classes)
        chosen.trainer.precision = way.precision
        if "memory_format" in cfg.model:
            chosen.model.memory_format = way.memory_format
    if cfg.optimizer.get("fused") == AUTO:
        # Where gradients are scaled, a fused optimizer would have to clip them, too.
        clips = cfg.trainer.gradient_clip_val is not None
        chosen.optimizer.fused = not (chosen.trainer.precision == "16-mixed" and clips)
    return chosen, milliseconds


def _measured(cfg: DictConfig, num_classes: int) -> tuple[Way, dict[str, float]]:
    on_gpu = cfg.trainer.accelerator != "cpu" and torch.cuda.is_available()
    device = torch.device("cuda" if on_gpu else "cpu")
    size = square(cfg.data.size)
    processes = cfg.trainer.devices if isinstance(cfg.trainer.devices, int) else 1
    batch_size = max(2, cfg.data.batch_size // max(1, processes))
    tried = ways(cfg.trainer.precision, cfg.model.get("memory_format", "contiguous"), device)
    # Other weights take as long.
    fresh = {"pretrained": False, "checkpoint_path": None}
    drawn = {key: fresh.get(key, value) for key, value in cfg.model.items()}
    node = OmegaConf.create({k: v for k, v in drawn.items() if k != "memory_format"})

    def measure() -> dict[Way, float]:
        with random_state_kept(), _as_in_training(cfg.trainer):
            backbone = build.unprepared_backbone(node, num_classes, size)
            convert_batch_norm(backbone, node.get("batch_norm", "keep"))
            return milliseconds_per_step(
                backbone, tried, size, batch_size, device, compiled=node.get("compile", False)
            )

    question = {
        "model": OmegaConf.to_container(node, resolve=True),
        "size": size,
        "batch_size": batch_size,
        "device": device.type,
        "tried": tried,
        **{key: cfg.trainer.get(key) for key in _SETTINGS},
    }
    return choose(Path(cfg.paths.cache), question, measure)


@contextmanager
def _as_in_training(node: DictConfig) -> Iterator[None]:
    """Has torch compute as the trainer will have it do; afterwards, as before."""
    cudnn, utils = torch.backends.cudnn, torch.utils.deterministic
    products, tf32, benchmark = (
        torch.get_float32_matmul_precision(),
        cudnn.allow_tf32,
        cudnn.benchmark,
    )
    exact = torch.are_deterministic_algorithms_enabled()
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    filled, workspace = utils.fill_uninitialized_memory, os.environ.get(_CUBLAS)  # type: ignore[attr-defined]
    try:
        build.set_float32_precision(node)
        cudnn.benchmark = bool(node.get("benchmark"))
        wanted = node.get("deterministic")
        torch.use_deterministic_algorithms(bool(wanted), warn_only=wanted == "warn")
        utils.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        if wanted:
            os.environ[_CUBLAS] = ":4096:8"  # torch reads it once: training keeps what it is now
        yield
    finally:
        torch.set_float32_matmul_precision(products)
        cudnn.allow_tf32, cudnn.benchmark = tf32, benchmark
        torch.use_deterministic_algorithms(exact, warn_only=warns)
        utils.fill_uninitialized_memory = filled  # type: ignore[attr-defined]
        if workspace is None:
            os.environ.pop(_CUBLAS, None)
        else:
            os.environ[_CUBLAS] = workspace
