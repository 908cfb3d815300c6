import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from project.errors import ConfigError, RunError
from project.launch.jobs.attempt import Attempt, Exit
from project.launch.remote import slurm_clusters, slurm_queue
from project.launch.remote.slurm import Allocation, SlurmExecutor, Submitted
from project.runs.sweeps import SweepDirectory
from tests.launch.remote.conftest import MakeJob
from tests.launch.remote.slurm_box import Box, attempts, outcomes, submitted


def test_jobs_of_a_sweep_are_one_array_that_asks_for_what_was_configured(
    box: Box, make_job: MakeJob, sweep: Path
) -> None:
    allocation = Allocation(
        partition="gpu",
        account="lab",
        qos="low",
        constraint="a100",
        cpus_per_task=6,
        mem_gb=24,
        timeout_minutes=90,
        signal_seconds=120,
        array_parallelism=2,
        setup=["module load cuda"],
        sbatch={"nice": 100},
    )
    three = attempts(make_job, "ok", "ok", "ok", trainer={"devices": 2, "accelerator": "gpu"})
    submitted(SlurmExecutor(sweep, allocation), three)
    (script,) = box.scripts
    asked = {line.removeprefix("#SBATCH --") for line in script if line.startswith("#SBATCH")}
    assert asked >= {
        "array=0-2%2",
        "partition=gpu",
        "account=lab",
        "qos=low",
        "constraint=a100",
        "gpus-per-node=2",
        "cpus-per-task=6",
        "mem=24GB",
        "time=90",
        "signal=USR2@120",
        "nice=100",
        "requeue",
        "nodes=1",
        "job-name=evenhand",
    }
    assert script.index("module load cuda") < next(
        number for number, line in enumerate(script) if line.startswith("srun")
    )
    assert [attempt.place for attempt in three] == ["SLURM 41_0", "SLURM 41_1", "SLURM 41_2"]


def test_what_is_left_open_is_left_to_the_cluster(box: Box, make_job: MakeJob, sweep: Path) -> None:
    on_cpu = attempts(make_job, "ok", trainer={"devices": 1, "accelerator": "cpu"})
    submitted(SlurmExecutor(sweep, Allocation()), on_cpu)
    text = "\n".join(box.scripts[0])
    for option in ("gpus", "partition", "account", "qos", "constraint", "mem", "array"):
        assert f"#SBATCH --{option}" not in text


def test_jobs_that_ask_for_different_gpus_are_different_arrays(
    box: Box, make_job: MakeJob, sweep: Path
) -> None:
    both = [
        Attempt(make_job(f"{n}", "ok", trainer={"devices": n}), resume=False) for n in (1, 2, 2)
    ]
    submitted(SlurmExecutor(sweep, Allocation()), both)
    assert [line for script in box.scripts for line in script if "gpus" in line] == [
        "#SBATCH --gpus-per-node=1",
        "#SBATCH --gpus-per-node=2",
    ]


def test_second_launch_finds_what_is_queued_and_submits_the_rest(
    box: Box, make_job: MakeJob, sweep: Path
) -> None:
    submitted(SlurmExecutor(sweep, Allocation()), attempts(make_job, "ok", "ok", "ok"))
    box.queue(_41_0="PENDING", _41_1="RUNNING", _7="RUNNING")
    again = attempts(make_job, "ok", "ok", "ok")
    submitted(SlurmExecutor(sweep, Allocation()), again)
    assert len(box.scripts) == 2
    assert not any("array" in line for line in box.scripts[1])  # it is one job
    assert [attempt.place for attempt in again] == ["SLURM 41_0", "SLURM 41_1", "SLURM 42"]


def test_queued_job_of_another_configuration_is_not_taken_for_this_one(
    box: Box, make_job: MakeJob, sweep: Path
) -> None:
    submitted(SlurmExecutor(sweep, Allocation()), attempts(make_job, "ok", "ok"))
    box.queue(_41_0="PENDING")
    (other,) = attempts(make_job, "ok", width=8)
    with pytest.raises(RunError, match=r"SLURM's job 41_0 is for, .*Cancel that \(scancel 41_0\)"):
        SlurmExecutor(sweep, Allocation()).begin(other)


def test_damaged_note_of_the_queue_submits_again(box: Box, make_job: MakeJob, sweep: Path) -> None:
    submitted(SlurmExecutor(sweep, Allocation()), attempts(make_job, "ok"))
    box.queue(_41="PENDING")
    (SweepDirectory(sweep).own / "slurm.json").write_text("{")
    submitted(SlurmExecutor(sweep, Allocation()), attempts(make_job, "ok"))
    assert len(box.scripts) == 2


def test_job_that_is_neither_in_the_queue_nor_left_a_result_has_ended_unseen(
    box: Box, make_job: MakeJob, sweep: Path
) -> None:
    executor = SlurmExecutor(sweep, Allocation())
    box.queue(_41_0="RUNNING", _41_1="RUNNING")
    submitted(executor, attempts(make_job, "ok", "ok"))
    box.queue(_41_0="RUNNING")
    assert outcomes(executor, 1) == {"ok1": Exit(None)}
    box.queue(_41_0="COMPLETING")
    assert executor.wait(0.5) == []


