"""Runs that training might have left, without any training."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from project.runs.directory import RunDirectory
from project.runs.fingerprint import config_fingerprint
from project.runs.predictions import Predictions, write_predictions
from project.runs.record import DataFacts, RunRecord

MakeRun = Callable[..., RunDirectory]

CLASSES = ("hat", "outer", "top")
LABELS = (0, 0, 1, 1, 1, 2, 2, 2)


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """``make_run("sweep/seed=2", config, overrides)`` leaves what grouping reads of a run."""

    def made(
        place: str,
        config: dict[str, Any] | None = None,
        overrides: Sequence[str] = (),
        data: str = "the photos",
        **facts: Any,
    ) -> RunDirectory:
        run = RunDirectory(tmp_path / place)
        config = {"seed": 1} if config is None else config
        run.config_file.parent.mkdir(parents=True)
        run.config_file.write_text(yaml.safe_dump(config), encoding="utf-8")
        run.overrides_file.write_text(yaml.safe_dump(list(overrides)), encoding="utf-8")
        known: dict[str, Any] = {
            "state": "finished",
            "seed": config.get("seed"),
            "overrides": list(overrides),
            "config_fingerprint": config_fingerprint(config),
            "data": DataFacts(fingerprint=data),
        }
        RunRecord(**{**known, **facts}).write(run)
        return run

    return made


@pytest.fixture
def measured(make_run: MakeRun) -> Any:
    """``measured(place, sampler, seed, predicted)`` leaves a run with predictions."""

    def made(
        place: str,
        sampler: str,
        seed: int,
        predicted: Sequence[int] = LABELS,
        classes: Sequence[str] = CLASSES,
        labels: Sequence[int] = LABELS,
        contents: Sequence[str] | None = None,
        **facts: Any,
    ) -> RunDirectory:
        config = {"seed": seed, "sampler": sampler}
        run = make_run(place, config, [f"sampler={sampler}", f"seed={seed}"], **facts)
        paths = [f"{number}.jpg" for number in range(len(labels))]
        logits = np.eye(len(classes), dtype=np.float32)[list(predicted)]
        said = Predictions(np.arange(len(labels)), paths, np.array(labels), logits, classes)
        write_predictions(run, "test", said)
        hashes = contents or [f"content of {path}" for path in paths]
        frame = pd.DataFrame({"path": paths, "label": "", "split": "test", "content_hash": hashes})
        frame.to_csv(run.splits_file, index=False)
        return run

    return made


@pytest.fixture
def folded(make_run: MakeRun) -> Any:
    """``folded(place, sampler, seed, fold)`` leaves a run of three folds of twelve photos.

    Photo n is in fold n % 3, so each fold tests every class; `wrong` names the photos that are not
    recognised, `tested` those that are tested instead of the fold's own.
    """

    def made(
        place: str,
        sampler: str = "natural",
        seed: int = 1,
        fold: int | None = 0,
        wrong: Sequence[int] = (),
        photos: int = 12,
        groups: Sequence[str] = (),
        tested: Sequence[int] | None = None,
        classes: Sequence[str] = CLASSES,
        **facts: Any,
    ) -> RunDirectory:
        data = {"root": "/photos", "folds": 3, "fold": fold}
        config = {"seed": seed, "sampler": sampler, "data": data}
        overrides = [f"sampler={sampler}", f"data.fold={fold}", f"seed={seed}"]
        rows = list(range(photos))
        own = [row for row in rows if row % 3 == fold] if tested is None else list(tested)
        metrics = {"test/accuracy": 1 - sum(row in own for row in wrong) / len(own)}
        known = {"data": f"split of fold {fold}", "metrics": metrics, **facts}
        run = make_run(place, config, overrides, **known)
        frame = pd.DataFrame(
            {
                "path": [f"{row}.jpg" for row in rows],
                "label": [CLASSES[row // 3 % 3] for row in rows],
                "split": ["test" if row in own else "train" for row in rows],
                "group": list(groups) or "",
                "content_hash": [f"content of {row}" for row in rows],
            }
        )
        frame.to_csv(run.splits_file, index=False)
        labels = np.array([row // 3 % 3 for row in own])
        said = [(row // 3 + (row in wrong)) % 3 for row in own]
        logits = np.eye(3, dtype=np.float32)[said]
        paths = [f"{row}.jpg" for row in own]
        write_predictions(run, "test", Predictions(np.array(own), paths, labels, logits, classes))
        return run

    return made
