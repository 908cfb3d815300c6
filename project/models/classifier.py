"""The training loop's view of a model: batches in, loss, metrics and predictions out."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, Self

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torchmetrics import Metric

from project.models import checkpoint as checkpoints
from project.models.batch import PADDING, Batch
from project.models.finetuning.plans import FineTuning
from project.models.finiteness import Losses, not_finite
from project.models.learning import Learning
from project.models.logits import all_logits
from project.models.metrics import (
    ClassificationMetrics,
    Confusion,
    MeanLoss,
    add_batch,
    overall_scores,
)
from project.models.normalize import Normalize
from project.models.optimization import scale_learning_rates
from project.models.randomness import seed_step
from project.models.ranks import largest
from project.models.schedules import course_of


def _calm() -> int:
    """Nothing is urgent."""
    return 0


class Classifier(pl.LightningModule):
    """Trains a backbone and measures it.

    Logs once an epoch: ``train/loss`` and, where labels are not mixed, ``train/accuracy`` and
    ``train/macro_recall``; ``val/loss`` or ``test/loss`` and all of
    ``project.models.metrics.ClassificationMetrics``. Metrics keep their values
    until the next epoch of their kind begins, so callbacks can read them at its end.

    Args:
        backbone: From normalised images ``(B, 3, H, W)`` to logits ``(B, C)``.
        loss: From logits and targets to a scalar, the mean over images.
        optimizer: From groups of parameters to an optimizer.
        scheduler: See ``project.models.schedules``.
        classes: Names of the classes, in the order of the logits.
        mean: Of the images, one value a channel on the scale [0, 1].
        std: Of the images, likewise.
        monitor: The metric that decides which epoch is best.
        monitor_mode: Whether the best is its smallest or its largest value.
        seed: Of what the network draws while it learns, such as dropout.
        finetuning: Which layers are trained when and how fast; None: all, alike.
        aux_weight: What the loss of each auxiliary head counts beside that of the logits; None: the
            backbone has none.

    Raises:
        ModelError: The backbone has fewer layers than are to thaw one after the other, or layers
            are to be frozen beside auxiliary heads.

    Attributes:
        urgency: Says how urgently training is to be saved or stopped; whoever trains may set it.
        agreed_urgency: The largest that any process said in the last step.
        step_loss: Of the last training batch, where it was computed.
        test_stage: Names what is tested on, in the names of its metrics.
    """

    urgency: Callable[[], int]

    def __init__(
        self,
        backbone: nn.Module,
        loss: nn.Module,
        optimizer: Callable[[list[dict[str, Any]]], Optimizer],
        scheduler: Callable[..., dict[str, Any] | None],
        classes: Sequence[str],
        mean: Sequence[float],
        std: Sequence[float],
        monitor: str = "val/macro_recall",
        monitor_mode: Literal["min", "max"] = "max",
        seed: int = 0,
        finetuning: FineTuning | None = None,
        aux_weight: float | None = None,
    ) -> None:
        super().__init__()
        self.normalize = Normalize(mean, std)
        self.backbone = backbone
        self.loss = loss
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.classes = tuple(classes)
        self.monitor = monitor
        self.monitor_mode = monitor_mode
        self.seed = seed
        self.aux_weight = aux_weight
        self.urgency = _calm
        self.agreed_urgency = 0
        self._has_auxiliary = aux_weight is not None
        plan = finetuning or FineTuning()
        self._learning = Learning(self, plan, with_auxiliary=self._has_auxiliary)
        self.train_loss, self.val_loss, self.test_loss = MeanLoss(), MeanLoss(), MeanLoss()
        self.train_confusion = Confusion(len(self.classes))
        self.val_metrics = ClassificationMetrics(self.classes)
        self.test_metrics = ClassificationMetrics(self.classes)
        self.step_loss: Tensor | None = None
        self.test_stage = "test"
        self._losses = Losses()
        self._unfinished: list[checkpoints.Sums] = []

    def __setattr__(self, name: str, value: Any) -> None:
        """Does without torch's search for parameters where Lightning notes which hook it is in.

        It does so 40 times a step, and torch takes two microseconds each time.
        """
        if name == "_current_fx_name":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    @property
    def freezes(self) -> bool:
        """Whether layers are frozen at some time."""
        return self._learning.freezes

    def train(self, mode: bool = True) -> Self:
        """Trains or evaluates from now on; what is frozen behaves as in an evaluation."""
        super().train(mode)
        if mode:
            self._learning.hold(self.backbone)
        return self

    def thaw(self, epoch: int) -> bool:
        """Freezes and thaws the layers that an epoch asks for.

        Args:
            epoch: From 0.

        Returns:
            Whether that changed anything.
        """
        return self._learning.begin(self.backbone, epoch)

    def learning(self) -> str:
        """Tells which layers are trained now, or how fast; nothing if all are, alike."""
        return str(self._learning)

    def forward(self, images: Tensor) -> Tensor:
        """Classifies images.

        Args:
            images: ``(B, 3, H, W)``, uint8 in [0, 255] or floating point in [0, 1].

        Returns:
            Logits, float32 ``(B, C)`` whatever precision the backbone computed in.

        Raises:
            ModelError: The backbone's output is not one logit for each class.
        """
        return self._all_logits(images)[0]

    def _all_logits(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The logits and, in training, those of auxiliary heads."""
        images, classes = self.normalize(images), len(self.classes)
        return all_logits(self.backbone, images, classes, with_auxiliary=self._has_auxiliary)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:  # noqa: ARG002
        """Gives the loss of one batch.

        Raises:
            TrainingError: It is not finite; on a GPU, which is not waited for, some steps later and
                before anything is saved.
        """
        loss, rows = self._shared_step(batch, self.train_loss)
        self.step_loss = loss.detach()
        self._stop_unless_finite(self.step_loss)
        if not rows["label"].is_floating_point():
            add_batch(self.train_confusion, rows["logits"], rows["label"])
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:  # noqa: ARG002
        """Measures one batch and gives ``logits``, ``label`` and ``row`` of its real rows."""
        _, rows = self._shared_step(batch, self.val_loss)
        self.val_metrics.update(rows["logits"], rows["label"])
        return rows

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:  # noqa: ARG002
        """Measures one batch and gives ``logits``, ``label`` and ``row`` of its real rows."""
        _, rows = self._shared_step(batch, self.test_loss)
        self.test_metrics.update(rows["logits"], rows["label"])
        return rows

    def on_train_start(self) -> None:
        """Goes on with the sums of an epoch that was begun before."""
        if self._unfinished:
            mine = self._unfinished[self.trainer.global_rank]
            checkpoints.restore(self._epoch_metrics(), mine)
            self._unfinished = []

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Has every step draw its own numbers, whatever was drawn before it in this process."""
        del batch
        seed_step(self.seed, self.current_epoch, batch_idx, self.global_rank)

    def on_train_epoch_start(self) -> None:
        """Forgets the epoch before."""
        self.train_loss.reset()
        self.train_confusion.reset()

    def on_validation_epoch_start(self) -> None:
        """Forgets the validation before."""
        self.val_loss.reset()
        self.val_metrics.reset()

    def on_test_epoch_start(self) -> None:
        """Forgets the test before."""
        self.test_loss.reset()
        self.test_metrics.reset()

    def on_train_epoch_end(self) -> None:
        """Logs the epoch's training numbers.

        Raises:
            TrainingError: The loss of a step was not finite.
        """
        self._losses.check(wait=True)
        numbers = {"loss": float(self.train_loss.compute())}
        if self.train_confusion.update_called:  # never with mixed labels
            scores = overall_scores(self.train_confusion.compute())
            numbers |= {name: scores[name] for name in ("accuracy", "macro_recall")}
        self._log_epoch("train", numbers)

    def on_validation_epoch_end(self) -> None:
        """Logs the validation's numbers.

        Raises:
            TrainingError: The loss is not finite: the last steps ruined the weights.
        """
        loss = float(self.val_loss.compute())
        if not math.isfinite(loss):
            raise not_finite("validation", loss, self._position())
        self._log_epoch("val", {"loss": loss} | self.val_metrics.compute())

    def on_test_epoch_end(self) -> None:
        """Logs the test's numbers."""
        loss = float(self.test_loss.compute())
        self._log_epoch(self.test_stage, {"loss": loss} | self.test_metrics.compute())

    def configure_optimizers(self) -> Any:
        """Builds the optimizer and, unless there is none, its schedule."""
        optimizer = self.optimizer(self._learning.groups(self))
        scale_learning_rates(optimizer)
        course = course_of(self.trainer, self.monitor, self.monitor_mode)
        schedule = self.scheduler(optimizer, course)
        if schedule is None:
            return optimizer
        if isinstance(schedule["scheduler"], ReduceLROnPlateau):  # reads what validations measure
            schedule.setdefault("frequency", self.trainer.check_val_every_n_epoch or 1)
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds classes and sums, as plain values: the file loads with ``weights_only=True``.

        Raises:
            TrainingError: The loss of a step was not finite, so the weights are not worth saving.
        """
        self._losses.check(wait=True)
        checkpoints.keep(
            checkpoint, self.classes, self.monitor, self._epoch_metrics(), self.trainer
        )

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Checks that the checkpoint's logits mean the same classes, and takes its sums up.

        Raises:
            RunError: They do not, or the file is not a checkpoint of a run.
        """
        sums = checkpoints.sums_kept(checkpoint, self.classes)
        if self.trainer.training:
            self._unfinished = sums

    def _shared_step(self, batch: Batch, mean_loss: MeanLoss) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss with gradient, and detached logits, labels and indices, of all but padding."""
        logits, auxiliary = self._all_logits(batch.image)
        label, row = batch.label, batch.row
        if self._is_padded(row):  # how many rows are left is known only where they are
            real = row != PADDING
            logits, label, row = logits[real], label[real], row[real]
            auxiliary = [one[real] for one in auxiliary]
        loss = self._loss_of(logits, label)
        for one in auxiliary:
            loss = loss + (self.aux_weight or 0) * self._loss_of(one, label)
        add_batch(mean_loss, loss.detach(), len(logits))
        return loss, {"logits": logits.detach(), "label": label, "row": row}

    def _loss_of(self, logits: Tensor, label: Tensor) -> Tensor:
        # A batch of nothing but padding still takes part in the backward pass of its rank.
        loss: Tensor = self.loss(logits, label) if len(logits) else logits.sum()
        return loss

    def _is_padded(self, row: Tensor) -> bool:
        if row.is_cpu:
            return bool((row == PADDING).any())
        # To look would be to wait for the device. Only what is evaluated is filled up, and only
        # where several processes share it.
        return self.trainer.world_size > 1 and not self.trainer.training

    def _stop_unless_finite(self, loss: Tensor) -> None:
        if self.trainer.world_size == 1:
            self._losses.add(loss, self._position())
            self._losses.check()
            return
        # Costs one wait for the device a step and a reduction of two numbers: a rank that raised
        # alone would leave the others waiting for its gradients, and one that saved alone for its
        # part.
        diverged, self.agreed_urgency = largest(
            self.trainer, int(not torch.isfinite(loss)), int(self.urgency())
        )
        if diverged:
            raise not_finite("training", float(loss), self._position())

    def _epoch_metrics(self) -> dict[str, Metric]:
        """What adds up over a training epoch."""
        return {"loss": self.train_loss, "confusion": self.train_confusion}

    def _position(self) -> str:
        """Where training is, in words."""
        optimizers = self.trainer.optimizers
        rate = f", learning rate {optimizers[0].param_groups[0]['lr']:g}" if optimizers else ""
        return f"epoch {self.current_epoch}, global step {self.global_step}{rate}"

    def _log_epoch(self, stage: str, numbers: dict[str, float]) -> None:
        # Already equal on all ranks; the maximum of equals leaves them exactly as they are.
        named = {f"{stage}/{name}": value for name, value in numbers.items()}
        self.log_dict(named, sync_dist=True, reduce_fx="max")
