"""Whole commands as a user types them."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from project.runs.directory import RunDirectory
from project.runs.predictions import read_predictions
from project.runs.record import read_record
from tests.conftest import TINY, TINY_MODEL, Command

CLOTHING = os.environ.get("EVENHAND_CLOTHING", "")
needs_photos = [
    pytest.mark.photos,
    pytest.mark.slow,
    pytest.mark.skipif(not CLOTHING, reason="EVENHAND_CLOTHING names no folder of photos"),
]


def logits(run: Path, split: str = "test") -> np.ndarray:
    return read_predictions(RunDirectory(run), split).logits


def runs_in(tmp_path: Path, kind: str) -> list[Path]:
    return sorted(file.parent for file in (tmp_path / "outputs" / kind).rglob("run.json"))


@pytest.mark.slow
def test_sweep_leaves_a_complete_directory_for_each_job_named_after_it(
    command: Command, photos: Path, tmp_path: Path
) -> None:
    done = command(
        "train",
        "--multirun",
        *TINY,
        *TINY_MODEL,
        f"data.root={photos}",
        "oversampling=none,outer_copy_x4,outer_color_x4",
        "seed=1,2",
    )
    assert done.returncode == 0, done.stderr[-3000:]
    runs = runs_in(tmp_path, "sweeps")
    assert len(runs) == 6
    for oversampling in ("none", "outer_copy_x4", "outer_color_x4"):
        for seed in (1, 2):
            run = next(r for r in runs if r.name == f"oversampling={oversampling},seed={seed}")
            record = read_record(RunDirectory(run))
            assert record.state == "finished"
            assert record.seed == seed
            assert record.draws["outer"] == (16 if oversampling == "none" else 64)
            assert RunDirectory(run).report_file.exists()


@pytest.mark.slow
def test_job_that_fails_does_not_take_the_sweep_with_it(
    command: Command, photos: Path, tmp_path: Path
) -> None:
    done = command(
        "train",
        "--multirun",
        *TINY,
        *TINY_MODEL,
        f"data.root={photos}",
        "data.batch_size=0,16",
    )
    assert done.returncode == 1
    assert "data.batch_size: expected a multiple" in " ".join(done.stdout.split())
    states = [read_record(RunDirectory(run)).state for run in runs_in(tmp_path, "sweeps")]
    assert sorted(states) == ["failed", "finished"]


@pytest.mark.slow
def test_number_of_workers_changes_no_prediction(
    command: Command, photos: Path, tmp_path: Path
) -> None:
    for workers in (0, 3):
        done = command(
            "train",
            *TINY,
            *TINY_MODEL,
            f"data.root={photos}",
            f"data.num_workers={workers}",
            "augmentation=strong",
            "trainer.max_epochs=2",
            f"hydra.run.dir={tmp_path}/{workers}",
        )
        assert done.returncode == 0, done.stderr[-3000:]
    for split in ("val", "test"):
        np.testing.assert_array_equal(logits(tmp_path / "0", split), logits(tmp_path / "3", split))
        files = [RunDirectory(tmp_path / w).predictions(split).read_bytes() for w in "03"]
        assert files[0] == files[1]


DDP = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.enable_progress_bar=false"]


@pytest.mark.slow
def test_two_processes_train_and_measure_like_one(
    command: Command, photos: Path, tmp_path: Path
) -> None:
    for name, placement in (("one", ["trainer=cpu"]), ("two", DDP)):
        done = command(
            "train",
            *(o for o in TINY if not o.startswith("trainer=")),
            "model=timm",
            "model.name=test_convnext",  # batch normalisation would see half of the batch
            "data.size=64",
            f"data.root={photos}",
            "sampler=balanced",
            "augmentation=color",
            "optimizer=sgd",
            *placement,
            f"hydra.run.dir={tmp_path}/{name}",
        )
        assert done.returncode == 0, done.stderr[-3000:]
    one, two = (read_record(RunDirectory(tmp_path / name)) for name in ("one", "two"))
    assert two.state == "finished"
    assert one.metrics["test/support/top"] == two.metrics["test/support/top"] == 8  # no padding
    paths = [read_predictions(RunDirectory(tmp_path / n), "test").paths for n in ("one", "two")]
    assert paths[0] == paths[1]
    # Sums in another order round differently; other batches would be off by far more.
    np.testing.assert_allclose(logits(tmp_path / "one"), logits(tmp_path / "two"), atol=2e-4)
    for name, value in one.metrics.items():
        assert two.metrics[name] == pytest.approx(value, abs=1e-3, nan_ok=True)


def test_help_names_the_groups_and_costs_no_training(command: Command) -> None:
    done = command("train", "--help")
    assert done.returncode == 0
    for group in ("data", "sampler", "oversampling", "augmentation", "model", "trainer"):
        assert f"{group}:" in done.stdout


class TestRealPhotos:
    """The clothing photos, found through EVENHAND_CLOTHING."""

    pytestmark = needs_photos

    def test_five_classes_are_trained_and_tabled(self, command: Command, tmp_path: Path) -> None:
        done = command(
            "train",
            "data=clothing",
            f"data.root={CLOTHING}",
            "data.size=64",
            "trainer.max_epochs=2",
            "sampler=balanced",
            f"hydra.run.dir={tmp_path}/run",
        )
        assert done.returncode == 0, done.stderr[-3000:]
        record = read_record(RunDirectory(tmp_path / "run"))
        assert record.counts["train"] == {
            "hat": 123, "outer": 184, "top": 1540, "bottom": 782, "shoes": 198
        }  # fmt: skip
        assert record.counts["test"]["outer"] == 38
        assert record.metrics["test/macro_recall"] > 0.25  # chance is 0.2
        assert "macro recall" in done.stdout
        assert str(tmp_path / "run") in done.stdout

    def test_folder_without_splits_is_split(self, command: Command, tmp_path: Path) -> None:
        done = command(
            "train",
            "data=folder",
            f"data.root={CLOTHING}/train",
            "data.size=32",
            "trainer.max_epochs=1",
            "sampler.draws_per_epoch=512",
            f"hydra.run.dir={tmp_path}/run",
        )
        assert done.returncode == 0, done.stderr[-3000:]
        record = read_record(RunDirectory(tmp_path / "run"))
        assert len(record.classes) == 10
        assert sum(record.data.images.values()) == 3068
        assert json.loads((tmp_path / "run" / "run.json").read_text())["state"] == "finished"
