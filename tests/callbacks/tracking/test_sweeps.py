"""Sweeps that are tracked, under each launcher."""

from pathlib import Path

import pytest

from tests.callbacks.tracking.wandb_server import log_out, offline_parts, read_back, records
from tests.conftest import TINY, TINY_MODEL, Command

pytestmark = pytest.mark.slow

LAUNCHERS = {
    "local": ["hydra.launcher.cpu_jobs=2"],
    "slurm": ["hydra.launcher.cluster=local", "hydra.launcher.cpus_per_task=1"],
    "ray": ["hydra.launcher.address=local"],
}


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_each_job_is_one_offline_run_with_its_own_configuration_in_the_group_of_the_sweep(
    command: Command,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    launcher: str,
) -> None:
    log_out(monkeypatch, tmp_path)
    sweep = tmp_path / "coats"
    done = command(
        "train", "--multirun", *TINY, *TINY_MODEL, f"data.root={photos}", "seed=3,4",
        "logger=wandb", "logger.wandb.mode=offline", f"hydra.sweep.dir={sweep}",
        f"hydra/launcher={launcher}", *LAUNCHERS[launcher],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    parts = {seed: offline_parts(sweep / f"seed={seed}") for seed in (3, 4)}
    assert [len(found) for found in parts.values()] == [1, 1]
    opened = {seed: records(part, "run")[0] for seed, (part,) in parts.items()}
    assert len({run["run_id"] for run in opened.values()}) == 2
    assert {run["run_group"] for run in opened.values()} == {"coats"}
    kept = {seed: read_back(part)["config"] for seed, (part,) in parts.items()}
    assert {seed: config["seed"] for seed, config in kept.items()} == {3: 3, 4: 4}
