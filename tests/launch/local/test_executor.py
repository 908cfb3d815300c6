import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from project.errors import ConfigError, RunError
from project.launch.jobs.attempt import Attempt, Exit
from project.launch.jobs.job import Job
from project.launch.local.executor import LocalExecutor, local_executor
from project.launch.local.slots import Slots, cpu_slots, gpu_slots
from project.runs.directory import RunDirectory
from project.runs.lock import Lock, is_locked
from project.runs.record import read_record

MODULE = "tests.launch.fake_job"
Make = Callable[..., Attempt]


@pytest.fixture(autouse=True)
def _own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENHAND_SLOTS", str(tmp_path / "slots"))


@pytest.fixture(params=["warm", "cold"])
def executor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalExecutor]:
    warm = ["json"] if request.param == "warm" else []
    made = LocalExecutor(tmp_path, Slots(gpu_slots(["0", "GPU-b"], 1, 1, cores=2)), warm)
    yield made
    made.close()


def attempt(tmp_path: Path, name: str, act: str) -> Attempt:
    run = RunDirectory(tmp_path / name)
    lock = Lock.take(run.lock_file)
    assert lock is not None
    words = (f"+act={act}", "+fingerprint=f")
    return Attempt(Job(name, run, (f"act={act}",), words, {}, MODULE), resume=False, lock=lock)


def started(executor: LocalExecutor, tmp_path: Path, name: str, act: str) -> Attempt:
    made = attempt(tmp_path, name, act)
    assert executor.has_room()
    executor.begin(made)
    return made


def ends(executor: LocalExecutor, number: int) -> dict[str, Exit]:
    ended: dict[str, Exit] = {}
    until = time.monotonic() + 60
    while len(ended) < number and time.monotonic() < until:
        ended |= {done.job.name: code for done, code in executor.wait(1.0)}
    return ended


def notes(tmp_path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (tmp_path / "notes.jsonl").read_text().splitlines()]


