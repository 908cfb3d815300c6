from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl

from project import build, train
from project.callbacks.pruning import Pruning
from project.errors import ConfigError, Pruned
from project.launch.search.samplers import be_quiet
from project.launch.search.storage import open_storage
from project.launch.search.trial import RunningTrial
from project.runs.directory import RunDirectory
from project.runs.record import read_record
from tests.conftest import Compose


@dataclass
class Asked:
    """A search that ends its trial after some epochs."""

    metric: str = "val/macro_recall"
    pruner: str = "median"
    ends_after: int = 99
    reported: list[tuple[int, float]] = field(default_factory=list)

    def falls_behind(self, epoch: int, value: float) -> bool:
        self.reported.append((epoch, value))
        return epoch >= self.ends_after


class Measured(pl.Callback):
    """Remembers what validation measured."""

    def __init__(self) -> None:
        self.values: list[tuple[int, float]] = []

    def on_validation_end(self, trainer: pl.Trainer, *_: object) -> None:
        value = float(trainer.callback_metrics["val/macro_recall"])
        self.values.append((trainer.current_epoch, value))


def fitted(tiny: Compose, tmp_path: Path, *callbacks: pl.Callback) -> pl.Trainer:
    cfg = tiny("trainer.max_epochs=3", f"paths.run={tmp_path}/run")
    data = build.datamodule(cfg)
    trainer = build.trainer(cfg, RunDirectory(tmp_path / "run"), data)
    trainer.callbacks.extend(callbacks)  # type: ignore[attr-defined]
    model = build.classifier(cfg, data.catalog.classes, data.plan.images.tolist())
    trainer.fit(model, datamodule=data)
    trainer.validate(model, datamodule=data, verbose=False)
    return trainer


def test_each_validation_of_training_is_reported_once(tiny: Compose, tmp_path: Path) -> None:
    trial, measured = Asked(), Measured()
    fitted(tiny, tmp_path, Pruning(trial), measured)
    assert [epoch for epoch, _ in trial.reported] == [0, 1, 2]
    assert trial.reported == measured.values[:3]  # not the validation after training


def test_trial_that_falls_behind_is_ended(tiny: Compose, tmp_path: Path) -> None:
    trial = Asked(ends_after=1)
    with pytest.raises(
        Pruned, match=r"Pruned after epoch 2: with val/macro_recall of \d\.\d{4}, .*\(median\)"
    ):
        fitted(tiny, tmp_path, Pruning(trial))
    assert [epoch for epoch, _ in trial.reported] == [0, 1]


def test_search_that_cannot_be_reached_does_not_keep_other_processes_waiting() -> None:
    told: list[bool] = []
    trial = RunningTrial("nothing://here", "s", 0, "val/accuracy")
    trainer: Any = SimpleNamespace(
        sanity_checking=False,
        state=SimpleNamespace(fn="fit"),
        callback_metrics={"val/accuracy": 0.5},
        is_global_zero=True,
        current_epoch=0,
        strategy=SimpleNamespace(broadcast=told.append),
    )
    module: Any = None
    Pruning(trial).on_validation_end(trainer, module)
    assert told == [False]


def test_objective_that_validation_does_not_measure_is_told(tiny: Compose, tmp_path: Path) -> None:
    trial = Asked(metric="val/recall/hats")
    with pytest.raises(
        ConfigError, match=r"got 'val/recall/hats'\. Did you mean \"val/recall/hat\""
    ):
        fitted(tiny, tmp_path, Pruning(trial))


def test_trial_of_a_search_is_pruned_and_recorded_as_such(
    tiny: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import optuna  # noqa: PLC0415

    be_quiet()
    journal = tmp_path / "study.journal"
    study = optuna.create_study(
        storage=open_storage(str(journal)), study_name="s", direction="maximize"
    )
    best = study.ask()
    best.report(2.0, 0)  # more than can be reached
    study.tell(best, 2.0)
    trial = RunningTrial(
        str(journal), "s", study.ask()._trial_id, "val/macro_recall", "median",
        {"n_startup_trials": 1},
    )  # fmt: skip
    for key, value in trial.environment().items():
        monkeypatch.setenv(key, value)
    cfg = tiny("trainer.max_epochs=3", f"paths.run={tmp_path}/run")
    with pytest.raises(Pruned):
        train.run(cfg)
    assert read_record(RunDirectory(tmp_path / "run")).state == "pruned"
    assert list(study.trials[1].intermediate_values) == [0]