def test_controller_that_does_not_answer_ends_no_job(
    box: Box, make_job: MakeJob, sweep: Path, tmp_path: Path
) -> None:
    executor = SlurmExecutor(sweep, Allocation())
    (tmp_path / "bin" / "squeue").write_text("#!/bin/bash\necho busy >&2; exit 1\n")
    submitted(executor, attempts(make_job, "ok"))
    assert executor.wait(1.0) == []


def test_waiting_jobs_leave_the_queue_and_running_ones_are_told(
    box: Box, make_job: MakeJob, sweep: Path
) -> None:
    executor = SlurmExecutor(sweep, Allocation())
    both = attempts(make_job, "ok", "ok")
    submitted(executor, both)
    box.queue(_41_0="RUNNING", _41_1="PENDING")
    for attempt in both:
        executor.stop(attempt, at_once=False)
    assert executor.wait(0.0) == [(both[1], Exit(None, busy=True))]
    assert box.cancelled == ["--signal=HUP 41_0", "41_1"]
    executor.stop(both[0], at_once=True)
    executor.wait(0.0)
    assert box.cancelled[2:] == ["--signal=KILL 41_0", "41_0"]


def test_killed_jobs_are_waited_for_no_longer_than_the_queue_has_them(
    box: Box, make_job: MakeJob, sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm_queue, "_ASK_SECONDS", 1000.0)
    monkeypatch.setattr(slurm_queue, "_HURRY_SECONDS", 1.0)
    executor = SlurmExecutor(sweep, Allocation())
    one, other = attempts(make_job, "ok", "ok")
    submitted(executor, [one, other])
    box.queue(_41_0="RUNNING", _41_1="RUNNING")
    for attempt in (one, other):
        executor.stop(attempt, at_once=True)
    assert executor.wait(0.0) == []
    box.queue(_41_1="COMPLETING")
    assert executor.wait(4.0) == [(one, Exit(None))]  # by one answer, not two


def test_killed_jobs_are_left_to_a_slurm_that_does_not_answer(
    box: Box,
    make_job: MakeJob,
    sweep: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slurm_queue, "_HURRY_SECONDS", 0.2)
    monkeypatch.setattr(slurm_clusters, "_LEAVE_SECONDS", 1.0)
    executor = SlurmExecutor(sweep, Allocation())
    (job,) = attempts(make_job, "ok")
    submitted(executor, [job])
    box.queue(_41="RUNNING")
    assert executor.wait(0.5) == []
    (tmp_path / "bin" / "squeue").write_text("#!/bin/bash\nexec sleep 30\n")
    executor.stop(job, at_once=True)
    begin = time.monotonic()
    assert executor.wait(20.0) == [(job, Exit(None))]
    assert time.monotonic() - begin < 10


def test_refusal_of_slurm_is_told(box: Box, make_job: MakeJob, sweep: Path, tmp_path: Path) -> None:
    (tmp_path / "bin" / "sbatch").write_text(
        "#!/bin/bash\necho 'invalid partition specified: gpus' >&2; exit 1\n"
    )
    executor = SlurmExecutor(sweep, Allocation(partition="gpus"))
    executor.begin(attempts(make_job, "ok")[0])
    with pytest.raises(RunError, match=r"did not take 1 jobs: invalid partition.*\n.*\.partition"):
        executor.wait(0.0)


def test_launcher_need_not_wait(box: Box, make_job: MakeJob, sweep: Path) -> None:
    executor = SlurmExecutor(sweep, Allocation(), max_jobs=1, wait=False)
    for attempt in attempts(make_job, "ok", "ok"):
        assert executor.has_room()  # whatever is allowed at a time: nobody would submit the rest
        executor.begin(attempt)
    with pytest.raises(Submitted):
        executor.wait(0.0)
    assert len(box.scripts) == 1


def test_no_more_jobs_are_submitted_than_wanted(box: Box, make_job: MakeJob, sweep: Path) -> None:
    executor = SlurmExecutor(sweep, Allocation(), max_jobs=2)
    one, two = attempts(make_job, "ok", "ok")
    executor.begin(one)
    assert executor.has_room()
    submitted(executor, [two])
    assert not executor.has_room()


def test_job_over_several_nodes_is_refused(box: Box, make_job: MakeJob, sweep: Path) -> None:
    (wide,) = attempts(make_job, "ok", trainer={"num_nodes": 2})
    with pytest.raises(RunError, match="one machine"):
        SlurmExecutor(sweep, Allocation()).begin(wide)


def test_machine_without_slurm_is_told_so(sweep: Path) -> None:
    if shutil.which("sbatch"):
        pytest.skip("this machine has SLURM")
    with pytest.raises(ConfigError, match=r"got no sbatch here\. Start the sweep on a login node"):
        SlurmExecutor(sweep, Allocation())


def test_unknown_cluster_is_refused(sweep: Path) -> None:
    with pytest.raises(ConfigError, match="expected slurm, local or debug, got 'pbs'"):
        SlurmExecutor(sweep, Allocation(), cluster="pbs")


@pytest.mark.parametrize(
    "name", ["cpus_per_task", "timeout_minutes", "signal_seconds", "array_parallelism"]
)
def test_amount_of_nothing_is_refused(name: str) -> None:
    given: dict[str, Any] = {name: 0}
    with pytest.raises(ConfigError, match=f"launcher.{name}: expected a number above 0, got 0"):
        Allocation(**given)
