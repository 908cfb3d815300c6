import json
import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from pytorch_lightning.callbacks import ModelCheckpoint
from sklearn import metrics as oracle
from torch import Tensor, nn
from torch.utils.data import DataLoader

from project.errors import RunError, TrainingError
from project.models import schedules
from project.models.classifier import Classifier
from project.models.losses import ClassWeights, CrossEntropy, LogitAdjusted
from project.models.small_cnn import SmallCNN

CLASSES = ["hat", "coat", "t-shirt"]


class Images(NamedTuple):
    image: Tensor
    label: Tensor
    row: Tensor


def images(count: int, seed: int = 0) -> Images:
    """Images whose classes differ in brightness, under noise."""
    generator = torch.Generator().manual_seed(seed)
    label = torch.randint(3, (count,), generator=generator)
    noise = torch.randint(0, 120, (count, 3, 16, 16), generator=generator)
    image = (60 * label.view(-1, 1, 1, 1) + noise).to(torch.uint8)
    return Images(image, label, torch.arange(count))


def batches(data: Images, size: int = 8) -> "DataLoader[Images]":
    cut = [
        Images(*parts) for parts in zip(*(torch.split(part, size) for part in data), strict=True)
    ]
    return DataLoader(cut, batch_size=None)  # type: ignore[arg-type]


def padded(data: Images, rows: int) -> Images:
    """Adds rows that repeat the first image, as a sampler does to fill up a batch."""
    return Images(
        torch.cat([data.image, data.image[:1].expand(rows, -1, -1, -1)]),
        torch.cat([data.label, data.label[:1].expand(rows)]),
        torch.cat([data.row, torch.full((rows,), -1)]),
    )


def mixed(data: Images) -> Images:
    soft = 0.7 * F.one_hot(data.label, 3) + 0.3 * F.one_hot(data.label.flip(0), 3)
    return Images(data.image.float() / 255, soft, data.row)


def classifier(
    backbone: nn.Module | None = None,
    loss: nn.Module | None = None,
    *,
    lr: float = 0.01,
    scheduler: Callable[..., Any] = schedules.none,
    classes: Sequence[str] = CLASSES,
) -> Classifier:
    torch.manual_seed(3)
    return Classifier(
        backbone or SmallCNN(num_classes=len(classes), width=4, depth=2),
        loss or CrossEntropy([10] * len(classes)),
        partial(torch.optim.Adam, lr=lr),
        scheduler,
        classes,
        mean=[0.5] * 3,
        std=[0.25] * 3,
    )


def trainer(folder: Path, **kwargs: Any) -> pl.Trainer:
    return pl.Trainer(
        default_root_dir=folder,
        **{
            "accelerator": "cpu",
            "max_epochs": 2,
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "log_every_n_steps": 1,
            **kwargs,
        },
    )


pytestmark = [
    # A worker process would cost more than these tensors.
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    # Some trainings here are about the training alone.
    pytest.mark.filterwarnings("ignore:.*have no `val_dataloader`"),
    # Lightning's, under recent releases of PyTorch.
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*is deprecated:FutureWarning"),
]


def test_it_learns_and_logs_every_number_once_an_epoch(tmp_path: Path) -> None:
    model, run = classifier(), trainer(tmp_path, max_epochs=6)
    run.fit(model, batches(images(60)), batches(images(20, seed=1)))
    logged = run.callback_metrics
    assert logged["val/accuracy"] > 0.8
    assert logged["train/loss"] < 1.0
    scalars = {"loss", "accuracy", "macro_recall", "macro_f1", "auroc", "calibration_error"}
    per_class = {f"{s}/{c}" for s in ["recall", "precision", "f1", "support"] for c in CLASSES}
    expected = {f"val/{name}" for name in scalars | per_class}
    expected |= {"train/loss", "train/accuracy", "train/macro_recall"}
    assert set(logged) == expected


def test_test_numbers_are_those_of_the_whole_split_with_an_uneven_last_batch(
    tmp_path: Path,
) -> None:
    model, data, run = classifier(), images(21), trainer(tmp_path)
    (numbers,) = run.test(model, batches(data), verbose=False)
    with torch.no_grad():
        logits = model.eval()(data.image)
    predicted = logits.argmax(dim=1)
    assert numbers["test/macro_recall"] == pytest.approx(
        oracle.recall_score(data.label, predicted, average="macro")
    )
    assert numbers["test/accuracy"] == pytest.approx((predicted == data.label).float().mean())
    assert numbers["test/loss"] == pytest.approx(float(F.cross_entropy(logits, data.label)))