def test_jobs_get_a_device_each_and_tell_how_they_ended(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    started(executor, tmp_path, "one", "ok:0.3")
    started(executor, tmp_path, "two", "fail")
    assert not executor.has_room()
    assert ends(executor, 2) == {"one": Exit(0), "two": Exit(1)}
    assert {note["gpu"] for note in notes(tmp_path)} == {"0", "GPU-b"}
    assert {note["threads"] for note in notes(tmp_path)} == {"1"}
    output = RunDirectory(tmp_path / "two").output_file.read_text()
    assert "about to fail" in output
    assert "this recipe does not work" in output


def test_killed_job_frees_its_place_and_its_lock(executor: LocalExecutor, tmp_path: Path) -> None:
    made = started(executor, tmp_path, "one", "kill")
    assert is_locked(made.job.run.lock_file)
    assert ends(executor, 1) == {"one": Exit(-signal.SIGKILL)}
    assert not is_locked(made.job.run.lock_file)
    assert executor.has_room()


def test_told_to_stop_a_job_ends_by_itself(executor: LocalExecutor, tmp_path: Path) -> None:
    made = started(executor, tmp_path, "one", "wait")
    wait_for(made.job.run.checkpoint("last"))
    executor.stop(made, at_once=False)
    assert ends(executor, 1) == {"one": Exit(143)}
    assert read_record(made.job.run).state == "interrupted"


def test_at_once_a_job_is_killed_with_its_children(executor: LocalExecutor, tmp_path: Path) -> None:
    made = started(executor, tmp_path, "one", "wait")
    wait_for(made.job.run.checkpoint("last"))
    executor.stop(made, at_once=True)
    assert ends(executor, 1) == {"one": Exit(-signal.SIGKILL)}


def test_job_outlives_its_launcher_and_keeps_its_lock(tmp_path: Path) -> None:
    executor = LocalExecutor(tmp_path, Slots(cpu_slots(1, 1, 1)), ["json"])
    made = started(executor, tmp_path, "one", "wait")
    wait_for(made.job.run.checkpoint("last"))
    executor.close()
    assert is_locked(made.job.run.lock_file)
    assert not LocalExecutor(tmp_path, Slots(cpu_slots(1, 1, 1))).has_room()
    assert not executor.wait(0.5)  # it runs on
    os.kill(running_process(made), signal.SIGTERM)
    assert ends(executor, 1) == {"one": Exit(None)}


def test_module_runs_to_its_end_beside_jobs(executor: LocalExecutor, tmp_path: Path) -> None:
    started(executor, tmp_path, "one", "ok")
    words = ["act=exit", f"hydra.run.dir={tmp_path}/two", "fingerprint=f"]
    assert executor.call(MODULE, words, tmp_path / "printed") == 3
    assert (tmp_path / "printed").read_text() == "leaving early\n"
    assert ends(executor, 1) == {"one": Exit(0)}


def test_forked_job_is_a_process_of_its_own(tmp_path: Path) -> None:
    executor = LocalExecutor(tmp_path, Slots(cpu_slots(2, 1, 2)), ["json"])
    for name in ("one", "two"):
        started(executor, tmp_path, name, "ok")
    assert len(ends(executor, 2)) == 2
    executor.close()
    found = notes(tmp_path)
    assert all(note["warm"] for note in found)
    assert len({note["process"] for note in found}) == 2


def test_server_that_cannot_import_gives_way_to_cold_starts(tmp_path: Path) -> None:
    executor = LocalExecutor(tmp_path, Slots(cpu_slots(1, 1, 1)), ["no.such.module"])
    started(executor, tmp_path, "one", "ok")
    assert ends(executor, 1) == {"one": Exit(0)}
    assert not notes(tmp_path)[0]["warm"]
    executor.close()


def test_dead_server_is_replaced(tmp_path: Path) -> None:
    executor = LocalExecutor(tmp_path, Slots(cpu_slots(1, 1, 1)), ["json"])
    started(executor, tmp_path, "one", "ok")
    assert ends(executor, 1) == {"one": Exit(0)}
    assert executor._server is not None
    executor._server._server.kill()
    executor._server._server.wait()
    started(executor, tmp_path, "two", "ok")
    assert ends(executor, 1) == {"two": Exit(0)}
    executor.close()


def test_slot_that_is_not_needed_is_free_for_others_while_jobs_run(tmp_path: Path) -> None:
    mine, other = (LocalExecutor(tmp_path, Slots(cpu_slots(1, 1, 1))) for _ in range(2))
    assert mine.has_room()
    assert not other.has_room()
    mine.wait(0.0)
    assert other.has_room()
    assert not mine.has_room()
    other.close()
    assert mine.has_room()
    mine.close()


def test_job_that_cannot_be_started_leaves_its_slot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = LocalExecutor(tmp_path, Slots(cpu_slots(1, 1, 1)))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
    made = attempt(tmp_path, "one", "ok")
    assert executor.has_room()
    with pytest.raises(RunError, match="one: its process cannot be started: No such file"):
        executor.begin(made)
    assert not is_locked(made.job.run.lock_file)
    assert executor.has_room()
    executor.close()


def test_gpus_of_a_job_are_those_that_its_trainer_wants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    assert len(local_executor(tmp_path, 2)._slots) == 2
    assert len(local_executor(tmp_path, 1)._slots) == 4
    assert len(local_executor(tmp_path, 2, gpus_per_job=1, jobs_per_gpu=2)._slots) == 8


def test_jobs_of_more_processes_than_gpus_run_on_the_cpu_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    on_cpu = local_executor(tmp_path, 2, on_cpu=True)
    assert on_cpu.has_room()
    on_cpu.close()
    assert on_cpu._slots._slots[0].gpus == ()
    with pytest.raises(ConfigError, match=r"trainer\.devices=2: expected at most 1"):
        local_executor(tmp_path, 2)


@pytest.mark.parametrize("given", [{"cpu_jobs": 0}, {"cpu_jobs": "some"}])
def test_number_that_makes_no_sense_is_refused(given: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cpu_jobs: expected auto, or 1 or more, got"):
        local_executor(tmp_path, 1, gpus=None, **given)


def wait_for(file: Path) -> None:
    until = time.monotonic() + 30
    while not file.exists():
        assert time.monotonic() < until, file
        time.sleep(0.02)


def running_process(made: Attempt) -> int:
    """The process that holds the lock of a run."""
    place = str(made.job.run.path)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and place in _open_files(entry):
            return int(entry.name)
    raise AssertionError("no process")


def _open_files(entry: Path) -> Sequence[str]:
    try:
        links = [str(link.readlink()) for link in (entry / "fd").iterdir()]
        return [link.removesuffix("/.job/lock") for link in links]
    except OSError:
        return []
