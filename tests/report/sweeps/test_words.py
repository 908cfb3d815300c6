import math
import time
from pathlib import Path
from typing import Any

import pytest

from project.report.sweeps.words import (
    best_value,
    decimals,
    epoch,
    failure,
    how_far,
    labels,
    last_words,
    printable,
    reached,
    seconds_left,
    seconds_taken,
    sweep_seconds_left,
    tally,
    told_apart,
    why,
)
from project.runs.directory import RunDirectory
from project.runs.sweeps import JobStatus
from tests.report.sweeps.conftest import MakeJob, progress, record


def jobs_of(*overrides: list[str]) -> list[JobStatus]:
    return [
        JobStatus(f"job{number}", RunDirectory(Path(f"job{number}")), own)
        for number, own in enumerate(overrides)
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link", "link"),
        ("a\r\nb\x08\x07\x00", "a\nb"),
        ("모자 [1/2]\tx", "모자 [1/2] x"),
        ("\x9b31mred", "31mred"),
    ],
)
def test_nothing_that_moves_a_terminal_is_printed(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_states_are_counted(job: MakeJob) -> None:
    jobs = [job(1, "finished"), job(2, "pruned"), job(3, "finished")]
    assert tally(jobs) == "2 finished, 1 pruned"
    assert how_far(jobs) == "3 jobs: 2 finished, 0 running, 0 waiting, 0 failed, 1 pruned"
    assert how_far(jobs[:1]) == "1 job: 1 finished, 0 running, 0 waiting, 0 failed"
    assert tally([]) == ""


def test_jobs_are_told_apart_by_what_not_all_override() -> None:
    jobs = jobs_of(
        ["data.root=/p", "optimizer.lr=0.1", "seed=1"],
        ["data.root=/p", "optimizer.lr=0.1", "seed=2"],
        ["data.root=/p", "model.width=8", "seed=1"],
    )
    assert told_apart(jobs) == ["lr=0.1 seed=1", "lr=0.1 seed=2", "width=8 seed=1"]


def test_keys_that_end_alike_are_told_in_full() -> None:
    jobs = jobs_of(["model.name=a", "data.name=b"], ["model.name=c", "data.name=d"])
    assert told_apart(jobs)[0] == "model.name=a data.name=b"


def test_job_without_overrides_of_its_own_has_its_name() -> None:
    assert told_apart(jobs_of(["seed=1"])) == ["job0"]
    assert told_apart(jobs_of([], ["data.class_map={모자: '[x]'}"])) == [
        "job0", "class_map={모자: '[x]'}"
    ]  # fmt: skip


def test_trials_are_called_by_their_number(job: MakeJob) -> None:
    trial = job(1, name="trial=07,lr=0.1")
    assert labels([job(1), trial]) == ["1", "trial=07"]


def test_epochs_are_counted_from_one(job: MakeJob) -> None:
    assert epoch(job(1, "running")) == "3/12"
    assert epoch(job(1, "running", progress=progress(epochs=None))) == "3"
    assert epoch(job(1, "running", progress=progress(epoch=12))) == "12/12"  # done
    assert epoch(job(1, "finished", progress=progress())) == ""
    assert epoch(job(1, "running", progress=None)) == ""


def test_best_value_is_that_of_the_present_attempt_or_of_the_end(job: MakeJob) -> None:
    assert best_value(job(1, "running")) == 0.71234
    assert best_value(job(1, "running", record=record("finished"))) == 0.71234
    assert best_value(job(1, "finished")) == 0.7654
    assert best_value(job(1)) is None
    assert (decimals(0.5), decimals(None), decimals(float("nan"))) == ("0.5000", "–", "–")


def test_time_goes_on_since_progress_was_told(job: MakeJob) -> None:
    running = job(1, "running", progress=progress(time=time.time() - 20))
    assert seconds_left(running) == pytest.approx(100, abs=2)
    assert seconds_taken(running) == pytest.approx(50, abs=2)
    late = job(1, "running", progress=progress(time=time.time() - 500))
    assert seconds_left(late) == 0
    assert seconds_taken(job(1, "finished")) == 90
    assert seconds_taken(job(1)) is seconds_left(job(1)) is None


def test_whole_sweep_takes_what_its_jobs_take_on_as_many_places(job: MakeJob) -> None:
    running = [job(1, "running"), job(2, "running")]  # two more minutes each
    waiting = [job(seed) for seed in range(4)]
    assert sweep_seconds_left(running) == pytest.approx(120, abs=2)
    finished = [job(9, "finished")]  # took 90 seconds
    expected = (240 + 4 * 90) / 2
    assert sweep_seconds_left([*finished, *running, *waiting]) == pytest.approx(expected, abs=2)
    guessed = (240 + 4 * 150) / 2  # as long as those that are on their way
    assert sweep_seconds_left([*running, *waiting]) == pytest.approx(guessed, abs=2)


@pytest.mark.parametrize(
    "states", [("waiting",), ("finished", "waiting"), ("finished",)], ids=lambda s: s[0] + s[-1]
)
def test_nothing_is_guessed_where_nothing_runs(job: MakeJob, states: Any) -> None:
    assert sweep_seconds_left([job(n, state) for n, state in enumerate(states)]) is None


def test_unknown_pace_gives_no_guess(job: MakeJob) -> None:
    blank = job(1, "running", progress=progress(seconds_left=None))
    assert sweep_seconds_left([blank, job(2, "finished"), job(3)]) is None


def test_failure_is_told_in_a_line_and_in_full(job: MakeJob) -> None:
    failed = job(1, "failed")
    assert why(failed.record) == "ValueError: no [bold]such[/bold] layer"
    assert failure(failed) == "ValueError: no [bold]such[/bold] layer\nmore"
    assert last_words(failed) == "epoch 1\ntoo [red]wide"
    assert why(record("finished")) == why(None) == ""
    early = job(2, "failed", record=None, note="holds another run")
    assert failure(early) == "holds another run"
    assert last_words(early) == ""


def test_error_without_words_has_its_kind_alone(job: MakeJob) -> None:
    failed = job(1, "failed")
    assert failed.record is not None
    assert failed.record.error is not None
    failed.record.error.message = ""
    assert why(failed.record) == failure(failed) == "ValueError"
    failed.record.error.output = ""
    assert last_words(failed) == "trace"


def test_metric_is_that_of_the_test(job: MakeJob) -> None:
    assert reached(job(1, "finished"), "macro_recall") == 0.812
    assert math.isnan(reached(job(1, "finished"), "recall/hat"))
    assert math.isnan(reached(job(1), "macro_recall"))
