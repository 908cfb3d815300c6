"""Single runs over several machines, each played by a process that torchrun or srun would start."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from project import train
from project.errors import ConfigError
from project.runs.directory import RunDirectory
from project.runs.record import read_record
from tests.conftest import REPOSITORY, TINY, TINY_MODEL, Compose, command_environment

# 40 epochs of four steps are long enough to be stopped on the way.
RUN = (
    *(word for word in TINY if not word.startswith(("trainer=", "trainer.max_epochs"))),
    *TINY_MODEL,
    "augmentation=color",
    "trainer=ddp",
    "trainer.accelerator=cpu",
    "trainer.devices=1",
    "trainer.num_nodes=2",
    "trainer.max_epochs=40",
)
_SECONDS = 600  # two processes that wait for each other, on a machine that does other things, too


def free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


def start(command: Sequence[str], tmp_path: Path, **variables: str) -> "subprocess.Popen[str]":
    environment = {
        name: value
        for name, value in command_environment(tmp_path).items()
        if not name.startswith(("SLURM_", "TORCHELASTIC_")) and name not in ("RANK", "LOCAL_RANK")
    }
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=REPOSITORY,
        env=environment | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def by_torchrun(words: Sequence[str], tmp_path: Path) -> "list[subprocess.Popen[str]]":
    """The same command on both machines."""
    meeting = [f"--rdzv_endpoint=localhost:{free_port()}", "--rdzv_backend=c10d", "--rdzv_id=17"]
    agent = ["torch.distributed.run", "--nnodes=2", "--nproc_per_node=1", *meeting]
    return [start([*agent, "-m", "project.train", *words], tmp_path) for _ in range(2)]


def by_srun(words: Sequence[str], tmp_path: Path) -> "list[subprocess.Popen[str]]":
    """What ``srun --nodes=2 --ntasks-per-node=1`` starts."""
    # Lightning makes the port of the job's number.
    common = {"SLURM_JOB_ID": str(free_port() % 9000), "MASTER_PORT": str(free_port())}
    names = {"JOB_NAME": "train", "NODELIST": "localhost", "STEP_ID": "0", "NNODES": "2"}
    tasks = {"NTASKS": "2", "NTASKS_PER_NODE": "1", "LOCALID": "0"}
    slurm = {f"SLURM_{name}": value for name, value in {**names, **tasks}.items()}
    return [
        start(
            ["project.train", *words],
            tmp_path,
            **common,
            **slurm,
            SLURM_PROCID=str(rank),
            SLURM_NODEID=str(rank),
        )
        for rank in range(2)
    ]


def ended(processes: "Sequence[subprocess.Popen[str]]") -> list[str]:
    """What the processes printed, once all have ended; none is left behind."""
    try:
        return [process.communicate(timeout=_SECONDS)[0] for process in processes]
    finally:
        for process in processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()


def wait_for(true: Callable[[], bool], processes: "Sequence[subprocess.Popen[str]]") -> None:
    until = time.monotonic() + _SECONDS
    while not true():
        assert time.monotonic() < until, "it did not happen in time"
        assert all(process.poll() is None for process in processes), ended(processes)
        time.sleep(0.05)


@pytest.fixture(scope="module")
def undisturbed(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A run by torchrun on two machines, and what each of them printed."""
    tmp_path = tmp_path_factory.mktemp("torchrun")
    words = [*RUN, f"data.root={photos}", f"hydra.run.dir={tmp_path}/run"]
    return tmp_path / "run", ended(by_torchrun(words, tmp_path))


@pytest.mark.slow
def test_machines_that_torchrun_joins_leave_one_run(undisturbed: tuple[Path, list[str]]) -> None:
    run, said = undisturbed
    record = read_record(RunDirectory(run))
    assert record.state == "finished", said
    assert sum("run directory" in text for text in said) == 1  # the first alone speaks
    assert record.metrics["test/support/top"] == 8  # nothing counted twice


@pytest.mark.slow
def test_run_that_srun_started_is_stopped_and_goes_on_as_if_it_never_was(
    undisturbed: tuple[Path, list[str]], photos: Path, tmp_path: Path
) -> None:
    words = [*RUN, f"data.root={photos}", f"hydra.run.dir={tmp_path}/run"]
    run = RunDirectory(tmp_path / "run")
    machines = by_srun(words, tmp_path)
    wait_for(run.checkpoint("last").exists, machines)
    for machine in machines:
        machine.send_signal(signal.SIGTERM)  # as SLURM does, to all of them
    said = ended(machines)
    assert read_record(run).state == "interrupted", said
    said = ended(by_srun([*words, f"resume={run.path}"], tmp_path))
    record = read_record(run)
    assert record.state == "finished", said
    whole = RunDirectory(undisturbed[0])
    for split in ("val", "test"):
        assert run.predictions(split).read_bytes() == whole.predictions(split).read_bytes()
    assert record.metrics == pytest.approx(read_record(whole).metrics, abs=0, nan_ok=True)


def test_model_in_parts_needs_gpus(tiny: Compose) -> None:
    with pytest.raises(ConfigError, match="`fsdp` requires a GPU"):
        train.run(tiny("trainer=fsdp", "trainer.accelerator=cpu", "trainer.devices=1"))


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_model_in_parts_is_trained_by_torchrun(photos: Path, tmp_path: Path) -> None:
    gpus = min(2, torch.cuda.device_count())
    words = [*(word for word in TINY if not word.startswith("trainer=")), *TINY_MODEL]
    placed = ["trainer=fsdp", f"trainer.devices={gpus}", f"hydra.run.dir={tmp_path}/run"]
    agent = ["torch.distributed.run", "--standalone", f"--nproc_per_node={gpus}"]
    command = [*agent, "-m", "project.train", *words, f"data.root={photos}", *placed]
    said = ended([start(command, tmp_path)])
    assert read_record(RunDirectory(tmp_path / "run")).state == "finished", said
