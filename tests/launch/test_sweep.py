import json
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from project.errors import RunError
from project.launch.jobs.attempt import Attempt, Exit
from project.launch.jobs.job import Job
from project.launch.jobs.source import ListedJobs
from project.launch.local.executor import LocalExecutor
from project.launch.local.slots import Slots, cpu_slots, gpu_slots
from project.launch.policy import Policy
from project.launch.sweep import Sweep
from project.runs.directory import RunDirectory
from project.runs.fingerprint import config_fingerprint
from project.runs.lock import Lock
from project.runs.progress import Progress, write_progress
from project.runs.record import RunRecord, read_record
from project.runs.sweeps import JobStatus, SweepDirectory, SweepFacts
from tests.launch import fake_job

Run = Callable[..., list[JobStatus]]


class Watching:
    """Remembers what a sweep tells."""

    def __init__(self, react: Callable[[Sequence[JobStatus]], None] = lambda _: None) -> None:
        self.texts: list[str] = []
        self.most = 0
        self._react = react

    def changed(self, jobs: Sequence[JobStatus]) -> None:
        self.most = max(self.most, sum(job.state == "running" for job in jobs))
        self._react(jobs)

    def said(self, text: str) -> None:
        self.texts.append(text)

    def closed(self) -> None:
        pass


@pytest.fixture(autouse=True)
def _own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENHAND_SLOTS", str(tmp_path / "slots"))


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    folder = tmp_path / "sweep"
    folder.mkdir()
    return folder


def job(sweep: Path, name: str, act: str, **config: Any) -> Job:
    config = {"seed": 1, "act": act, **config}
    words = (f"+act={act}", f"+fingerprint={config_fingerprint(config)}")
    return Job(
        name, RunDirectory(sweep / name), (f"act={act}",), words, config, "tests.launch.fake_job"
    )


def made(
    sweep: Path,
    jobs: Sequence[Job],
    watcher: Watching | None = None,
    slots: Slots | None = None,
    data: Any = lambda _: None,
    executor: LocalExecutor | None = None,
    **given: Any,
) -> Sweep:
    executor = executor or LocalExecutor(sweep, slots or Slots(cpu_slots(2, 1, 2)), ["json"])
    facts = SweepFacts(monitor="val/macro_recall")
    watching = watcher or Watching()
    return Sweep(
        SweepDirectory(sweep), facts, executor, ListedJobs(jobs), Policy(**given), watching, data
    )


def states(statuses: Sequence[JobStatus]) -> dict[str, str]:
    return {status.name: status.state for status in statuses}


def notes(sweep: Path) -> list[dict[str, Any]]:
    file = sweep / "notes.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_each_job_ends_for_itself_alone(sweep: Path) -> None:
    acts = {"a": "ok", "b": "fail", "c": "exit", "d": "kill", "e": "ok"}
    done = made(sweep, [job(sweep, name, act) for name, act in acts.items()]).run()
    assert states(done) == {
        "a": "finished",
        "b": "failed",
        "c": "failed",
        "d": "failed",
        "e": "finished",
    }
    errors = {status.name: status.record.error for status in done if status.record}
    assert errors["b"] is not None
    assert errors["b"].type == "ValueError"
    assert "this recipe does not work" in errors["b"].traceback
    assert "about to fail" in errors["b"].output
    assert errors["c"] is not None
    assert (errors["c"].type, errors["c"].output) == ("exited", "leaving early")
    assert "exit code 3" in errors["c"].message
    assert errors["d"] is not None
    assert errors["d"].type == "killed"
    assert "SIGKILL" in errors["d"].message
    assert errors["d"].output.endswith("eating memory")
    assert read_record(RunDirectory(sweep / "c")).state == "failed"  # it wrote none itself


def test_second_launch_skips_what_finished_and_tries_what_failed(sweep: Path) -> None:
    jobs = [job(sweep, "a", "ok"), job(sweep, "b", "fail_once"), job(sweep, "c", "ok")]
    first = made(sweep, jobs).run()
    assert states(first) == {"a": "finished", "b": "failed", "c": "finished"}
    second = made(sweep, jobs).run()
    assert states(second) == {"a": "finished", "b": "finished", "c": "finished"}
    assert [status.skipped for status in second] == [True, False, True]
    assert sorted(note["name"] for note in notes(sweep)) == ["a", "b", "b", "c"]


