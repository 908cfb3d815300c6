"""Looks on while a model is trained, and keeps the numbers that diagnoses need."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from project.callbacks.diagnoses.seen import Seen, Validation

STATE = "evenhand_diagnoses"
"""Key, in a checkpoint, of what was seen."""

_PARTS = 10  # of an epoch
_STEPS_OF_A_PART = 5  # at least: a single batch is noise
_STACKED = 1024  # losses on the device that become one tensor
_WITH_WEIGHTS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Bilinear)
_NOTHING = {"Identity", "Flatten", "Unflatten"}


class Watch(pl.Callback):
    """Keeps the losses of steps, the answers to validation photos, and which units stay silent.

    Nothing waits for the device within an epoch: numbers add up where they are. Those of all
    processes are brought together at its end. What was seen is part of checkpoints, those in the
    midst of an epoch too, so that a run that goes on sees what one does that was never stopped.
    """

    def __init__(self) -> None:
        self._validations: list[Validation] = []
        self._epochs: list[list[float]] = []
        self._first_loss: float | None = None
        self._steps = 0
        self._tail: list[str] = []
        self._auxiliary = 0
        self._averaged = False
        self._earlier: list[float] = []  # of this epoch, before it was gone on with
        self._stacks: list[Tensor] = []
        self._losses: list[Tensor] = []
        self._woken: dict[str, Tensor] = {}
        self._last_layer = ""
        self._handles: list[RemovableHandle] = []

    @property
    def seen(self) -> Seen:
        """What was seen so far; complete after the last epoch."""
        return Seen(
            validations=tuple(self._validations),
            losses=tuple(tuple(parts) for parts in self._epochs),
            first_loss=np.nan if self._first_loss is None else self._first_loss,
            steps=self._steps,
            tail=tuple(self._tail),
            auxiliary=self._auxiliary,
            averaged=self._averaged,
        )

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Has the next batch tell what stands between the last layer with weights and the loss."""
        callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
        self._averaged = any(isinstance(callback, WeightAveraging) for callback in callbacks)
        backbone = _open(pl_module)
        if backbone is not None:
            calls: list[str] = []
            self._handles = [
                module.register_forward_hook(_noting(calls))
                for module in backbone.modules()
                if not list(module.children())
            ]
            self._handles.append(backbone.register_forward_hook(self._keep_tail(calls)))

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        """Keeps the loss of the step, where it is."""
        del trainer
        loss = getattr(pl_module, "step_loss", None)
        if loss is not None:
            self._losses.append(loss)
            if len(self._losses) == _STACKED:
                self._stack()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Sums the losses of the epoch up."""
        del pl_module
        losses = self._losses_of_epoch(trainer)
        if losses and not self._steps:
            self._first_loss = losses[0]
        self._steps += len(losses)
        self._epochs.append(_means(losses))
        self._earlier, self._stacks, self._losses = [], [], []

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begins to look for units that no photo wakes."""
        backbone = _open(pl_module)
        if not _is_of_training(trainer) or backbone is None:
            return
        self._woken, self._last_layer = {}, ""
        classes = len(pl_module.classes)  # type: ignore[arg-type]
        self._handles = [
            module.register_forward_pre_hook(self._note_inputs(name))
            for name, module in backbone.named_modules()
            if _outputs(module) == classes
        ]

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keeps what all processes together have seen."""
        if not _is_of_training(trainer):
            return
        self._let_go()
        confusion: Tensor = pl_module.val_metrics.confusion().cpu()  # type: ignore[operator,union-attr]
        units = dead = 0
        if self._last_layer:
            woken = trainer.strategy.reduce(self._woken[self._last_layer].int(), reduce_op="max")
            units, dead = woken.numel(), int((woken == 0).sum())
        self._woken = {}
        self._validations.append(
            Validation(
                epoch=trainer.current_epoch,
                predicted=tuple(confusion.sum(dim=0).tolist()),
                support=tuple(confusion.sum(dim=1).tolist()),
                units=units,
                dead=dead,
            )
        )

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Adds what was seen, as plain values."""
        del pl_module
        checkpoint[STATE] = {
            "validations": [
                [v.epoch, list(v.predicted), list(v.support), v.units, v.dead]
                for v in self._validations
            ],
            "epochs": [list(parts) for parts in self._epochs],
            "first_loss": self._first_loss,
            "steps": self._steps,
            "tail": list(self._tail),
            "auxiliary": self._auxiliary,
            "losses": self._losses_of_epoch(trainer),
        }

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Goes on; the weights of the best epoch are loaded for a test, which changes nothing."""
        del pl_module
        if trainer.state.fn != "fit" or STATE not in checkpoint:
            return
        state = checkpoint[STATE]
        self._validations = [
            Validation(epoch, tuple(predicted), tuple(support), units, dead)
            for epoch, predicted, support, units, dead in state["validations"]
        ]
        self._epochs = [list(parts) for parts in state["epochs"]]
        self._first_loss, self._steps = state["first_loss"], state["steps"]
        self._tail, self._earlier = list(state["tail"]), list(state["losses"])
        self._auxiliary = state["auxiliary"]

    def _keep_tail(self, calls: list[str]) -> Callable[..., None]:
        def keep(_: nn.Module, __: Any, output: Any) -> None:
            self._tail = list(calls)
            others = output[1:] if isinstance(output, tuple) else ()
            self._auxiliary = sum(logits is not None for logits in others)
            self._let_go()

        return keep

    def _note_inputs(self, name: str) -> Callable[..., None]:
        def note(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            here = _woken(module, inputs[0].detach())
            self._woken[name] = here | self._woken[name] if name in self._woken else here
            self._last_layer = name  # the one that is called last

        return note

    def _let_go(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def _stack(self) -> None:
        self._stacks.append(torch.stack(self._losses))
        self._losses = []

    def _losses_of_epoch(self, trainer: pl.Trainer) -> list[float]:
        """Of each step the mean over processes; all of them must call this together."""
        if self._losses:
            self._stack()
        if not self._stacks:
            return self._earlier
        mine = torch.cat(self._stacks)  # a copy: processes are averaged in place
        return self._earlier + trainer.strategy.reduce(mine, reduce_op="mean").tolist()


def _open(module: pl.LightningModule) -> nn.Module | None:
    """The backbone, unless it is compiled: what hooks do would be compiled with it."""
    backbone = getattr(module, "backbone", None)
    compiled = getattr(backbone, "_compiled_call_impl", None) is not None
    return None if compiled else backbone


def _is_of_training(trainer: pl.Trainer) -> bool:
    return trainer.state.fn == "fit" and not trainer.sanity_checking


def _noting(calls: list[str]) -> Callable[..., None]:
    def note(module: nn.Module, *_: Any) -> None:
        if isinstance(module, _WITH_WEIGHTS):
            calls.clear()
        elif type(module).__name__ not in _NOTHING:
            calls.append(type(module).__name__)

    return note


def _outputs(module: nn.Module) -> int:
    """Length of what a layer with weights gives; 0 for other modules."""
    if isinstance(module, nn.Linear):
        return module.out_features
    return module.out_channels if isinstance(module, nn.Conv2d) else 0


def _woken(module: nn.Module, inputs: Tensor) -> Tensor:
    """Which units are not 0 for some photo, bool ``(F,)``."""
    units = 1 if isinstance(module, nn.Conv2d) and inputs.ndim > 1 else inputs.ndim - 1
    return (inputs != 0).movedim(units, 0).flatten(1).any(dim=1)


def _means(losses: Sequence[float]) -> list[float]:
    """Mean losses of up to ten parts of an epoch."""
    if not losses:
        return []
    parts = max(1, min(_PARTS, len(losses) // _STEPS_OF_A_PART))
    return [float(np.mean(part)) for part in np.array_split(np.array(losses), parts)]
