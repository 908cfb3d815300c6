"""Jobs on a Ray cluster of two nodes, both on this machine."""

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from project.errors import ConfigError, RunError
from project.launch.jobs.attempt import Attempt, Exit
from project.launch.remote import ray
from project.launch.remote.ray import Needs, RayExecutor
from project.runs.lock import is_locked
from project.runs.record import read_record
from tests.launch.remote.conftest import MakeJob, Notes

ON_CPU = {"devices": 1, "accelerator": "cpu"}


@pytest.mark.parametrize(
    ("needs", "gpus"),
    [
        (Needs(), 1),
        (Needs(jobs_per_gpu=2), 0.5),
        (Needs(gpus_per_job=2), 2),
        (Needs(gpus_per_job=0), 0),
    ],
)
def test_job_takes_a_gpu_or_a_share_of_one(make_job: MakeJob, needs: Needs, gpus: float) -> None:
    assert needs.gpus(make_job("a", "ok"), there=4) == gpus


def test_job_takes_no_gpu_that_is_not_there_or_not_wanted(make_job: MakeJob) -> None:
    assert Needs().gpus(make_job("a", "ok"), there=0) == 0
    assert Needs().gpus(make_job("a", "ok", trainer=ON_CPU), there=4) == 0
    assert Needs().gpus(make_job("a", "ok", trainer={"devices": 2}), there=4) == 2


def test_ray_is_asked_for_what_was_configured() -> None:
    needs = Needs(cpus_per_job=3, memory_gb=2, resources={"fast_disk": 1})
    assert needs.options(0.5) == {
        "num_cpus": 3,
        "num_gpus": 0.5,
        "memory": 2_000_000_000,
        "resources": {"fast_disk": 1},
        "max_retries": 0,
    }
    assert Needs().options(0)["memory"] is None