def test_killed_job_goes_on_from_its_checkpoint(sweep: Path) -> None:
    jobs = [job(sweep, "a", "wait")]
    running = made(sweep, jobs, Watching(lambda _: _kill(sweep / "a")))
    assert states(running.run()) == {"a": "failed"}
    assert states(made(sweep, jobs).run()) == {"a": "finished"}
    assert [note["resume"] for note in notes(sweep)] == [True]


def test_failed_job_is_tried_again_as_often_as_wanted(sweep: Path) -> None:
    jobs = [job(sweep, "a", "fail"), job(sweep, "b", "fail_once")]
    done = made(sweep, jobs, retries=2).run()
    assert {status.name: (status.state, status.attempts) for status in done} == {
        "a": ("failed", 3),
        "b": ("finished", 2),
    }


@pytest.mark.parametrize("retries", [0, 1])
def test_job_whose_place_was_lost_goes_on_elsewhere(sweep: Path, retries: int) -> None:
    class Losing(LocalExecutor):
        """Sees no job's end, as when a node is gone, upon which jobs there stop on their own."""

        def wait(self, seconds: float) -> Sequence[tuple[Attempt, Exit]]:
            return [(attempt, Exit(None)) for attempt, _ in super().wait(seconds)]

    executor = Losing(sweep, Slots(cpu_slots(2, 1, 2)), ["json"])
    watcher = Watching(lambda _: None if notes(sweep) else _kill(sweep / "a", signal.SIGTERM))
    done = made(sweep, [job(sweep, "a", "wait")], watcher, executor=executor, retries=retries).run()
    assert states(done) == {"a": "finished" if retries else "interrupted"}
    assert done[0].attempts == 1 + retries


def test_job_that_takes_too_long_is_told_to_stop_and_goes_on_next_time(sweep: Path) -> None:
    jobs = [job(sweep, "a", "wait")]
    done = made(sweep, jobs, timeout_minutes=1 / 60).run()
    assert states(done) == {"a": "failed"}
    assert done[0].record is not None
    assert done[0].record.error is not None
    assert done[0].record.error.type == "timed out"
    assert states(made(sweep, jobs).run()) == {"a": "finished"}


def test_other_configuration_in_the_directory_is_refused_before_anything_starts(
    sweep: Path,
) -> None:
    made(sweep, [job(sweep, "a", "ok")]).run()
    RunDirectory(sweep / "a").config_file.parent.mkdir(parents=True)
    RunDirectory(sweep / "a").config_file.write_text("{seed: 1, act: ok, width: 4}")
    changed = [job(sweep, "b", "ok"), job(sweep, "a", "ok", width=8)]
    with pytest.raises(RunError, match="width: 4 there, 8 here"):
        made(sweep, changed).run()
    assert [note["name"] for note in notes(sweep)] == ["a"]


def test_other_data_in_the_directory_are_refused(sweep: Path) -> None:
    one = job(sweep, "a", "ok")
    made(sweep, [one]).run()
    record = read_record(one.run)
    record.data.fingerprint = "of then"
    record.write(one.run)
    with pytest.raises(RunError, match="of then there, of now here"):
        made(sweep, [one], data=lambda _: "of now").run()
    assert states(made(sweep, [one], data=lambda _: "of then").run()) == {"a": "finished"}


@pytest.mark.parametrize("per_gpu", [1, 2])
def test_four_gpus_are_all_busy_and_never_given_twice(sweep: Path, per_gpu: int) -> None:
    slots = Slots(gpu_slots(["0", "1", "2", "3"], 1, per_gpu, cores=4))
    watcher = Watching()
    made(sweep, [job(sweep, f"{n}", "ok:1") for n in range(10)], watcher, slots).run()
    found = notes(sweep)
    assert len(found) == 10
    assert {note["gpu"] for note in found} == {"0", "1", "2", "3"}
    assert watcher.most == 4 * per_gpu
    assert most_at_once(found) == per_gpu


def most_at_once(found: list[dict[str, Any]]) -> int:
    """Jobs that shared a device at any time."""
    most: int = max(
        sum(o["gpu"] == n["gpu"] and o["began"] <= n["began"] < o["ended"] for o in found)
        for n in found
    )
    return most


