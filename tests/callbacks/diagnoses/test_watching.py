import csv
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from project.callbacks.diagnoses.seen import Seen
from project.callbacks.diagnoses.watching import STATE, Watch, _means, _noting, _woken
from project.commands import training
from project.models.classifier import Classifier
from project.runs.directory import RunDirectory
from project.runs.predictions import read_predictions
from project.train import run
from tests.conftest import COUNTS, TINY, TINY_MODEL, Command, Compose

PLAIN = ["model=custom", "model._target_=tests.ill_networks.plain"]
Watched = Callable[..., tuple[Seen, RunDirectory]]


@pytest.fixture
def watched(tiny: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    """``watched("name", *overrides)`` trains and gives what was seen, and the run's directory."""
    found: list[Seen] = []

    def keep(_: Any, trainer: Any, *__: Any) -> list[Any]:
        found.extend(c.seen for c in trainer.callbacks if isinstance(c, Watch))
        return []

    def train(name: str, *overrides: str) -> tuple[Seen, RunDirectory]:
        cfg = tiny("trainer.max_epochs=3", f"paths.run={tmp_path}/{name}", *overrides)
        run(cfg)
        return found[-1], RunDirectory(Path(cfg.paths.run))

    monkeypatch.setattr(training, "diagnoses", keep)
    return train


def test_answers_and_losses_of_every_epoch_are_seen(watched: Watched) -> None:
    seen, directory = watched("run", *PLAIN, "data.batch_size=14")
    assert [validation.epoch for validation in seen.validations] == [0, 1, 2]
    support = tuple(COUNTS["val"].values())
    assert all(validation.support == support for validation in seen.validations)
    said = read_predictions(directory, "val")  # those of the best epoch
    answers = tuple(np.bincount(said.predicted, minlength=3).tolist())
    assert answers in [validation.predicted for validation in seen.validations]
    assert seen.steps == 3 * 4
    with directory.metrics_file.open() as file:
        logged = [float(r["train/loss"]) for r in csv.DictReader(file) if r["train/loss"]]
    means = [float(np.mean(parts)) for parts in seen.losses]
    assert means == pytest.approx(logged, rel=1e-5)
    assert seen.first_loss == pytest.approx(np.log(3), abs=0.3)


def test_units_of_the_last_layer_are_seen(watched: Watched) -> None:
    seen, _ = watched("alive", *PLAIN)
    assert {validation.units for validation in seen.validations} == {32}
    assert all(validation.dead < 32 for validation in seen.validations)
    seen, _ = watched("dead", "model=custom", "model._target_=tests.ill_networks.dead")
    assert {validation.dead for validation in seen.validations} == {32}


@pytest.mark.parametrize(
    ("network", "tail"),
    [("plain", ()), ("clamped", ("ReLU", "Dropout", "LogSoftmax")), ("functional", ())],
)
def test_what_stands_after_the_last_weights_is_seen(
    watched: Watched, network: str, tail: tuple[str, ...]
) -> None:
    seen, _ = watched("run", "model=custom", f"model._target_=tests.ill_networks.{network}")
    assert seen.tail == tail


@pytest.mark.parametrize("callbacks", ["default", "default,ema"])
def test_averaged_weights_are_seen(watched: Watched, callbacks: str) -> None:
    seen, _ = watched("run", *PLAIN, f"callbacks=[{callbacks}]", "trainer.max_epochs=1")
    assert seen.averaged == ("ema" in callbacks)


def test_auxiliary_heads_are_counted() -> None:
    watch = Watch()
    keep = watch._keep_tail([])
    keep(nn.Identity(), (), torch.zeros(1))
    assert watch.seen.auxiliary == 0
    keep(nn.Identity(), (), (torch.zeros(1), torch.zeros(1), None))
    assert watch.seen.auxiliary == 1


def test_compiled_networks_are_not_looked_into() -> None:
    network = nn.Sequential(nn.Linear(4, 2))
    network.compile(backend="eager")
    module: Any = SimpleNamespace(backbone=network, classes=("a", "b"))
    state = SimpleNamespace(fn="fit")
    trainer: Any = SimpleNamespace(state=state, sanity_checking=False, callbacks=[])
    watch = Watch()
    watch.on_train_start(trainer, module)
    watch.on_validation_epoch_start(trainer, module)
    assert not watch._handles
    assert not network[0]._forward_hooks
    assert not network[0]._forward_pre_hooks


def test_nothing_stays_in_the_network(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Classifier] = []
    fit = training._fit

    def keep(trainer: Any, model: Classifier, *rest: Any) -> None:
        kept.append(model)
        fit(trainer, model, *rest)

    monkeypatch.setattr(training, "_fit", keep)
    watched("run", *PLAIN)
    modules = [m for m in kept[0].backbone.modules() if m is not kept[0].backbone]
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in modules)


def test_looking_on_changes_no_number(tiny: Compose, tmp_path: Path) -> None:
    runs = []
    for name, more in (("with", []), ("without", ["~callbacks.diagnoses"])):
        cfg = tiny(
            "trainer.max_epochs=2", "model.dropout=0.5", f"paths.run={tmp_path}/{name}", *more
        )
        record = run(cfg)
        runs.append((RunDirectory(Path(cfg.paths.run)), record))
    (one, first), (other, second) = runs
    assert one.predictions("test").read_bytes() == other.predictions("test").read_bytes()
    assert one.metrics_file.read_bytes() == other.metrics_file.read_bytes()
    assert first.config_fingerprint == second.config_fingerprint
    assert second.diagnoses == []


