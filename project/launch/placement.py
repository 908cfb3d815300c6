"""Does this machine have what the trainer is asked to run on?"""

import os

import torch
from omegaconf import DictConfig

from project.errors import ConfigError


def check_devices(trainer: DictConfig) -> None:
    """Compares accelerator and devices with the machine.

    Lightning by itself would start that many processes on the CPU, or fail with a trace.

    Args:
        trainer: The ``trainer`` node of a composed configuration.

    Raises:
        ConfigError: If there are fewer GPUs, or fewer cores, than devices.
    """
    gpus, cores = torch.cuda.device_count(), os.cpu_count() or 1
    wanted = _count(trainer.devices)
    accelerator = trainer.accelerator
    if accelerator in ("gpu", "cuda") and gpus == 0:
        raise ConfigError(
            f"trainer.accelerator={accelerator}: this machine has no usable GPU. Use trainer=cpu, "
            "or trainer=auto to take what there is."
        )
    on_gpu = accelerator in ("gpu", "cuda") or (accelerator == "auto" and gpus > 0)
    if on_gpu and wanted > gpus:
        raise ConfigError(
            f"trainer.devices={trainer.devices}: expected at most {gpus}, the GPUs of this machine."
        )
    if not on_gpu and accelerator != "cpu" and wanted > 1:
        raise ConfigError(
            f"trainer.devices={trainer.devices}: this machine has no GPU. Use trainer.devices=1, "
            f"or trainer.accelerator=cpu for {wanted} processes on its {cores} cores."
        )
    if accelerator == "cpu" and wanted > cores:
        raise ConfigError(
            f"trainer.devices={trainer.devices}: expected at most {cores}, the cores of this "
            "machine, as each process needs one."
        )


def _count(devices: object) -> int:
    """Devices asked for; ``auto`` and -1 take what there is, a list names them."""
    if isinstance(devices, int):
        return max(devices, 1)
    if isinstance(devices, str):
        return int(devices) if devices.isdigit() else devices.count(",") + 1
    return len(devices) if hasattr(devices, "__len__") else 1