def test_ctrl_c_has_jobs_write_a_checkpoint_and_keeps_the_queue(sweep: Path) -> None:
    jobs = [job(sweep, name, "wait") for name in "abc"]
    watcher = Watching(lambda jobs: _interrupt_once(jobs, sweep))
    stopped = made(sweep, jobs, watcher)
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    assert states(stopped.statuses) == {"a": "interrupted", "b": "interrupted", "c": "waiting"}
    assert "checkpoint" in watcher.texts[0]
    assert states(made(sweep, jobs, timeout_minutes=0.02).run())["a"] == "finished"


def test_ctrl_c_twice_ends_jobs_at_once(sweep: Path) -> None:
    def interrupt(statuses: Sequence[JobStatus]) -> None:
        if (sweep / "a" / "checkpoints" / "last.ckpt").exists():
            os.kill(os.getpid(), signal.SIGINT)

    stopped = made(sweep, [job(sweep, "a", "stubborn")], Watching(interrupt))
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    assert time.monotonic() - begin < fake_job.SECONDS
    assert states(stopped.statuses) == {"a": "interrupted"}
    assert stopped.statuses[0].record is not None
    assert stopped.statuses[0].record.error is not None
    assert "SIGKILL" in stopped.statuses[0].record.error.message


def test_job_that_exits_from_within_has_failed(sweep: Path) -> None:
    done = made(sweep, [job(sweep, "a", "leave")], retries=1).run()
    assert [(status.state, status.attempts) for status in done] == [("failed", 2)]
    assert done[0].record is not None
    assert done[0].record.error is not None
    assert "leaving from within" in done[0].record.error.output


def test_job_that_cannot_go_on_has_failed_and_keeps_what_it_had(sweep: Path) -> None:
    jobs = [job(sweep, "a", "lame")]
    made(sweep, jobs, timeout_minutes=1 / 60).run()
    record = read_record(jobs[0].run)
    record.state, record.error = "interrupted", None
    record.write(jobs[0].run)
    done = made(sweep, jobs, retries=1).run()
    assert [(status.state, status.attempts) for status in done] == [("failed", 2)]
    assert done[0].note == "Going on failed before it began."
    assert read_record(jobs[0].run).state == "interrupted"