@pytest.mark.parametrize(
    "given", [{"cpus_per_job": 0}, {"jobs_per_gpu": 0}, {"jobs_per_gpu": 2, "gpus_per_job": 2}]
)
def test_numbers_that_do_not_fit_together_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="expected 1 or more of cpus_per_job and of jobs_per_gpu"):
        Needs(**given)


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[Any]:
    """A cluster with two cores on each of two nodes."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
    import ray  # noqa: PLC0415 - only the slow tests need it
    from ray.cluster_utils import Cluster  # noqa: PLC0415

    size: dict[str, Any] = {"num_cpus": 2, "object_store_memory": 80 << 20}
    cluster: Any = Cluster(
        initialize_head=True, head_node_args={**size, "include_dashboard": False}
    )
    cluster.add_node(**size, resources={"second": 1})
    ray.init(address=cluster.address, log_to_driver=False, configure_logging=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture
def executor(two_nodes: Any, sweep: Path) -> Iterator[RayExecutor]:
    executor = RayExecutor(sweep, Needs(cpus_per_job=2))
    yield executor
    executor.close()


def outcomes(executor: RayExecutor, count: int, seconds: float = 90) -> dict[str, Exit]:
    """How the next jobs end, by name."""
    found: dict[str, Exit] = {}
    until = time.monotonic() + seconds
    while len(found) < count:
        assert time.monotonic() < until, "jobs did not end in time"
        found |= {attempt.job.name: ended for attempt, ended in executor.wait(0.5)}
    return found


def begun(executor: RayExecutor, make_job: MakeJob, *acts: str, **config: Any) -> list[Attempt]:
    made = [
        Attempt(make_job(f"{act}{n}", act, **config), resume=False) for n, act in enumerate(acts)
    ]
    for attempt in made:
        executor.begin(attempt)
    return made


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


def states(attempts: Sequence[Attempt]) -> list[str]:
    return [read_record(attempt.job.run).state for attempt in attempts]


@pytest.mark.slow
def test_each_job_ends_for_itself_alone(executor: RayExecutor, make_job: MakeJob) -> None:
    assert executor.has_room()
    jobs = begun(executor, make_job, "ok", "fail")
    assert not executor.has_room()  # two cores each, of four
    assert {name: ended.code for name, ended in outcomes(executor, 2).items()} == {
        "ok0": 0,
        "fail1": 1,
    }
    assert states(jobs) == ["finished", "failed"]


@pytest.mark.slow
def test_job_sees_the_gpu_that_ray_gives_it(
    two_nodes: Any, sweep: Path, make_job: MakeJob, notes: Notes
) -> None:
    node = two_nodes.add_node(num_cpus=4, num_gpus=2, object_store_memory=80 << 20)
    executor = RayExecutor(sweep, Needs(jobs_per_gpu=2))
    begun(executor, make_job, *["ok:2"] * 4)
    begun(executor, make_job, "ok", trainer=ON_CPU)
    outcomes(executor, 5)
    two_nodes.remove_node(node)
    seen = [note["gpu"] for note in notes()]
    assert sorted(seen) == ["", "0", "0", "1", "1"]


@pytest.mark.slow
def test_waiting_jobs_do_not_begin_and_running_ones_write_a_checkpoint(
    executor: RayExecutor, make_job: MakeJob
) -> None:
    jobs = begun(executor, make_job, "wait", "wait", "wait")
    wait_until(lambda: sum(job.job.run.checkpoint("last").exists() for job in jobs) == 2)
    for job in jobs:
        executor.stop(job, at_once=False)
    found = outcomes(executor, 3)
    stopped, waited = Exit(143, stopped=True), Exit(None, busy=True)
    assert sorted(found.values(), key=str) == sorted([stopped, stopped, waited], key=str)


@pytest.mark.slow
def test_job_is_killed_at_once(executor: RayExecutor, make_job: MakeJob) -> None:
    (job,) = begun(executor, make_job, "deaf", module="tests.launch.remote.deaf_job")
    wait_until(job.job.run.checkpoint("last").exists)
    executor.stop(job, at_once=True)
    assert outcomes(executor, 1)["deaf0"].stopped
    wait_until(lambda: not is_locked(job.job.run.lock_file), seconds=10)
    assert states([job]) == ["interrupted"]


@pytest.mark.slow
def test_many_jobs_are_killed_at_once_in_the_time_of_one(
    two_nodes: Any, sweep: Path, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    executor = RayExecutor(sweep, Needs(cpus_per_job=1))
    jobs = begun(executor, make_job, *["deaf"] * 3, module="tests.launch.remote.deaf_job")
    wait_until(lambda: all(job.job.run.checkpoint("last").exists() for job in jobs))

    def paused(seconds: float) -> None:
        pauses.append(seconds)
        time.sleep(seconds)

    monkeypatch.setattr(ray, "time", SimpleNamespace(sleep=paused))
    for job in jobs:
        executor.stop(job, at_once=True)
    ended = outcomes(executor, 3)
    assert all(exit_.stopped for exit_ in ended.values())
    assert pauses == [ray._STOP_SECONDS]
    wait_until(lambda: not any(is_locked(job.job.run.lock_file) for job in jobs), seconds=10)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("needs", "asked"),
    [
        (Needs(cpus_per_job=3), "3 CPU, got nodes with:\n  2 CPU\n  2 CPU"),
        (Needs(gpus_per_job=1), "1 CPU, 1 GPU, got nodes with:\n  2 CPU, 0 GPU"),
        (Needs(memory_gb=9000), "1 CPU, 9,000,000,000,000 memory, got"),
        (Needs(resources={"third": 1}), "1 CPU, 1 third, got"),
    ],
    ids=["cores", "GPUs", "memory", "own"],
)
def test_job_that_no_node_could_ever_hold_is_refused(
    two_nodes: Any, sweep: Path, needs: Needs, asked: str
) -> None:
    with pytest.raises(RunError, match=re.escape(f"a job, which asks for {asked}")):
        RayExecutor(sweep, needs)


@pytest.mark.slow
def test_job_with_more_gpus_than_any_node_has_is_refused(
    two_nodes: Any, sweep: Path, make_job: MakeJob
) -> None:
    node = two_nodes.add_node(num_cpus=2, num_gpus=1, object_store_memory=80 << 20)
    executor = RayExecutor(sweep, Needs())
    with pytest.raises(
        RunError, match=r"asks for 1 CPU, 2 GPU, got nodes with:(.|\n)*2 CPU, 1 GPU"
    ):
        begun(executor, make_job, "ok", trainer={"devices": 2})
    begun(executor, make_job, "ok", trainer={"devices": 1})
    outcomes(executor, 1)
    two_nodes.remove_node(node)


@pytest.mark.slow
def test_job_whose_node_is_lost_goes_on_elsewhere_and_never_twice(
    two_nodes: Any, sweep: Path, make_job: MakeJob, notes: Notes
) -> None:
    node = next(node for node in two_nodes.list_all_nodes() if not node.head)
    there = RayExecutor(sweep, Needs(cpus_per_job=2, resources={"second": 1}))
    (job,) = begun(there, make_job, "wait")
    wait_until(job.job.run.checkpoint("last").exists)
    two_nodes.remove_node(node, allow_graceful=False)
    assert outcomes(there, 1) == {"wait0": Exit(None)}
    assert "Ray: " in job.job.run.output_file.read_text()
    anywhere = RayExecutor(sweep, Needs(cpus_per_job=2))
    again = Attempt(job.job, resume=True)
    anywhere.begin(again)  # while what was left behind may still be writing its checkpoint
    found = outcomes(anywhere, 1)["wait0"]
    if found.busy:
        wait_until(lambda: not is_locked(job.job.run.lock_file))
        anywhere.begin(Attempt(job.job, resume=True))
        found = outcomes(anywhere, 1)["wait0"]
    assert found == Exit(0)
    assert [note["resume"] for note in notes()] == [False, True]
    ended, began = notes()[0]["ended"], notes()[1]["began"]
    assert ended <= began
    two_nodes.add_node(num_cpus=2, object_store_memory=80 << 20, resources={"second": 1})


@pytest.mark.slow
def test_what_a_node_could_not_do_is_in_what_the_job_printed(
    executor: RayExecutor, make_job: MakeJob
) -> None:
    job = make_job("a", "ok")
    job.run.path.mkdir()
    job.run.record_file.write_text("damaged")
    executor.begin(Attempt(job, resume=False))
    assert outcomes(executor, 1) == {"a": Exit(1)}
    assert "expected the record of a run" in job.run.output_file.read_text()


@pytest.mark.slow
def test_no_more_jobs_are_begun_than_wanted(two_nodes: Any, sweep: Path, make_job: MakeJob) -> None:
    executor = RayExecutor(sweep, Needs(), max_jobs=1)
    begun(executor, make_job, "ok")
    assert not executor.has_room()
    outcomes(executor, 1)
    assert executor.has_room()


@pytest.mark.slow
def test_job_over_several_nodes_is_refused(executor: RayExecutor, make_job: MakeJob) -> None:
    with pytest.raises(RunError, match="one machine"):
        begun(executor, make_job, "ok", trainer={"num_nodes": 2})
