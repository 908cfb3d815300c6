import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from project.launch.search.storage import open_storage
from project.launch.search.trial import RunningTrial


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = open_storage(str(tmp_path / "study.journal"))
    return optuna.create_study(storage=storage, study_name="s", direction="maximize")


def running(tmp_path: Path, study: optuna.Study, pruner: str = "median") -> RunningTrial:
    return RunningTrial(
        str(tmp_path / "study.journal"), "s", study.ask()._trial_id, "val/accuracy", pruner,
        {"n_startup_trials": 1} if pruner == "median" else {},
    )  # fmt: skip


def good_trial(study: optuna.Study) -> None:
    trial = study.ask()
    for epoch in range(3):
        trial.report(0.9, epoch)
    study.tell(trial, 0.9)


def test_trial_is_told_by_a_variable(
    tmp_path: Path, study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = running(tmp_path, study)
    assert RunningTrial.of_this_process() is None
    for key, value in trial.environment().items():
        monkeypatch.setenv(key, value)
    assert RunningTrial.of_this_process() == trial


def test_trial_that_falls_behind_is_told_so(tmp_path: Path, study: optuna.Study) -> None:
    good_trial(study)
    assert running(tmp_path, study).falls_behind(0, 0.1)
    assert not running(tmp_path, study).falls_behind(0, 0.95)


def test_without_a_pruner_values_are_kept_and_nothing_is_ended(
    tmp_path: Path, study: optuna.Study
) -> None:
    good_trial(study)
    assert not running(tmp_path, study, "none").falls_behind(0, 0.1)
    assert study.trials[1].intermediate_values == {0: 0.1}


def test_epoch_that_is_run_again_is_not_reported_again(
    tmp_path: Path, study: optuna.Study, recwarn: pytest.WarningsRecorder
) -> None:
    good_trial(study)
    trial = running(tmp_path, study)
    trial.falls_behind(0, 0.1)
    assert trial.falls_behind(0, 0.2)  # and gets the same answer
    assert study.trials[1].intermediate_values == {0: 0.1}
    assert not recwarn.list


def test_trial_that_someone_has_ended_trains_on(tmp_path: Path, study: optuna.Study) -> None:
    good_trial(study)
    trial = running(tmp_path, study)
    study.tell(1, state=TrialState.FAIL)
    assert not trial.falls_behind(0, 0.1)


def unknown_database(trial: RunningTrial, study: optuna.Study) -> RunningTrial:
    del study
    return replace(trial, storage="nothing://here")


def deleted_study(trial: RunningTrial, study: optuna.Study) -> RunningTrial:
    optuna.delete_study(study_name="s", storage=study._storage)
    return trial


def torn_journal(trial: RunningTrial, study: optuna.Study) -> RunningTrial:
    del study
    journal = Path(trial.storage)
    journal.write_bytes(b"{torn\n" + journal.read_bytes())
    return trial


def broken_database(trial: RunningTrial, study: optuna.Study) -> RunningTrial:
    del study
    database = Path(trial.storage).with_name("study.db")
    database.write_bytes(b"no database" * 99)
    return replace(trial, storage=f"sqlite:///{database}")


@pytest.mark.parametrize("harm", [unknown_database, deleted_study, torn_journal, broken_database])
def test_whatever_is_wrong_with_the_storage_training_goes_on(
    tmp_path: Path,
    study: optuna.Study,
    caplog: pytest.LogCaptureFixture,
    harm: Callable[[RunningTrial, optuna.Study], RunningTrial],
) -> None:
    trial = harm(running(tmp_path, study), study)
    assert not trial.falls_behind(0, 0.1)
    assert "did not hear of epoch 0, training goes on (" in caplog.text


def test_storage_that_is_gone_is_a_warning(
    tmp_path: Path, study: optuna.Study, caplog: pytest.LogCaptureFixture
) -> None:
    trial = running(tmp_path, study)
    assert not trial.falls_behind(0, 0.1)
    (tmp_path / "study.journal").unlink()
    with caplog.at_level(logging.WARNING):
        assert not trial.falls_behind(1, 0.1)
    assert "did not hear of epoch 1, training goes on" in caplog.text