def test_record_that_cannot_be_written_costs_one_job_only(
    sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(attempt: Attempt, ended: Exit) -> RunRecord:
        raise RunError("cannot write: No space left on device")

    monkeypatch.setattr(Attempt, "concluded", full)
    done = made(sweep, [job(sweep, "a", "kill"), job(sweep, "b", "kill")]).run()
    assert states(done) == {"a": "failed", "b": "failed"}
    assert "No space left" in done[0].note


def test_refused_launch_leaves_the_facts_of_the_sweep(sweep: Path) -> None:
    made(sweep, [job(sweep, "a", "ok")]).run()
    RunDirectory(sweep / "a").config_file.parent.mkdir(parents=True)
    RunDirectory(sweep / "a").config_file.write_text("{seed: 1, act: ok}")
    before = SweepDirectory(sweep).facts_file.read_bytes()
    with pytest.raises(RunError, match="of another configuration"):
        made(sweep, [job(sweep, "0", "ok"), job(sweep, "a", "ok", width=8)]).run()
    assert SweepDirectory(sweep).facts_file.read_bytes() == before


def test_what_has_finished_waits_for_no_place(sweep: Path) -> None:
    jobs = [job(sweep, "a", "ok")]
    made(sweep, jobs).run()
    taken = Slots(cpu_slots(1, 1, 1))
    assert taken.take() is not None
    assert states(made(sweep, jobs, slots=Slots(cpu_slots(1, 1, 1))).run()) == {"a": "finished"}


def test_sweep_that_waits_for_others_says_so_once(sweep: Path) -> None:
    taken = Slots(cpu_slots(1, 1, 1)).take()
    assert taken is not None
    other = threading.Timer(1.5, taken[1][0].release)
    other.start()
    watcher = Watching()
    done = made(sweep, [job(sweep, "a", "ok")], watcher, Slots(cpu_slots(1, 1, 1))).run()
    other.join()
    assert states(done) == {"a": "finished"}
    assert watcher.texts == ["Waiting: other sweeps have taken all places of this machine."]


def test_new_attempt_does_not_show_the_progress_of_the_one_before(sweep: Path) -> None:
    one = job(sweep, "a", "ok:1")
    write_progress(one.run, Progress(5, 6, 0.9, "val/loss", 0.1, 100.0, 10.0))
    seen: list[Progress | None] = []
    made(sweep, [one], Watching(lambda jobs: seen.append(jobs[0].progress))).run()
    assert set(seen) == {None}


def test_checkpoints_of_jobs_that_finished_before_are_tidied_too(sweep: Path) -> None:
    one = job(sweep, "a", "ok")
    made(sweep, [one]).run()
    one.run.checkpoints.mkdir()
    one.run.checkpoint("last").touch()
    made(sweep, [one], keep_checkpoints="none").run()
    assert not one.run.checkpoint("last").exists()


def test_file_asks_to_stop_as_ctrl_c_does(sweep: Path) -> None:
    def ask(statuses: Sequence[JobStatus]) -> None:
        if (sweep / "a" / "checkpoints" / "last.ckpt").exists():
            SweepDirectory(sweep).own.mkdir(exist_ok=True)
            SweepDirectory(sweep).cancel_file.touch()

    with pytest.raises(KeyboardInterrupt):
        made(sweep, [job(sweep, "a", "wait")], Watching(ask)).run()
    assert states(made(sweep, [job(sweep, "a", "wait")]).run()) == {"a": "finished"}


def test_job_that_others_work_on_is_waited_for_and_not_run_twice(sweep: Path) -> None:
    mine = job(sweep, "a", "ok")
    lock = Lock.take(mine.run.lock_file)
    assert lock is not None

    def finish() -> None:
        time.sleep(1.0)
        RunRecord(state="finished", config_fingerprint=mine.fingerprint).write(mine.run)
        lock.release()

    other = threading.Thread(target=finish)
    other.start()
    done = made(sweep, [mine, job(sweep, "b", "ok")]).run()
    other.join()
    assert states(done) == {"a": "finished", "b": "finished"}
    assert [note["name"] for note in notes(sweep)] == ["b"]


def test_two_launchers_share_the_jobs_of_a_sweep(sweep: Path) -> None:
    jobs = [job(sweep, f"{n}", "ok:0.3") for n in range(6)]
    sweeps = [made(sweep, jobs, slots=Slots(cpu_slots(4, 1, 4))) for _ in range(2)]
    threads = [threading.Thread(target=one.run) for one in sweeps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(note["name"] for note in notes(sweep)) == [f"{n}" for n in range(6)]
    assert all(set(states(one.statuses).values()) == {"finished"} for one in sweeps)


def test_full_disk_keeps_the_queue(sweep: Path) -> None:
    watcher = Watching()
    done = made(sweep, [job(sweep, "a", "ok")], watcher, reserve_bytes=1 << 60).run()
    assert states(done) == {"a": "waiting"}
    assert len(watcher.texts) == 1
    assert not notes(sweep)


def test_sweep_lists_its_jobs_for_others_to_read(sweep: Path) -> None:
    made(sweep, [job(sweep, "a", "ok")]).run()
    facts = SweepFacts.read(SweepDirectory(sweep))
    assert facts.overrides == {"a": ["act=ok"]}


def _kill(run: Path, number: int = signal.SIGKILL) -> None:
    """Kills the job of a run once it has a checkpoint."""
    if (run / "checkpoints" / "last.ckpt").exists():
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and _holds(entry, run) and int(entry.name) != os.getpid():
                os.kill(int(entry.name), number)


def _holds(entry: Path, run: Path) -> bool:
    try:
        return any(str(link.readlink()) == f"{run}/.job/lock" for link in (entry / "fd").iterdir())
    except OSError:
        return False


def _interrupt_once(jobs: Sequence[JobStatus], sweep: Path) -> None:
    ready = all((sweep / name / "checkpoints" / "last.ckpt").exists() for name in "ab")
    if ready and not (sweep / "asked").exists():
        (sweep / "asked").touch()
        os.kill(os.getpid(), signal.SIGINT)
