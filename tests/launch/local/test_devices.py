from pathlib import Path
from typing import Any

import pytest

from project.errors import ConfigError
from project.launch.local.devices import chosen_gpus, visible_gpus

LISTED = """\
GPU 0: NVIDIA H100 (UUID: GPU-aaaa)
GPU 1: NVIDIA H100 (UUID: GPU-bbbb)
  MIG 1g.10gb     Device  0: (UUID: MIG-cccc)
  MIG 1g.10gb     Device  1: (UUID: MIG-dddd)
GPU 2: NVIDIA H100 (UUID: GPU-eeee)
"""


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A driver's program that lists what stands in a file."""
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncat {tmp_path}/listed\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path / "listed"


def test_driver_lists_gpus_by_number_and_parts_by_name(driver: Path) -> None:
    driver.write_text(LISTED)
    assert visible_gpus() == ["0", "MIG-cccc", "MIG-dddd", "2"]


def test_no_driver_means_no_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus() == []


@pytest.mark.parametrize(
    ("told", "names"),
    [
        ("2,0", ["2", "0"]),
        ("GPU-aaaa, MIG-cccc", ["GPU-aaaa", "MIG-cccc"]),
        ("", []),
        ("-1", []),
        ("0,-1,1", ["0"]),
        ("1,1", ["1"]),
    ],
)
def test_variable_decides_what_is_visible(
    told: str, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", told)
    assert visible_gpus() == names


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("auto", ["5", "GPU-aaaa", "7"]),
        ([0, 2], ["5", "7"]),
        (1, ["GPU-aaaa"]),
        (0, ["5"]),
        ("GPU-aaaa", ["GPU-aaaa"]),
        (None, []),
        ([], []),
    ],
)
def test_numbers_count_the_visible_ones(
    asked: object, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,GPU-aaaa,7")
    assert chosen_gpus(asked) == names  # type: ignore[arg-type]


def test_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    with pytest.raises(ConfigError, match=r"visible here \(0: 5, 1: 7\), got 2"):
        chosen_gpus([0, 2])


@pytest.mark.parametrize("asked", [1.5, True])
def test_what_is_no_number_is_refused(asked: Any) -> None:
    with pytest.raises(ConfigError, match="gpus: expected auto, numbers or null, got"):
        chosen_gpus(asked)


def test_gpu_that_comes_twice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    with pytest.raises(ConfigError, match="expected each GPU once"):
        chosen_gpus([0, 0])


def test_where_nothing_is_known_the_user_is_believed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert chosen_gpus([0, 3]) == ["0", "3"]
    assert "takes your word" in caplog.text
