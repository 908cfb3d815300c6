"""Sweeps on a Ray cluster of two nodes, both on this machine, as a user starts them."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from project.launch.local.slots import THREADS
from project.runs.directory import RunDirectory
from project.runs.record import read_record
from project.runs.sweeps import SweepDirectory, SweepFacts
from tests.conftest import REPOSITORY, TINY, TINY_MODEL, Command, command_environment

pytestmark = pytest.mark.slow

WORDS = (
    *(word for word in TINY if not word.startswith("trainer.max_epochs")),
    *TINY_MODEL,
    "trainer.max_epochs=40",
    "augmentation=color",
)
NODE: dict[str, Any] = {"num_cpus": 2, "object_store_memory": 80 << 20}


@pytest.fixture
def two_nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A cluster with two cores on each of two nodes."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - only the slow tests need it

    head = {**NODE, "include_dashboard": False}
    cluster: Any = Cluster(initialize_head=True, head_node_args=head)
    cluster.add_node(**NODE)
    yield cluster
    cluster.shutdown()


def test_sweep_survives_the_loss_of_a_node_and_comes_to_the_same_end(
    two_nodes: Any, command: Command, photos: Path, tmp_path: Path
) -> None:
    words = [*WORDS, f"data.root={photos}"]
    sweep = tmp_path / "sweep"
    here = [
        "--multirun",
        "hydra/launcher=ray",
        f"hydra.launcher.address={two_nodes.address}",
        "hydra.launcher.cpus_per_job=2",  # one job a node
        "hydra.launcher.retries=1",
        f"hydra.sweep.dir={sweep}",
        "seed=1,2",
    ]
    launcher = subprocess.Popen(
        [sys.executable, "-m", "project.train", *here, *words],
        cwd=REPOSITORY,
        env=command_environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    runs = [RunDirectory(sweep / f"seed={seed}") for seed in (1, 2)]
    wait_for_checkpoints(runs, launcher)
    lost = next(node for node in two_nodes.list_all_nodes() if not node.head)
    two_nodes.remove_node(lost, allow_graceful=False)
    said, _ = launcher.communicate(timeout=900)
    assert launcher.returncode == 0, said
    assert "2 finished" in said
    assert SweepFacts.read(SweepDirectory(sweep)).launcher == "ray"
    once, twice = sorted(runs, key=lambda run: read_record(run).attempts)
    assert (read_record(once).attempts, read_record(twice).attempts) == (1, 2)

    calm = RunDirectory(tmp_path / "calm")
    alone = [*words, twice.path.name, f"hydra.run.dir={calm.path}"]
    # Sums over another number of threads round differently.
    done = command("train", *alone, **dict.fromkeys(THREADS, "2"))
    assert done.returncode == 0, done.stderr
    assert twice.predictions("test").read_bytes() == calm.predictions("test").read_bytes()


def wait_for_checkpoints(runs: list[RunDirectory], launcher: "subprocess.Popen[str]") -> None:
    until = time.monotonic() + 600
    while not all(run.checkpoint("last").exists() for run in runs):
        assert time.monotonic() < until, "no checkpoints in time"
        assert launcher.poll() is None, launcher.communicate()
        time.sleep(0.02)


def test_cluster_that_is_not_there_is_told_of(
    command: Command, photos: Path, tmp_path: Path
) -> None:
    words = [*WORDS, f"data.root={photos}", f"hydra.sweep.dir={tmp_path}/sweep"]
    done = command("train", "--multirun", "hydra/launcher=ray", *words, "seed=1,2", RAY_ADDRESS="")
    assert done.returncode == 1
    assert "hydra.launcher.address=auto: expected a Ray cluster there" in done.stderr
    assert "Traceback" not in done.stderr