@pytest.mark.parametrize("rows", [3, 11], ids=["part of a batch", "a whole batch"])
def test_padding_counts_nowhere(tmp_path: Path, rows: int) -> None:
    data = images(21)
    run = trainer(tmp_path)
    (plain,) = run.test(classifier(), batches(data), verbose=False)
    (filled,) = run.test(classifier(), batches(padded(data, rows)), verbose=False)
    assert filled == pytest.approx(plain, nan_ok=True)


def test_padding_does_not_train(tmp_path: Path) -> None:
    model = classifier(backbone=nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 3)))
    weight = model.backbone[1].weight.detach().clone()  # type: ignore[index]
    nothing = Images(*(part[1:] for part in padded(images(1), 8)))
    trainer(tmp_path, max_epochs=1).fit(model, batches(nothing))
    torch.testing.assert_close(model.backbone[1].weight, weight)  # type: ignore[index]


def test_steps_return_the_real_rows_for_whoever_writes_predictions() -> None:
    model, data = classifier().eval(), images(5)
    rows = model.test_step(padded(data, 3), 0)
    assert set(rows) == {"logits", "label", "row"}
    assert torch.equal(rows["row"], data.row)
    assert torch.equal(rows["label"], data.label)
    torch.testing.assert_close(rows["logits"], model(data.image).detach())


def test_metrics_can_be_read_after_the_test(tmp_path: Path) -> None:
    model = classifier()
    trainer(tmp_path).test(model, batches(images(21)), verbose=False)
    assert int(model.test_metrics.confusion().sum()) == 21


def test_one_epoch_is_reproducible_to_the_bit(tmp_path: Path) -> None:
    weights = []
    for _ in range(2):
        model = classifier()
        trainer(tmp_path, max_epochs=1).fit(model, batches(images(40)))
        weights.append(model.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_mixed_labels_train_without_an_accuracy(tmp_path: Path) -> None:
    model, run = classifier(loss=LogitAdjusted([10, 20, 30])), trainer(tmp_path)
    run.fit(model, batches(mixed(images(16))))
    assert set(run.callback_metrics) == {"train/loss"}


def test_the_training_loss_is_the_mean_over_images(tmp_path: Path) -> None:
    """With a learning rate of 0 and no dropout or batch norm, every batch sees the same network."""
    model = classifier(backbone=nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 3)), lr=0.0)
    data, run = images(13), trainer(tmp_path, max_epochs=1)
    run.fit(model, batches(data))
    expected = F.cross_entropy(model(data.image), data.label).detach()
    assert float(run.callback_metrics["train/loss"]) == pytest.approx(float(expected))


