"""Fine-tuning through the whole: what is trained when, and what a run leaves."""

import csv
import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from project import build
from project.checking import check
from project.errors import ConfigError, RunError
from project.models.classifier import Classifier
from project.models.finetuning.plans import FineTuning
from project.runs.directory import RunDirectory
from project.runs.record import read_record
from project.train import run
from tests.conftest import Compose
from tests.test_resume import assert_same

GRADUAL = ["finetune=gradual", "finetune.unfreeze_at=[1,2]", "model.depth=3"]
HEAD, UPPER, LOWER = "classifier", "features.3", "features.0"


def weights(directory: Path, which: str = "last") -> dict[str, torch.Tensor]:
    file = RunDirectory(directory).existing_checkpoint(which)
    saved: dict[str, torch.Tensor] = torch.load(file, weights_only=True)["state_dict"]
    return saved


def broken_plan(epochs: int) -> FineTuning:
    """A plan of the user's with a mistake."""
    return FineTuning(parts=epochs // 0)


def test_mistakes_are_answered_before_any_photo_is_read(compose_config: Compose) -> None:
    for overrides, expected in (
        (["finetune=gradual", "trainer.max_epochs=6"], r"got \[2, 4, 6\] .* above 6"),
        (["finetune=gradual", "finetune.unfreeze_at=[3,2]"], "expected epochs that rise"),
        (["finetune=gradual", "finetune.unfreeze_at=often"], r"finetune\.unfreeze_at: expected"),
        (["finetune=gradual", "finetune.stages=0"], r"finetune\.stages: expected 1 or more"),
        (["finetune=discriminative", "finetune.layer_decay=1.5"], r"above 0 and up to 1, got 1\.5"),
        (["finetune=linear_probe", "+finetune.layer_decay=0.5"], "no such argument"),
        (["finetune._target_=collections.Counter"], r"what gives a FineTuning, got collections"),
        (
            [f"finetune._target_={__name__}.broken_plan"],
            r"finetune: expected a FineTuning from .* with no arguments, got TypeError: .*'epochs'",
        ),
        (
            [f"finetune._target_={__name__}.broken_plan", "+finetune.epochs=3"],
            r"from .*broken_plan with epochs=3, got ZeroDivisionError: .*zero\. Change",
        ),
    ):
        with pytest.raises(ConfigError, match=expected):
            check(compose_config("train", *overrides))


@pytest.fixture
def moments(monkeypatch: pytest.MonkeyPatch) -> dict[int, dict[str, torch.Tensor]]:
    """The state of the network at the end of each epoch."""
    seen: dict[int, dict[str, torch.Tensor]] = {}

    def note(self: Classifier, *_: Any) -> None:
        seen[self.current_epoch] = {k: v.clone() for k, v in self.backbone.state_dict().items()}

    monkeypatch.setattr(Classifier, "on_train_batch_end", note)
    return seen


def moved(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    """Layers of which anything is not what it was, batch-norm statistics included."""
    different = {k for k, v in before.items() if not torch.equal(v, after[k])}
    return {".".join(key.split(".")[:-1][:2]) for key in different}


def test_layers_move_from_their_epoch_on(
    tiny: Compose,
    tmp_path: Path,
    moments: dict[int, dict[str, torch.Tensor]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    place = tmp_path / "gradual"
    run(tiny(*GRADUAL, "trainer.max_epochs=4", f"paths.run={place}"))
    assert moved(moments[0], moments[1]) == {HEAD, UPPER}
    assert moved(moments[1], moments[2]) == {HEAD, UPPER, LOWER, "features.1"}
    told = [m for m in caplog.messages if m.startswith("Fine-tuning from epoch")]
    assert [message.split(" on: ")[0][-1] for message in told] == ["0", "1", "2"]
    frozen = "4,672 in features.3, 1,416 in features.0 to features.1"
    assert told[0].endswith(f" on: trained parameters: 99 in the head; frozen: {frozen}.")
    assert "nothing says that the network was pretrained" in caplog.text


class Killed(BaseException):
    """What no code is prepared for."""


@pytest.mark.slow
def test_a_run_killed_where_layers_thaw_goes_on_as_if_it_had_not_been(
    tiny: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = [*GRADUAL, "trainer.max_epochs=3", "callbacks=[default,ema]", "optimizer=sgd"]

    def start(name: str, *more: str) -> None:
        run(tiny(*options, f"paths.run={tmp_path / name}", *more))

    start("whole")
    begin = Classifier.on_train_epoch_start
    again: list[str] = []
    for epoch in (1, 2):

        def die(self: Classifier, dying: int = epoch) -> None:
            begin(self)
            if self.current_epoch == dying:
                raise Killed

        monkeypatch.setattr(Classifier, "on_train_epoch_start", die)
        with pytest.raises(Killed):
            start("parts", *again)
        again = [f"resume={tmp_path / 'parts'}"]
    monkeypatch.setattr(Classifier, "on_train_epoch_start", begin)
    start("parts", *again)
    assert_same(RunDirectory(tmp_path / "whole"), RunDirectory(tmp_path / "parts"))


@pytest.mark.parametrize(
    "options",
    [
        "optimizer=sgd trainer.gradient_clip_val=0.1 trainer.accumulate_grad_batches=3",
        "optimizer=timm optimizer.opt=lamb scheduler=one_cycle trainer.precision=bf16-mixed",
    ],
    ids=["clipped", "lamb"],
)
@pytest.mark.slow
def test_what_is_frozen_neither_moves_nor_decays(
    tiny: Compose, moments: dict[int, dict[str, torch.Tensor]], options: str
) -> None:
    decay = ["optimizer.weight_decay=0.5", "optimizer.lr=0.1"]
    run(tiny(*GRADUAL, "trainer.max_epochs=3", *decay, *options.split()))
    assert moved(moments[0], moments[1]) == {HEAD, UPPER}
    assert moved(moments[1], moments[2]) == {HEAD, UPPER, LOWER, "features.1"}


def rates(directory: Path) -> list[dict[str, float]]:
    """The learning rates of each epoch, as metrics.csv has them."""
    with RunDirectory(directory).metrics_file.open(encoding="utf-8") as file:
        rows = [
            {k: float(v) for k, v in row.items() if k.startswith("lr-") and v}
            for row in csv.DictReader(file)
        ]
    return [row for row in rows if row]


@pytest.mark.parametrize("scheduler", ["cosine", "one_cycle", "step", "plateau"])
@pytest.mark.slow
def test_schedules_keep_the_ratios_between_layers(
    tiny: Compose, tmp_path: Path, scheduler: str
) -> None:
    place = tmp_path / scheduler
    slow = {
        "step": ["scheduler.step_epochs=1"],
        # Stops at a least learning rate, which falls by layers, too.
        "plateau": ["scheduler.patience_epochs=0", "scheduler.min_lr=1e-5", "optimizer.lr=1e-4"],
    }
    options = ["finetune=discriminative", "finetune.layer_decay=0.5", f"scheduler={scheduler}"]
    more = ["trainer.max_epochs=4", "trainer.limit_train_batches=1", *slow.get(scheduler, [])]
    run(tiny(*options, *more, f"paths.run={place}"))
    logged = rates(place)
    assert len(logged) == 4
    for row in logged:
        head, *body = row.values()
        layers = [name.partition("/")[2] for name in row]
        assert layers == ["classifier", "features.0", "features.1"]
        assert body == pytest.approx([head / 4, head / 2], rel=1e-9)
    assert len({row["lr-AdamW/classifier"] for row in logged}) > 1


def test_the_weights_of_a_run_are_found_by_its_directory(tiny: Compose, tmp_path: Path) -> None:
    first = tmp_path / "first"
    run(tiny(f"paths.run={first}"))
    cfg = tiny(f"model.checkpoint_path={first}")
    backbone = build.unprepared_backbone(cfg.model, 3, (24, 24))
    saved = weights(first, "best")
    for name, value in backbone.state_dict().items():
        assert torch.equal(value, saved[f"backbone.{name}"])
    (tmp_path / "none").mkdir()
    with pytest.raises(RunError, match=r"expected a run\.json in .*none, got a folder without one"):
        build.unprepared_backbone(tiny(f"model.checkpoint_path={tmp_path}/none").model, 3, (24, 24))


# What has moved after two epochs, in the second of which the upper half of the body has thawed.
OPTIONS: dict[str, tuple[set[str], list[str]]] = {
    "none": ({HEAD, "features.3", "features.1", LOWER}, []),
    "linear_probe": ({HEAD}, []),
    "gradual": ({HEAD, "features.3"}, ["finetune.unfreeze_at=[1,2]"]),
    "discriminative": ({HEAD, "features.3", "features.1", LOWER}, []),
}


@pytest.mark.slow
def test_weights_of_three_classes_are_fine_tuned_for_two_others(
    compose_config: Compose, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    kinds = {"hat": True, "outer": True, "top": True, "bottom": False, "shoes": False}

    def start(name: str, wanted: bool, *more: str) -> RunDirectory:
        left_out = ",".join(f"{kind}: null" for kind, known in kinds.items() if known != wanted)
        classes = ",".join(kind for kind, known in kinds.items() if known == wanted)
        chosen = [f"data.class_map={{{left_out}}}", f"data.classes=[{classes}]"]
        drawn = ["data.source.scale=0.02", f"data.root={tmp_path}/wardrobe", *chosen]
        place = tmp_path / name
        small = ["data.size=32", "data.batch_size=16", "data.num_workers=0", "trainer=cpu"]
        network = ["model.width=8", "model.depth=3", "trainer.enable_progress_bar=false"]
        run(compose_config("train", *drawn, *small, *network, f"paths.run={place}", *more))
        return RunDirectory(place)

    pretrained = start("pretrained", True, "trainer.max_epochs=2")
    assert read_record(pretrained).classes == ["hat", "outer", "top"]
    before = weights(pretrained.path, "best")
    body = {name: value for name, value in before.items() if not name.startswith("backbone.class")}
    for option, (expected, more) in OPTIONS.items():
        caplog.clear()
        tuned = start(
            option,
            False,
            "trainer.max_epochs=3",
            "trainer.limit_train_batches=1",
            "trainer.max_steps=2",
            f"finetune={option}",
            f"model.checkpoint_path={pretrained.path}",
            *more,
        )
        assert read_record(tuned).classes == ["bottom", "shoes"]
        after = weights(tuned.path, "last")
        network = {k.removeprefix("backbone."): v for k, v in body.items() if "backbone" in k}
        now = {k.removeprefix("backbone."): v for k, v in after.items() if "backbone" in k}
        assert moved(network, now) | {HEAD} == expected, option
        assert now["classifier.weight"].shape == (2, 32)
        assert "keep their fresh initialisation" in caplog.text
        assert "nothing says that the network was pretrained" not in caplog.text