@pytest.mark.slow
@pytest.mark.parametrize("place", [(0, 1), (1, 0), (1, 3), (2, 2)])
def test_a_run_that_goes_on_has_seen_what_one_has_that_was_never_stopped(
    watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: tuple[int, int]
) -> None:
    whole, _ = watched("whole", *PLAIN)

    def stop(self: Classifier, *arguments: Any) -> None:
        if (self.current_epoch, arguments[2]) == place and stops:
            os.kill(os.getpid(), stops.pop())

    stops = [signal.SIGTERM]
    monkeypatch.setattr(Classifier, "on_train_batch_end", stop)
    with pytest.raises(SystemExit):
        watched("parts", *PLAIN)
    parts, _ = watched("parts", *PLAIN, f"resume={tmp_path}/parts")
    assert repr(parts) == repr(whole)


@pytest.mark.slow
def test_two_processes_see_what_both_have_seen(
    command: Command, photos: Path, tmp_path: Path
) -> None:
    place = RunDirectory(tmp_path / "run")
    options = [o for o in (*TINY, *TINY_MODEL) if not o.startswith(("trainer=", "data.batch"))]
    done = command(
        "train", *options, "trainer=ddp", "trainer.accelerator=cpu", "data.batch_size=14",
        "callbacks.last.checkpoint_minutes=1e-9", f"data.root={photos}",
        f"hydra.run.dir={place.path}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    state = torch.load(place.checkpoint("last"), weights_only=True)[STATE]
    ((_, predicted, support, units, dead),) = state["validations"]
    assert support == list(COUNTS["val"].values())
    assert sum(predicted) == sum(support)
    assert (units, dead < 16) == (16, True)
    with place.metrics_file.open() as file:
        logged = [float(r["train/loss"]) for r in csv.DictReader(file) if r["train/loss"]]
    assert np.mean(state["epochs"][0]) == pytest.approx(logged[0], rel=1e-5)


def test_losses_are_averaged_over_parts_of_an_epoch() -> None:
    assert _means([]) == []
    assert _means([1.0, 3.0]) == [2.0]  # single steps are noise
    assert _means([float(step) for step in range(15)]) == [2.0, 7.0, 12.0]
    assert len(_means([1.0] * 1000)) == 10


def test_many_losses_become_one_tensor() -> None:
    watch = Watch()
    trainer: Any = SimpleNamespace(strategy=SimpleNamespace(reduce=lambda mine, **_: mine))
    for step in range(2500):
        module: Any = SimpleNamespace(step_loss=torch.tensor(float(step)))
        watch.on_train_batch_end(trainer, module)
    assert len(watch._losses) < 1024
    watch.on_train_epoch_end(trainer, module)
    assert (watch.seen.steps, watch.seen.first_loss) == (2500, 0.0)
    assert np.mean(watch.seen.losses[0]) == pytest.approx(1249.5)


def test_validation_apart_from_training_is_not_watched() -> None:
    watch = Watch()
    module: Any = SimpleNamespace(backbone=nn.Linear(4, 2), classes=("a", "b"))
    for trainer in (
        SimpleNamespace(state=SimpleNamespace(fn="validate"), sanity_checking=False),
        SimpleNamespace(state=SimpleNamespace(fn="fit"), sanity_checking=True),
    ):
        given: Any = trainer
        watch.on_validation_epoch_start(given, module)
        watch.on_validation_end(given, module)
    assert watch.seen == Seen(first_loss=watch.seen.first_loss)


def test_weights_that_are_loaded_for_a_test_change_nothing() -> None:
    watch = Watch()
    trainer: Any = SimpleNamespace(state=SimpleNamespace(fn="test"))
    module: Any = None
    watch.on_load_checkpoint(trainer, module, {STATE: {"steps": 7}})
    assert watch.seen.steps == 0
    trainer.state.fn = "fit"
    watch.on_load_checkpoint(trainer, module, {})  # of an earlier version
    assert watch.seen.steps == 0


def test_a_unit_is_awake_if_it_is_for_one_photo_or_place() -> None:
    rows = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, -2.0]])
    assert _woken(nn.Linear(3, 2), rows).tolist() == [False, True, True]
    assert _woken(nn.Linear(3, 2), rows[:, None]).tolist() == [False, True, True]
    maps = torch.zeros(2, 3, 4, 4)
    maps[1, 2, 3, 0] = 1
    assert _woken(nn.Conv2d(3, 2, 1), maps).tolist() == [False, False, True]


def test_names_of_modules_without_weights_are_kept_in_order() -> None:
    calls: list[str] = []
    network = nn.Sequential(
        nn.ReLU(), nn.Linear(2, 2), nn.Identity(), nn.Tanh(), nn.Flatten(), nn.Dropout()
    )
    for module in network:
        module.register_forward_hook(_noting(calls))
    network(torch.zeros(1, 2))
    assert calls == ["Tanh", "Dropout"]
