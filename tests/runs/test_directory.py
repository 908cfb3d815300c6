import errno
import os
from pathlib import Path
from typing import NoReturn

import pytest

from project.errors import RunError
from project.runs.directory import RunDirectory
from project.runs.record import RunRecord


def test_every_file_has_its_place(run: RunDirectory) -> None:
    places = {
        run.config_file: ".hydra/config.yaml",
        run.overrides_file: ".hydra/overrides.yaml",
        run.record_file: "run.json",
        run.metrics_file: "metrics.csv",
        run.splits_file: "splits.csv",
        run.checkpoint("best"): "checkpoints/best.ckpt",
        run.checkpoint("last"): "checkpoints/last.ckpt",
        run.predictions("test"): "predictions/test.parquet",
        run.report_file: "report.html",
        run.figure("confusion_test"): "figures/confusion_test.png",
    }
    for path, expected in places.items():
        assert path == run.path / expected


def test_a_run_that_began_opens(run: RunDirectory) -> None:
    RunRecord().write(run)
    assert RunDirectory.open(run.path) == run


def test_a_misspelt_run_gets_a_suggestion(run: RunDirectory) -> None:
    RunRecord().write(run)
    with pytest.raises(RunError, match=r'nothing there\. Did you mean "seed=1"\? .* run\.json'):
        RunDirectory.open(run.path.with_name("sed=1"))


def test_a_run_far_from_everything_gets_no_suggestion(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"nothing there\. Directories of runs hold a run\.json"):
        RunDirectory.open(tmp_path / "gone" / "run")


def test_a_file_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "best.ckpt").touch()
    with pytest.raises(RunError, match="got a file there"):
        RunDirectory.open(tmp_path / "best.ckpt")


def test_a_sweep_is_no_run_and_lists_its_runs(tmp_path: Path) -> None:
    for seed in range(12):
        RunRecord().write(RunDirectory(tmp_path / f"copy,seed={seed:02}"))
    with pytest.raises(
        RunError, match=r"choose one of them:\n  copy,seed=00\n(?s:.*)=09\n  and 2 more$"
    ):
        RunDirectory.open(tmp_path)


def test_an_empty_folder_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"got a folder without one\. Choose the directory of a run"):
        RunDirectory.open(tmp_path)


def test_a_writable_folder_is_made_and_left_empty(run: RunDirectory) -> None:
    run.check_writable()
    assert not list(run.path.iterdir())


def test_an_unwritable_folder_is_found_before_training(tmp_path: Path) -> None:
    (tmp_path / "outputs").touch()
    with pytest.raises(RunError, match=r"cannot write the run directory .*outputs/run: Not a dir"):
        RunDirectory(tmp_path / "outputs" / "run").check_writable()


def test_a_full_disk_is_found_before_training(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"No space left on device\. Free some space"):
        run.check_writable()


def test_splits_with_predictions_are_listed(run: RunDirectory) -> None:
    assert run.predicted_splits == []
    for split in ("val", "test"):
        run.predictions(split).parent.mkdir(parents=True, exist_ok=True)
        run.predictions(split).touch()
    assert run.predicted_splits == ["test", "val"]


def test_named_test_sets_are_listed_in_files_of_their_own(run: RunDirectory) -> None:
    file = run.test_set_file("test_shifted")
    assert file == run.path / "test_shifted.csv"
    run.path.mkdir(parents=True, exist_ok=True)
    file.touch()
    run.clear()
    assert not file.exists()
