"""What a run loads before its first step."""

from pathlib import Path

import pytest

from benchmarks.first_step import LINE
from benchmarks.startup import first_step
from tests.conftest import TINY, TINY_MODEL, Command

# Each costs a tenth of a second or more, and is for what few runs do or what comes after training.
LATE = (
    "albumentations",
    "sklearn",
    "statsmodels",
    "optuna",
    "ray",
    "submitit",
    "tensorboard",
    "project.report.page",
)


@pytest.mark.slow
def test_first_step_does_not_wait_for_imports_of_what_comes_later(tmp_path: Path) -> None:
    needed = first_step(tmp_path)
    assert {"torch", "pytorch_lightning", "project.commands.training"} <= set(needed)
    assert not [name for name in LATE if name in needed]


@pytest.mark.slow
def test_benchmark_sees_one_first_step_of_a_run(
    command: Command, photos: Path, tmp_path: Path
) -> None:
    done = command(
        "train",
        *TINY,
        *TINY_MODEL,
        f"data.root={photos}",
        "trainer.max_epochs=2",
        "+callbacks.first_step._target_=benchmarks.first_step.FirstStep",
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count(LINE) == 1
