import json
import logging
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies import FSDPStrategy

from project.callbacks.finetuning import LearningRates, Unfreezing
from project.errors import ConfigError, ModelError
from project.models import schedules
from project.models.classifier import Classifier
from project.models.finetuning.plans import (
    FineTuning,
    discriminative,
    gradual,
    linear_probe,
    none,
)
from project.models.losses import CrossEntropy
from project.models.small_cnn import SmallCNN
from tests.conftest import REPOSITORY


def module(plan: FineTuning) -> Classifier:
    return Classifier(
        SmallCNN(2, width=4, depth=3),
        CrossEntropy([1, 1]),
        partial(torch.optim.AdamW, lr=0.1, weight_decay=0.1),
        schedules.none,
        ["hat", "coat"],
        mean=[0.0] * 3,
        std=[1.0] * 3,
        finetuning=plan,
    )


def trainer_at(epoch: int, strategy: object = None) -> Any:
    return Mock(current_epoch=epoch, is_global_zero=True, strategy=strategy)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [m for m in caplog.messages if "Fine-tuning" in m]


def test_what_is_trained_is_said_at_the_start_and_whenever_it_changes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    callback, trained = Unfreezing(pretrained=True), module(gradual(unfreeze_at=[2, 3]))
    callback.on_train_start(trainer_at(0), trained)
    for epoch in range(5):
        callback.on_train_epoch_start(trainer_at(epoch), trained)
    head, upper, lower = "34 in the head", "1,184 in features.3", "420 in features.0 to features.1"
    assert lines(caplog) == [
        f"Fine-tuning from epoch {epoch} on: trained parameters: {trained}; frozen: {frozen}."
        for epoch, trained, frozen in (
            (0, head, f"{upper}, {lower}"),
            (2, f"{head}, {upper}", lower),
            (3, f"{head}, {upper}, {lower}", "none"),
        )
    ]


def test_an_epoch_that_was_begun_before_is_taken_up_in_its_state() -> None:
    trained = module(gradual(unfreeze_at=[1, 2]))
    Unfreezing(pretrained=True).on_train_start(trainer_at(1), trained)
    frozen = {n for n, p in trained.backbone.named_parameters() if not p.requires_grad}
    assert {name[:10] for name in frozen} == {"features.0", "features.1"}


def test_speeds_of_layers_are_said_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    callback, trained = Unfreezing(pretrained=True), module(discriminative(0.5))
    callback.on_train_start(trainer_at(0), trained)
    callback.on_train_epoch_start(trainer_at(0), trained)
    speeds = "x 1 in classifier, x 0.5 in features.3, x 0.25 in features.1, x 0.125 in features.0"
    assert lines(caplog) == [f"Fine-tuning from epoch 0 on: learning rate {speeds}."]


def test_nothing_is_said_where_everything_is_trained_alike(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    callback, trained = Unfreezing(pretrained=False), module(none())
    callback.setup(trainer_at(0), trained, "fit")
    callback.on_train_start(trainer_at(0), trained)
    callback.on_train_epoch_start(trainer_at(0), trained)
    assert not caplog.messages


@pytest.mark.parametrize(
    ("plan", "pretrained", "warned"),
    [
        (linear_probe(), False, True),
        (linear_probe(), True, False),
        (discriminative(), False, False),
    ],
    ids=["random and frozen", "pretrained", "random and not frozen"],
)
def test_frozen_layers_of_random_weights_are_warned_of(
    caplog: pytest.LogCaptureFixture, plan: FineTuning, pretrained: bool, warned: bool
) -> None:
    Unfreezing(pretrained=pretrained).setup(trainer_at(0), module(plan), "fit")
    assert ("nothing says that the network was pretrained" in caplog.text) == warned


def test_a_network_in_parts_on_several_devices_is_not_frozen() -> None:
    spread = trainer_at(0, FSDPStrategy())
    callback = Unfreezing(pretrained=True)
    with pytest.raises(ConfigError, match=r"whole network on each device, .* got .*FSDPStrategy"):
        callback.setup(spread, module(linear_probe()), "fit")
    callback.setup(spread, module(discriminative()), "fit")
    callback.setup(spread, module(linear_probe()), "test")


def test_metrics_hold_one_learning_rate_for_each_layer() -> None:
    trained = module(discriminative(0.5))
    # The trainer is asked for nothing but the length of the training.
    trained.trainer = Mock(spec=pl.Trainer, estimated_stepping_batches=4, num_training_batches=2)
    trained.trainer.accumulate_grad_batches = 1
    trained.trainer.fit_loop = Mock()
    optimizer = trained.configure_optimizers()
    monitor = LearningRates()
    fit = Mock(
        lr_scheduler_configs=[], optimizers=[optimizer], loggers=[Mock()], callback_metrics={}
    )
    fit.strategy.root_device = torch.device("cpu")
    monitor.on_train_start(fit)
    monitor.on_train_epoch_start(fit)
    (logged,) = fit.loggers[0].log_metrics.call_args.args
    assert logged == {
        "lr-AdamW/classifier": 0.1,
        "lr-AdamW/features.3": 0.05,
        "lr-AdamW/features.1": 0.025,
        "lr-AdamW/features.0": 0.0125,
    }
    assert fit.callback_metrics.keys() == logged.keys()


@pytest.mark.slow
def test_layers_thaw_on_two_ranks_as_on_one(tmp_path: Path) -> None:
    """Gradients of what thaws later are exchanged, too: otherwise the ranks would part."""
    for ranks in ["1", "2"]:
        command = [sys.executable, "-m", "tests.callbacks.thawing_ranks", str(tmp_path), ranks]
        subprocess.run(command, check=True, timeout=120, cwd=REPOSITORY)
    alone, first, second = (
        json.loads((tmp_path / f"{name}.json").read_text()) for name in ["1-0", "2-0", "2-1"]
    )
    by_epoch = [["5"], ["3", "5"], ["1", "3", "5"], ["1", "3", "5"]]
    assert alone["trained"] == [layers for layers in by_epoch for _ in range(2)]
    assert first["trained"] == second["trained"] == alone["trained"]
    assert first["weights"] == second["weights"]
    for name, value in alone["weights"].items():
        torch.testing.assert_close(torch.tensor(first["weights"][name]), torch.tensor(value))


def test_training_that_is_announced_leaves_frozen_layers_evaluated() -> None:
    trained = module(linear_probe()).eval().train()
    in_training = {name for name, part in trained.backbone.named_modules() if part.training}
    assert in_training == {"classifier"}
    assert trained.training
    assert not any(part.training for part in trained.eval().modules())


def test_auxiliary_heads_are_not_left_without_what_they_help() -> None:
    def build(plan: FineTuning) -> Classifier:
        parts = module(none())
        return Classifier(
            parts.backbone,
            parts.loss,
            parts.optimizer,
            parts.scheduler,
            parts.classes,
            mean=[0.0] * 3,
            std=[1.0] * 3,
            finetuning=plan,
            aux_weight=0.3,
        )

    build(discriminative())
    with pytest.raises(ModelError, match=r"auxiliary heads .* layers that are frozen\. Set it"):
        build(linear_probe())
