from pathlib import Path
from types import SimpleNamespace

import pytest
from hydra.types import RunMode

from project.launch import membership
from project.launch.membership import sweep_of_this_job


def hydra_in(mode: RunMode) -> SimpleNamespace:
    config = SimpleNamespace(mode=mode, sweep=SimpleNamespace(dir="outputs/sweeps/two"))
    return SimpleNamespace(initialized=lambda: True, get=lambda: config)


def test_single_run_belongs_to_no_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVENHAND_SWEEP", raising=False)
    assert sweep_of_this_job() is None
    monkeypatch.setattr(membership, "HydraConfig", hydra_in(RunMode.RUN))
    assert sweep_of_this_job() is None


def test_job_knows_its_sweep_from_its_launcher_or_from_hydra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("EVENHAND_SWEEP", raising=False)
    monkeypatch.setattr(membership, "HydraConfig", hydra_in(RunMode.MULTIRUN))
    assert sweep_of_this_job() == Path("outputs/sweeps/two")
    monkeypatch.setenv("EVENHAND_SWEEP", "outputs/sweeps/one")
    assert sweep_of_this_job() == Path("outputs/sweeps/one")
