import contextlib
import json
import re
import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import optuna
import pytest
from hydra.errors import ConfigCompositionException
from omegaconf.errors import KeyValidationError
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from project.errors import ConfigError, RunError
from project.launch.jobs.job import Job
from project.launch.search.source import Compose
from project.launch.search.storage import open_storage
from project.launch.search.trial import TRIAL
from project.runs.record import TIMED_OUT, Failure, RunRecord
from project.runs.sweeps import JobStatus
from tests.launch.search import conftest
from tests.launch.search.conftest import WORDS, Launcher, fails, measured, prunes, search_of

SAMPLERS = ["tpe", "random", "cmaes", "nsgaii", "grid", pytest.param("gp", marks=pytest.mark.slow)]


class Killed(BaseException):
    """Ends a launcher in the middle of what it does."""


def study_of(sweep: Path) -> optuna.Study:
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(sweep / "study.journal")))
    return optuna.load_study(study_name=sweep.name, storage=storage)


def states(sweep: Path) -> list[TrialState]:
    return [trial.state for trial in study_of(sweep).trials]


def parameters(sweep: Path) -> list[dict[str, Any]]:
    return [trial.params for trial in study_of(sweep).trials]


def test_search_makes_as_many_trials_as_asked_and_tells_what_they_reached(sweep: Path) -> None:
    jobs = Launcher(sweep, search_of(sweep)).run()
    trials = study_of(sweep).trials
    assert [trial.value for trial in trials] == [measured(j)["val/macro_recall"] for j in jobs]
    assert set(states(sweep)) == {TrialState.COMPLETE}
    assert len({job.fingerprint for job in jobs}) == len(jobs) == 6


def test_trial_is_a_job_in_a_directory_that_begins_with_its_number(sweep: Path) -> None:
    jobs = Launcher(sweep, search_of(sweep)).run()
    assert [job.name[:11] for job in jobs] == [f"trial={number:04}," for number in range(6)]
    assert all(job.run.path == sweep / job.name for job in jobs)
    assert all(job.overrides[0] == "data=folder" for job in jobs)
    assert all(f"lr={job.config['lr']}" in job.name for job in jobs)


def test_search_that_is_done_gives_nothing_more(sweep: Path) -> None:
    Launcher(sweep, search_of(sweep)).run()
    again = Launcher(sweep, search_of(sweep))
    assert [job.name[:10] for job in again.source.known()] == [f"trial={n:04}" for n in range(6)]
    assert again.source.exhausted
    assert again.run() == []


def test_more_trials_go_on_where_fewer_ended(sweep: Path) -> None:
    Launcher(sweep, search_of(sweep)).run()
    more = Launcher(sweep, search_of(sweep, n_trials=8)).run()
    assert [job.name[:10] for job in more] == ["trial=0006", "trial=0007"]


