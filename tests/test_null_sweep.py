"""Repeats of one recipe, split at random, must not be told apart."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.null_sweep import count, splits
from benchmarks.verdicts import CLASS_SIZES, Truth
from project import train
from project.runs.alignment import align
from project.runs.directory import RunDirectory
from project.runs.groups import group_runs
from tests.conftest import Compose

SPLITS = 20
MOST = 4  # of 20 at 5 %; more come up once in 400 times


@pytest.mark.slow
def test_halves_of_trained_runs_are_not_told_apart(tiny: Compose, tmp_path: Path) -> None:
    runs = []
    for seed in range(8):
        cfg = tiny(f"seed={seed}", f"paths.run={tmp_path}/{seed}")
        train.run(cfg)
        runs.append(RunDirectory(Path(cfg.paths.run)))
    aligned = align(group_runs(runs).groups)
    assert len(aligned.groups) == 1
    predicted = next(iter(aligned.predicted.values()))
    assert len(predicted) == 8
    assert len({run.tobytes() for run in predicted}) > 1  # seeds matter
    found = list(splits(predicted, aligned.labels, aligned.classes, SPLITS))
    assert count(found).comparisons <= MOST


def test_recipes_that_do_differ_are_told_apart_by_the_same_count() -> None:
    """The count can fail: it sees a true difference when there is one."""
    labels = np.repeat(np.arange(5), [10 * size for size in CLASS_SIZES])
    rng = np.random.default_rng(0)
    truth = Truth((4, 4), tuple(10 * size for size in CLASS_SIZES), 0.6, gain=0.3)
    variant, baseline = (np.where(right, labels, (labels + 1) % 5) for right in truth.draw(rng))
    mixed = np.concatenate([baseline, variant])
    found = list(splits(mixed, labels, list("abcde"), 40))
    assert 0 < count(found).tests < count(found).all_tests
