import shutil
from pathlib import Path

import numpy as np
import pytest

from project import train
from project.errors import ConfigError, DataError, RunError
from project.evaluate import run
from project.runs.directory import RunDirectory
from project.runs.predictions import read_predictions
from project.runs.record import RunRecord
from tests.conftest import Compose


@pytest.fixture
def trained(tiny: Compose, tmp_path: Path) -> tuple[Path, RunRecord]:
    """A finished run: its directory and its record."""
    path = tmp_path / "trained"
    return path, train.run(tiny(f"paths.run={path}", "trainer.max_epochs=2"))


def predictions(path: str | Path, split: str) -> np.ndarray:
    return read_predictions(RunDirectory(Path(path)), split).logits


@pytest.mark.parametrize("split", ["test", "val"])
def test_numbers_of_the_run_come_out_again_exactly(
    compose_config: Compose,
    trained: tuple[Path, RunRecord],
    split: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    path, of_run = trained
    cfg = compose_config("evaluate", f"run={path}", f"data.split={split}")
    record = run(cfg)
    assert record.metrics.keys() == {n for n in of_run.metrics if n.startswith(f"{split}/")}
    for name, value in record.metrics.items():
        assert value == of_run.metrics[name]
    np.testing.assert_array_equal(predictions(cfg.paths.run, split), predictions(path, split))
    assert "metrics are exactly those of the run" in caplog.text


def test_train_split_can_be_measured(
    compose_config: Compose, trained: tuple[Path, RunRecord]
) -> None:
    record = run(compose_config("evaluate", f"run={trained[0]}", "data.split=train"))
    assert record.metrics["train/support/top"] == 32


def test_split_of_the_run_is_used_where_the_source_has_none(
    tiny: Compose, compose_config: Compose, tmp_path: Path, photos: Path
) -> None:
    path = tmp_path / "unsplit"
    of_run = train.run(tiny(f"paths.run={path}", f"data.root={photos}/train"))
    record = run(compose_config("evaluate", f"run={path}"))
    assert record.metrics["test/loss"] == of_run.metrics["test/loss"]


def test_other_photos_are_measured_with_the_runs_classes(
    compose_config: Compose, trained: tuple[Path, RunRecord], tmp_path: Path, photos: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(photos / "test" / "top", other / "top")
    shutil.copytree(photos / "test" / "hat", other / "hat")
    cfg = compose_config("evaluate", f"run={trained[0]}", "data=folder", f"data.root={other}")
    record = run(cfg)
    assert record.classes == ["hat", "outer", "top"]
    assert record.metrics["test/support/outer"] == 0
    own = read_predictions(RunDirectory(trained[0]), "test")
    rows = [i for i, path in enumerate(own.paths) if "/outer/" not in path]
    logits = predictions(cfg.paths.run, "test")
    np.testing.assert_allclose(logits, own.logits[rows], atol=1e-5)  # same size and crop


def test_moved_photos_are_found_under_their_new_root(
    compose_config: Compose, trained: tuple[Path, RunRecord], tmp_path: Path, photos: Path
) -> None:
    shutil.copytree(photos, tmp_path / "moved")
    cfg = compose_config("evaluate", f"run={trained[0]}", f"data.root={tmp_path}/moved")
    assert run(cfg).metrics["test/loss"] == trained[1].metrics["test/loss"]


def test_classes_that_the_run_does_not_know_are_refused(
    compose_config: Compose, trained: tuple[Path, RunRecord], tmp_path: Path, photos: Path
) -> None:
    shutil.copytree(photos / "test" / "top", tmp_path / "other" / "scarf")
    cfg = compose_config(
        "evaluate", f"run={trained[0]}", "data=folder", f"data.root={tmp_path}/other"
    )
    with pytest.raises(DataError, match="scarf"):
        run(cfg)


def test_what_is_not_there_is_named(
    compose_config: Compose, trained: tuple[Path, RunRecord], tmp_path: Path
) -> None:
    with pytest.raises(RunError, match=r"(?s)no_such_run.*nothing there"):
        run(compose_config("evaluate", f"run={tmp_path}/no_such_run", f"paths.run={tmp_path}/1"))
    wrong_split = compose_config("evaluate", f"run={trained[0]}", "data.split=tset")
    with pytest.raises(ConfigError, match=r'data\.split: .* got .tset.\. Did you mean "test"\?'):
        run(wrong_split)
    no_weights = compose_config("evaluate", f"run={trained[0]}", "checkpoint=middle")
    with pytest.raises(RunError, match=r"middle\.ckpt, got none; the run has: best, last"):
        run(no_weights)


def test_a_run_without_a_whole_configuration_is_refused(
    compose_config: Compose, trained: tuple[Path, RunRecord]
) -> None:
    file = RunDirectory(trained[0]).config_file
    file.write_text("data: {size: [")
    cfg = compose_config("evaluate", f"run={trained[0]}")
    with pytest.raises(RunError, match=r"config\.yaml, got content that is none"):
        run(cfg)
    file.unlink()
    with pytest.raises(RunError, match=r"config\.yaml, got: No such file"):
        run(cfg)