class Explodes(nn.Module):
    """Gives logits that are not numbers from some batch on."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)
        self.left = after

    def forward(self, x: Tensor) -> Tensor:
        self.left -= 1
        logits: Tensor = self.layer(x.mean(dim=(2, 3)))
        return logits if self.left >= 0 else logits * torch.nan


def test_a_loss_that_is_not_a_number_stops_before_it_reaches_the_weights(tmp_path: Path) -> None:
    model = classifier(Explodes(after=4))
    text = (
        r"finite training loss, got nan at epoch 1, global step 4, learning rate 0\.01\. "
        r"Try a lower optimizer\.lr, trainer\.gradient_clip_val=1\.0 or trainer\.precision=32-true"
    )
    with pytest.raises(TrainingError, match=text):
        trainer(tmp_path).fit(model, batches(images(24)))
    assert all(bool(p.isfinite().all()) for p in model.parameters())


def test_a_validation_loss_that_is_not_a_number_stops_too(tmp_path: Path) -> None:
    model = classifier(Explodes(after=3))
    run = trainer(tmp_path, num_sanity_val_steps=0)
    with pytest.raises(TrainingError, match=r"finite validation loss, got nan at epoch 0"):
        run.fit(model, batches(images(24)), batches(images(8)))


def test_logits_are_float32_whatever_the_precision(tmp_path: Path) -> None:
    model, run = classifier(), trainer(tmp_path, max_epochs=1, precision="bf16-mixed")
    run.fit(model, batches(images(16)), batches(images(8)))
    with torch.autocast("cpu", torch.bfloat16):
        assert model(images(4).image).dtype == torch.float32


@pytest.mark.parametrize(
    "scheduler",
    [
        partial(schedules.cosine, warmup_epochs=0.5),
        schedules.one_cycle,
        partial(schedules.step, step_epochs=1),
        schedules.plateau,
    ],
    ids=["cosine", "one_cycle", "step", "plateau"],
)
def test_every_schedule_moves_the_learning_rate(
    tmp_path: Path, scheduler: Callable[..., Any]
) -> None:
    model, run = classifier(scheduler=scheduler), trainer(tmp_path, max_epochs=8)
    data = images(16)
    run.fit(model, batches(data), batches(Images(data.image, data.label * 0, data.row)))
    assert run.optimizers[0].param_groups[0]["lr"] < 0.01 * 0.9


def test_a_schedule_counts_optimizer_steps_and_not_batches(tmp_path: Path) -> None:
    seen: list[schedules.Course] = []

    def spy(optimizer: torch.optim.Optimizer, course: schedules.Course) -> None:
        seen.append(course)

    model = classifier(scheduler=spy)
    trainer(tmp_path, accumulate_grad_batches=2).fit(model, batches(images(40)))
    # 2 epochs of 5 batches, two to a step, the last alone
    assert seen == [schedules.Course(6, 3, "val/macro_recall", "max")]


def best_checkpoint(folder: Path) -> ModelCheckpoint:
    return ModelCheckpoint(folder, monitor="val/macro_recall", mode="max", filename="best")


def trained_checkpoint(folder: Path) -> Path:
    model = classifier(scheduler=schedules.cosine)
    run = trainer(folder, enable_checkpointing=True, callbacks=[best_checkpoint(folder)])
    run.fit(model, batches(images(40)), batches(images(16)))
    return folder / "best.ckpt"


def test_a_checkpoint_holds_tensors_and_plain_values_only(tmp_path: Path) -> None:
    content = torch.load(trained_checkpoint(tmp_path), weights_only=True)
    kept = content["evenhand"]
    assert (kept["classes"], kept["monitor"]) == (CLASSES, "val/macro_recall")
    (sums,) = kept["train_metrics"]
    assert sums["confusion"]["sums"]["confmat"].sum() == 40
    assert "normalize.mean" in content["state_dict"]


def test_a_checkpoint_gives_the_numbers_of_its_epoch_again(tmp_path: Path) -> None:
    path = trained_checkpoint(tmp_path)
    run = trainer(tmp_path, enable_checkpointing=True, callbacks=[best_checkpoint(tmp_path)])
    (first,) = run.test(classifier(), batches(images(16)), ckpt_path=str(path), verbose=False)
    (again,) = run.test(classifier(), batches(images(16)), ckpt_path=str(path), verbose=False)
    best = torch.load(path, weights_only=True)["callbacks"]
    assert first == again
    assert first["test/macro_recall"] == pytest.approx(
        float(next(iter(best.values()))["best_model_score"])
    )


def test_a_checkpoint_for_other_classes_is_refused(tmp_path: Path) -> None:
    path = trained_checkpoint(tmp_path)
    model = classifier(classes=["coat", "hat", "t-shirt"])
    text = r"classes \['coat', 'hat', 't-shirt'\], got one for \['hat', 'coat', 't-shirt'\]"
    run = trainer(tmp_path, enable_checkpointing=True, callbacks=[best_checkpoint(tmp_path)])
    with pytest.raises(RunError, match=text):
        run.test(model, batches(images(8)), ckpt_path=str(path), verbose=False)


def test_class_weights_change_what_is_learned(tmp_path: Path) -> None:
    weights = []
    schemes: list[ClassWeights] = ["none", "balanced"]
    for scheme in schemes:
        model = classifier(loss=CrossEntropy([5, 50, 500], class_weights=scheme))
        trainer(tmp_path, max_epochs=1).fit(model, batches(images(16)))
        weights.append(model.backbone.get_parameter("classifier.weight"))
    assert not torch.equal(weights[0], weights[1])


def test_a_learning_rate_that_blows_up_is_stopped(tmp_path: Path) -> None:
    model = classifier(lr=math.inf)
    with pytest.raises(TrainingError, match=r"global step 1, learning rate inf"):
        trainer(tmp_path).fit(model, batches(images(24)))


@pytest.mark.slow
def test_two_ranks_measure_what_one_does_and_stop_together(tmp_path: Path) -> None:
    """The second rank's batch is not a number: the first must not wait for it for ever."""
    script = Path(__file__).with_name("two_ranks.py")
    for ranks in ["1", "2"]:
        command = [sys.executable, str(script), str(tmp_path), ranks]
        subprocess.run(command, check=True, timeout=120)
    alone, first, second = (
        json.loads((tmp_path / f"{name}.json").read_text()) for name in ["1-0", "2-0", "2-1"]
    )
    assert first["numbers"] == second["numbers"] == pytest.approx(alone["numbers"], abs=2e-6)
    assert sum(alone["numbers"][f"test/support/{c}"] for c in ["hat", "coat", "shoe"]) == 11
    assert alone["told"] == ""
    assert "got one that is not on another rank at epoch 0, global step 0" in first["told"]
    assert "got nan at epoch 0, global step 0" in second["told"]