@pytest.mark.parametrize("after", [False, True], ids=["before writing", "after writing"])
def test_launcher_killed_at_any_write_leaves_a_search_that_ends_as_it_should(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    undisturbed = tmp_path / "undisturbed"
    Launcher(undisturbed, search_of(undisturbed, n_trials=2, pruner="median")).run(prunes)
    write, left = JournalFileBackend.append_logs, 0

    def dies(backend: JournalFileBackend, logs: list[dict[str, Any]]) -> None:
        nonlocal left
        left -= 1
        if left != 0 or after:
            write(backend, logs)
        if left == 0:
            raise Killed

    monkeypatch.setattr(JournalFileBackend, "append_logs", dies)
    for moment in range(1, 40):
        sweep = tmp_path / f"killed at {moment}"
        left, trained = moment, list[Job]()
        for _ in range(2):
            try:
                launcher = Launcher(sweep, search_of(sweep, n_trials=2, pruner="median"))
                launcher.trained = trained
                launcher.run(prunes)
            except Killed:
                continue
        if left > 0:  # it ended before
            break
        assert len(states(sweep)) == 2
        assert all(state.is_finished() for state in states(sweep))
        assert parameters(sweep) == parameters(undisturbed)
        names = [job.name for job in trained]
        assert len(set(names)) == 2
        assert len(names) <= 3  # only what was killed before its record was written runs again
    else:
        pytest.fail("more writes than expected")
    assert moment > 15


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_sampler_draws_nothing_again_after_a_restart(sweep: Path, sampler: str) -> None:
    words = ["data=folder", "lr=tag(log,interval(1e-4,1e-1))", "width=range(8,640,8)"]
    words = ["data=folder", "a=range(0,4)", "b=range(0,4)"] if sampler == "grid" else words
    options = {"population_size": 4} if sampler == "nsgaii" else {}
    options = {"n_startup_trials": 4} if sampler in ("tpe", "gp") else options

    def launched(folder: Path, n_trials: int) -> None:
        given: dict[str, Any] = {
            "sampler": sampler,
            "sampler_options": options,
            "n_trials": n_trials,
        }
        Launcher(folder, search_of(folder, words, **given)).run()

    for n_trials in (2, 5, 9):
        launched(sweep, n_trials)
    launched(sweep.with_name("at once"), 9)
    at_once = parameters(sweep.with_name("at once"))
    assert parameters(sweep) == at_once
    different = {json.dumps(chosen) for chosen in at_once}
    assert len(different) == 9 or sampler == "nsgaii"  # which may keep a parent as it is


def test_what_is_drawn_together_is_the_same_when_a_launcher_was_killed_while_it_drew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["data=folder", "lr=tag(log,interval(1e-4,1e-1))", "width=range(8,640,8)"]
    write, left = JournalFileBackend.append_logs, 0

    def dies(backend: JournalFileBackend, logs: list[dict[str, Any]]) -> None:
        nonlocal left
        left -= "param_name" in logs[0]
        if left == 0 and "param_name" in logs[0]:
            raise Killed
        write(backend, logs)

    monkeypatch.setattr(JournalFileBackend, "append_logs", dies)
    for name in ("undisturbed", "killed"):
        folder = tmp_path / name
        search = search_of(folder, words, sampler="cmaes", n_trials=3)
        left = 6 if name == "killed" else 0  # the second parameter of the third trial
        with contextlib.suppress(Killed):
            Launcher(folder, search).run()
        Launcher(folder, search).run()
    assert len(parameters(tmp_path / "killed")) == 3
    assert parameters(tmp_path / "killed") == parameters(tmp_path / "undisturbed")


def test_another_seed_draws_something_else(tmp_path: Path) -> None:
    for seed in (1, 2):
        folder = tmp_path / str(seed)
        Launcher(folder, search_of(folder, seed=seed)).run()
    assert parameters(tmp_path / "1") != parameters(tmp_path / "2")


def test_grid_ends_when_all_its_points_were_tried(sweep: Path) -> None:
    words = ["data=folder", "a=1,2,3", "b=x,y"]
    jobs = Launcher(sweep, search_of(sweep, words, sampler="grid", n_trials=50)).run()
    points = {(job.config["a"], job.config["b"]) for job in jobs}
    assert points == {(a, b) for a in "123" for b in "xy"}
    assert len(jobs) == 6


def test_trial_of_a_launcher_that_lives_is_left_to_it(sweep: Path) -> None:
    search = search_of(sweep, n_trials=2)
    one, other = Launcher(sweep, search), Launcher(sweep, search)
    first = one.source.take()
    assert first is not None
    assert other.source.known() == []
    second = other.source.take()
    assert second is not None
    assert second.name[:10] == "trial=0001"
    assert other.source.take() is None
    before = one.source.exhausted  # the other may be killed yet
    other.source.close()
    assert one.source.known() == one.source.known() == [second]
    assert one.source.take() is None  # it is ours already
    assert (before, one.source.exhausted) == (False, True)
    one.source.close()


def test_launchers_that_ask_at_the_same_time_make_no_more_trials(sweep: Path) -> None:
    launchers = [Launcher(sweep, search_of(sweep, n_trials=6)) for _ in range(3)]

    def take_all(launcher: Launcher) -> list[str]:
        return [job.name for job in iter(launcher.source.take, None)]

    with ThreadPoolExecutor(3) as pool:
        taken = [name for names in pool.map(take_all, launchers) for name in names]
    assert sorted(name[:10] for name in taken) == [f"trial={n:04}" for n in range(6)]
    for launcher in launchers:
        launcher.source.close()


def test_trial_that_someone_else_has_ended_stays_as_it_is(sweep: Path) -> None:
    launcher = Launcher(sweep, search_of(sweep, n_trials=2))

    def meanwhile(job: Job, record: RunRecord) -> None:
        study_of(sweep).tell(len(launcher.trained) - 1, state=TrialState.FAIL)
        record.state = "failed" if len(launcher.trained) == 2 else record.state

    launcher.run(meanwhile)
    assert states(sweep) == [TrialState.FAIL] * 2


def test_interrupted_trial_goes_on_in_the_next_launch(sweep: Path) -> None:
    def stops(job: Job, record: RunRecord) -> None:
        record.state = "interrupted"

    first = Launcher(sweep, search_of(sweep, n_trials=1))
    first.step(stops)
    assert first.source.exhausted
    first.source.close()
    assert states(sweep) == [TrialState.RUNNING]
    second = Launcher(sweep, search_of(sweep, n_trials=1)).run()
    assert [job.name for job in second] == [first.trained[0].name]
    assert states(sweep) == [TrialState.COMPLETE]


def test_trial_whose_time_was_over_goes_on_in_the_next_launch(sweep: Path) -> None:
    def takes_too_long(job: Job, record: RunRecord) -> None:
        record.state, record.error = "failed", Failure(TIMED_OUT, "It took too long.")

    first = Launcher(sweep, search_of(sweep, n_trials=1))
    first.step(takes_too_long)
    assert first.source.exhausted
    assert first.source.take() is None  # not again in this launch
    first.source.close()
    assert states(sweep) == [TrialState.RUNNING]
    again = Launcher(sweep, search_of(sweep, n_trials=1))
    assert [job.name for job in again.source.known()] == [first.trained[0].name]
    again.source.close()


def composed_for_sgd_only(sweep: Path) -> Compose:
    """Adam has no momentum, so that some combinations make no sense."""
    compose = conftest.composed(sweep)

    def composed(overrides: Sequence[str], number: int, environment: Mapping[str, str]) -> Job:
        if "optimizer=adam" in overrides:
            raise ConfigCompositionException("no such key") from KeyValidationError("momentum")
        return compose(overrides, number, environment)

    return composed


MOMENTUM = ("data=folder", "optimizer=sgd,adam", "optimizer.momentum=range(0.5,0.9,0.1)")


def test_combination_that_cannot_be_composed_is_a_failed_trial_and_the_search_goes_on(
    sweep: Path, caplog: pytest.LogCaptureFixture
) -> None:
    search = search_of(sweep, MOMENTUM, n_trials=8)
    launcher = Launcher(sweep, search, composed_for_sgd_only(sweep))
    trained = launcher.run()
    trials = study_of(sweep).trials
    bad = [trial for trial in trials if trial.params["optimizer"] == "adam"]
    assert 0 < len(bad) < 8
    assert len(trained) == 8 - len(bad)
    assert {trial.state for trial in bad} == {TrialState.FAIL}
    assert launcher.source.not_composed == [trial.number for trial in bad]
    assert bad[0].user_attrs["error"] == "it cannot be composed: no such key momentum"
    assert f"Trial {bad[0].number} has failed: it cannot be composed" in caplog.text
    assert Launcher(sweep, search, composed_for_sgd_only(sweep)).run() == []


def test_trial_that_was_left_behind_and_cannot_be_composed_any_more_ends_no_search(
    sweep: Path,
) -> None:
    search = search_of(sweep, ("data=folder", "optimizer=adam,sgd"), n_trials=6)
    killed = Launcher(sweep, search)
    taken = [killed.source.take() for _ in range(6)]
    assert all(taken)
    killed.source.close()
    again = Launcher(sweep, search, composed_for_sgd_only(sweep))
    assert 0 < len(again.source.known()) < 6
    assert 0 < len(again.source.not_composed) < 6
    again.run()
    assert set(states(sweep)) == {TrialState.COMPLETE, TrialState.FAIL}


def test_mistake_that_all_trials_share_ends_the_search(sweep: Path) -> None:
    def mistaken(overrides: Sequence[str], number: int, environment: Mapping[str, str]) -> Job:
        raise ConfigError("model.widht: there is no such key.")

    launcher = Launcher(sweep, search_of(sweep, n_trials=20), mistaken)
    with pytest.raises(ConfigError, match="widht"):
        launcher.run()
    assert states(sweep) == [TrialState.FAIL] * 10


def test_failed_job_is_a_failed_trial_with_its_reason(sweep: Path) -> None:
    Launcher(sweep, search_of(sweep, n_trials=2)).run(fails)
    assert states(sweep) == [TrialState.FAIL] * 2
    assert study_of(sweep).trials[0].user_attrs["error"] == "ValueError: no such layer"
    assert Launcher(sweep, search_of(sweep, n_trials=2)).run() == []


def test_job_that_could_not_begin_is_a_failed_trial(sweep: Path) -> None:
    launcher = Launcher(sweep, search_of(sweep))
    job = launcher.source.take()
    assert job is not None
    status = JobStatus(job.name, job.run, state="failed", note="on other data")
    launcher.source.ended(status)
    launcher.source.close()
    assert study_of(sweep).trials[0].user_attrs["error"] == "on other data"


@pytest.mark.parametrize("value", [float("nan"), None], ids=["nan", "missing"])
def test_run_without_the_objective_is_a_failed_trial(sweep: Path, value: float | None) -> None:
    def undefined(job: Job, record: RunRecord) -> None:
        record.metrics = {} if value is None else {"val/macro_recall": value}

    Launcher(sweep, search_of(sweep, n_trials=1)).run(undefined)
    trial = study_of(sweep).trials[0]
    assert trial.state is TrialState.FAIL
    assert trial.user_attrs["error"] == "no val/macro_recall was measured"


def test_trials_that_fall_behind_are_pruned(sweep: Path) -> None:
    early = {"n_startup_trials": 1}
    search = search_of(sweep, pruner="median", pruner_options=early, n_trials=12)
    Launcher(sweep, search).run(prunes)
    pruned = [t for t in study_of(sweep).trials if t.state is TrialState.PRUNED]
    complete = [t for t in study_of(sweep).trials if t.state is TrialState.COMPLETE]
    assert len(pruned) > 1
    assert len(pruned) + len(complete) == 12
    assert all(trial.intermediate_values for trial in pruned)
    assert max(t.value or 0 for t in complete) >= max(t.value or 0 for t in pruned)


def test_two_objectives_are_told_in_their_order(sweep: Path) -> None:
    objective = ["val/macro_recall", "milliseconds_per_image"]
    search = search_of(sweep, objective=objective, sampler="nsgaii", n_trials=3)
    jobs = Launcher(sweep, search).run()
    assert TRIAL not in jobs[0].environment  # Optuna takes no reports for several objectives
    values = [trial.values for trial in study_of(sweep).trials]
    assert values == [[measured(job)["val/macro_recall"], 1.0] for job in jobs]


def test_queued_trial_is_run_as_one_of_those_asked_for(sweep: Path) -> None:
    Launcher(sweep, search_of(sweep, n_trials=1)).run()
    study_of(sweep).enqueue_trial({"lr": 0.01, "sampler": "balanced"})
    jobs = Launcher(sweep, search_of(sweep, n_trials=3)).run()
    assert [job.name[:10] for job in jobs] == ["trial=0001", "trial=0002"]
    assert jobs[0].config["lr"] == "0.01"


def test_last_trial_may_be_a_queued_one(sweep: Path) -> None:
    Launcher(sweep, search_of(sweep, n_trials=1)).run()
    study_of(sweep).enqueue_trial({"lr": 0.01, "sampler": "balanced"})
    launcher = Launcher(sweep, search_of(sweep, n_trials=2))
    assert [job.name[:10] for job in launcher.run()] == ["trial=0001"]
    assert launcher.source.exhausted


def test_trial_stays_in_its_directory_when_jobs_are_named_in_another_way(
    sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Launcher(sweep, search_of(sweep, n_trials=1)).run()
    monkeypatch.setattr(conftest, "run_name", lambda _: "another-name")
    after = Launcher(sweep, search_of(sweep, n_trials=2))
    assert [job.run for job in after.source.known()] == [job.run for job in before]
    assert [job.name for job in after.run()] == ["trial=0001,another-name"]


@pytest.mark.parametrize(
    ("words", "difference"),
    [
        ([*WORDS[:2], "sampler=natural"], r"sampler: one of natural, balanced there"),
        ([*WORDS, "model.width=8"], r"overrides: \['data=folder'\] there, .*model.width=8"),
        ([*WORDS, "model.width=8,16"], r"model.width: nothing there, one of 8, 16 here"),
    ],
    ids=["choices", "fixed", "new parameter"],
)
def test_study_of_another_search_is_refused(
    sweep: Path, words: Sequence[str], difference: str
) -> None:
    Launcher(sweep, search_of(sweep)).run()
    words = [*words, "lr=tag(log,interval(1e-4,1e-1))"]
    words = [word if word != "sampler=natural" else "sampler=choice(natural)" for word in words]
    with pytest.raises(RunError, match=f"(?s)of another search, which stays.*{difference}"):
        Launcher(sweep, search_of(sweep, words))


def test_study_for_another_objective_is_refused(sweep: Path) -> None:
    Launcher(sweep, search_of(sweep)).run()
    with pytest.raises(RunError, match=r"objectives: \['maximize val/macro_recall'\] there"):
        Launcher(sweep, search_of(sweep, objective="val/loss"))


def test_study_of_something_else_is_refused(sweep: Path) -> None:
    storage = open_storage(str(sweep / "study.journal"))
    other = optuna.create_study(storage=storage, study_name=sweep.name, direction="maximize")
    other.tell(other.ask(), 0.5)
    with pytest.raises(RunError, match=r"sampler: nothing there, one of natural, balanced here"):
        Launcher(sweep, search_of(sweep))


def test_study_of_a_sweep_in_another_folder_is_refused(tmp_path: Path) -> None:
    shared: dict[str, Any] = {
        "storage": f"sqlite:///{tmp_path}/studies.db",
        "study_name": "both",
        "n_trials": 1,
    }
    one, other = tmp_path / "one", tmp_path / "other"
    Launcher(one, search_of(one, **shared)).run()
    host = re.escape(socket.gethostname())
    with pytest.raises(
        RunError,
        match=rf"study both of the sweep in {one} on {host}, expected one of {other} on {host}\. "
        r"Go on there, or choose another study with hydra\.sweeper\.study_name=<another>",
    ):
        Launcher(other, search_of(other, **shared))
    assert Launcher(one, search_of(one, **shared)).run() == []


def test_same_folder_by_another_path_or_host_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared: dict[str, Any] = {"storage": f"sqlite:///{tmp_path}/studies.db", "study_name": "both"}
    one, moved = tmp_path / "one", tmp_path / "moved"
    Launcher(one, search_of(one, **shared, n_trials=1)).run()
    one.rename(moved)
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    assert len(Launcher(moved, search_of(moved, **shared, n_trials=2)).run()) == 1


def test_same_path_on_another_host_is_another_folder(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared: dict[str, Any] = {
        "storage": f"sqlite:///{tmp_path}/studies.db",
        "study_name": "both",
        "n_trials": 1,
    }
    Launcher(sweep, search_of(sweep, **shared)).run()
    sweep.rename(tmp_path / "on the first host")
    Launcher(sweep, search_of(sweep, **shared)).source.close()  # what was deleted is begun again
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    (sweep / ".sweep" / "search.id").unlink()
    with pytest.raises(
        RunError, match=f"of the sweep in {sweep} on .*, expected one of .* another"
    ):
        Launcher(sweep, search_of(sweep, **shared))


def test_what_changes_no_result_may_change(sweep: Path) -> None:
    Launcher(sweep, search_of(sweep, n_trials=1)).run()
    words = [*WORDS, "data.num_workers=2", "logger=wandb"]
    search = search_of(sweep, words, n_trials=2, sampler="tpe", pruner="median")
    assert len(Launcher(sweep, search).run()) == 1


def test_launcher_leaves_no_token_behind(sweep: Path) -> None:
    Launcher(sweep, search_of(sweep, n_trials=1)).run()
    assert list((sweep / ".sweep" / "searching").iterdir()) == []
