from pathlib import Path

import pytest

from project.errors import RunError
from project.launch.jobs.attempt import Attempt
from project.launch.remote.order import (
    check_one_node,
    gpus_of,
    order_for,
    tell_in_output,
    travelling_variables,
)
from tests.launch.remote.conftest import MakeJob


@pytest.mark.parametrize(
    ("trainer", "gpus"),
    [
        ({"devices": 2, "accelerator": "auto"}, 2),
        ({"devices": 2, "accelerator": "cpu"}, 0),
        ({}, 1),
    ],
)
def test_job_gets_as_many_gpus_as_its_trainer_has_devices(
    make_job: MakeJob, trainer: dict[str, object], gpus: int
) -> None:
    job = make_job("a", "ok", trainer=trainer)
    assert gpus_of(job, "auto") == gpus
    assert gpus_of(job, 4) == 4


@pytest.mark.parametrize("gpus", [0, 1, 0.5])
def test_job_without_a_gpu_sees_none(make_job: MakeJob, sweep: Path, gpus: float) -> None:
    order = order_for(Attempt(make_job("a", "ok"), resume=False), sweep, cores=3, gpus=gpus)
    assert order.variables.get("CUDA_VISIBLE_DEVICES") == ("" if gpus == 0 else None)
    assert order.variables["EVENHAND_CORES"] == order.variables["OMP_NUM_THREADS"] == "3"


def test_what_is_set_for_the_launcher_holds_for_its_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("EVENHAND_OUTPUT", "here")
    monkeypatch.setenv("EVENHAND_LOCK_FD", "7")
    monkeypatch.setenv("EVENHAND_SWEEP", "another")
    found = travelling_variables()
    assert (found["WANDB_MODE"], found["EVENHAND_OUTPUT"]) == ("offline", "here")
    assert not found.keys() & {"EVENHAND_LOCK_FD", "EVENHAND_SWEEP", "PATH"}


def test_job_over_several_nodes_is_refused(make_job: MakeJob) -> None:
    check_one_node(make_job("a", "ok", trainer={"num_nodes": 1}))
    check_one_node(make_job("a", "ok"))
    with pytest.raises(RunError, match=r"trainer\.num_nodes=2: expected 1, .* by srun or torchrun"):
        check_one_node(make_job("a", "ok", trainer={"num_nodes": 2}))


def test_what_a_run_could_not_say_is_added_to_what_it_printed(make_job: MakeJob) -> None:
    job = make_job("a", "ok")
    for text in ("first", "second\n"):
        tell_in_output(Attempt(job, resume=False), text)
    assert job.run.output_file.read_text() == "first\nsecond\n"
