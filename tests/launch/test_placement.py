import os

import pytest
import torch
from omegaconf import OmegaConf

from project.errors import ConfigError
from project.launch.placement import check_devices


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Four cores and no GPU; a test may plug some in."""
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    return monkeypatch


def check(accelerator: str, devices: object) -> None:
    check_devices(OmegaConf.create({"accelerator": accelerator, "devices": devices}))


@pytest.mark.parametrize(
    ("accelerator", "devices"),
    [("auto", 1), ("auto", "auto"), ("cpu", 1), ("cpu", 4), ("cpu", "4"), ("auto", -1)],
)
def test_what_a_machine_without_gpus_can_do_passes(
    machine: pytest.MonkeyPatch, accelerator: str, devices: object
) -> None:
    check(accelerator, devices)


@pytest.mark.parametrize("devices", [1, 2, "2", [0, 1], "0,1", "auto", -1])
def test_gpus_that_are_there_pass(machine: pytest.MonkeyPatch, devices: object) -> None:
    machine.setattr(torch.cuda, "device_count", lambda: 2)
    check("gpu", devices)
    check("auto", devices)


@pytest.mark.parametrize(
    ("accelerator", "devices", "gpus", "message"),
    [
        ("gpu", 1, 0, r"accelerator=gpu: this machine has no usable GPU. Use trainer=cpu"),
        ("auto", 4, 0, r"devices=4: this machine has no GPU. .* 4 processes on its 4 cores"),
        ("auto", 4, 2, r"devices=4: expected at most 2, the GPUs"),
        ("gpu", [0, 1, 2], 2, r"expected at most 2, the GPUs"),
        ("cpu", 5, 0, r"devices=5: expected at most 4, the cores"),
    ],
)
def test_what_the_machine_does_not_have_is_named(
    machine: pytest.MonkeyPatch, accelerator: str, devices: object, gpus: int, message: str
) -> None:
    machine.setattr(torch.cuda, "device_count", lambda: gpus)
    with pytest.raises(ConfigError, match=message):
        check(accelerator, devices)
