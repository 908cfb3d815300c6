"""`make train`: what a stranger sees first."""

from pathlib import Path

import pytest

from project.runs.directory import RunDirectory
from project.runs.predictions import read_predictions
from project.runs.record import read_record
from tests.conftest import REPOSITORY, Command


@pytest.mark.slow
def test_rare_classes_are_recognised_and_nothing_leaks(command: Command, tmp_path: Path) -> None:
    job = next(
        line
        for line in (REPOSITORY / "Makefile").read_text().splitlines()
        if "project.train" in line
    )
    overrides = job.split("project.train")[1].replace("$(ARGS)", "").split()
    done = command("train", *overrides, EVENHAND_DATA=str(tmp_path / "data"), OMP_NUM_THREADS="2")
    assert done.returncode == 0, done.stderr[-3000:]
    run = RunDirectory(next((tmp_path / "outputs" / "runs").iterdir()))
    record = read_record(run)
    assert record.metrics["test/macro_recall"] > 0.85
    assert record.data.leaks == 0
    assert min(record.counts["test"].values()) >= 40
    splits = [set(read_predictions(run, split).paths) for split in ("val", "test")]
    assert not splits[0] & splits[1]
    for name in record.classes:
        assert name in done.stdout
    assert "macro recall" in done.stdout
    assert str(run.path) in done.stdout
    assert "100%|" in done.stderr  # the progress bar
