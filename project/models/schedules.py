"""Learning-rate schedules, each a function that a configuration completes.

All take the optimizer and the course of the training, and give what Lightning expects as
``lr_scheduler``, or None. Durations are in epochs and may be fractions of one.
"""
# ruff: noqa: ARG001  every schedule is called alike, not all need what they are told

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import pytorch_lightning as pl
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, OneCycleLR, ReduceLROnPlateau, StepLR

from project.errors import ConfigError

Schedule = dict[str, Any]


@dataclass(frozen=True)
class Course:
    """What a schedule may know of the training.

    Attributes:
        total_steps: Optimizer steps in all of it; infinite where nothing limits it.
        steps_per_epoch: Optimizer steps in an epoch.
        monitor: The metric that decides which epoch is best.
        monitor_mode: Whether the best is its smallest or its largest value.
    """

    total_steps: float
    steps_per_epoch: int
    monitor: str
    monitor_mode: Literal["min", "max"]


def course_of(trainer: pl.Trainer, monitor: str, monitor_mode: Literal["min", "max"]) -> Course:
    """Finds out what a schedule may know of a training that is about to begin.

    Args:
        trainer: Of the training; gets its batches, so that it can count them.
        monitor: The metric that decides which epoch is best.
        monitor_mode: Whether the best is its smallest or its largest value.
    """
    trainer.fit_loop.setup_data()  # counts the batches of an epoch
    total_steps = trainer.estimated_stepping_batches
    batches, accumulated = trainer.num_training_batches, trainer.accumulate_grad_batches
    return Course(
        total_steps=total_steps,
        steps_per_epoch=math.ceil(batches / accumulated),
        monitor=monitor,
        monitor_mode=monitor_mode,
    )


def none(optimizer: Optimizer, course: Course) -> None:
    """Keeps the learning rate as it is.

    Args:
        optimizer: What would be scheduled.
        course: What is known of the training.
    """


def plateau(
    optimizer: Optimizer,
    course: Course,
    *,
    factor: float = 0.1,
    patience_epochs: int = 5,
    min_lr: float = 0.0,
) -> Schedule:
    """Lowers the learning rate whenever the monitored metric has stopped improving.

    Args:
        optimizer: What is scheduled.
        course: What is known of the training.
        factor: The learning rate is multiplied by this, in (0, 1).
        patience_epochs: Epochs without improvement that are put up with.
        min_lr: The learning rate never falls below this, nor that of a layer below its share.

    Returns:
        Lightning's configuration of the scheduler.
    """
    scheduler = ReduceLROnPlateau(
        optimizer,
        mode=course.monitor_mode,
        factor=factor,
        patience=patience_epochs,
        # Layers that learn at a share of the rate stop at that share of the least one, and none
        # stops because its step has become small.
        min_lr=[min_lr * group.get("lr_scale", 1.0) for group in optimizer.param_groups],
        eps=0.0,
    )
    return {"scheduler": scheduler, "interval": "epoch", "monitor": course.monitor}


def cosine(
    optimizer: Optimizer,
    course: Course,
    *,
    warmup_epochs: float = 0.0,
    min_lr_fraction: float = 0.0,
) -> Schedule:
    """Raises the learning rate linearly, then lowers it along half a cosine, step by step.

    Args:
        optimizer: What is scheduled; its learning rate is the peak.
        course: What is known of the training.
        warmup_epochs: Length of the rise.
        min_lr_fraction: Where the cosine ends, as a share of the peak, in [0, 1].

    Returns:
        Lightning's configuration of the scheduler.

    Raises:
        ConfigError: The training has no end, or the rise is longer than the training.

    Source: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR
    2017, equation 5, without restarts.
    """
    total = _finite(course, "cosine")
    warmup = round(warmup_epochs * course.steps_per_epoch)
    if warmup > total:
        raise ConfigError(
            f"Expected a warm-up within the training, got scheduler.warmup_epochs={warmup_epochs}, "
            f"that is {warmup} of {total} optimizer steps. Lower it, or raise trainer.max_epochs."
        )
    share = partial(
        cosine_share, warmup_steps=warmup, total_steps=total, min_lr_fraction=min_lr_fraction
    )
    return {"scheduler": LambdaLR(optimizer, share), "interval": "step"}


def cosine_share(
    step: int, *, warmup_steps: int, total_steps: int, min_lr_fraction: float
) -> float:
    """Gives the share of the peak learning rate that one optimizer step is taken with.

    Args:
        step: Optimizer steps taken before.
        warmup_steps: The last of them is the first at the peak.
        total_steps: The last of them is taken just above the minimum.
        min_lr_fraction: The minimum, reached when the training is over.

    Returns:
        A share in (0, 1].

    Example:
        >>> schedule = dict(warmup_steps=2, total_steps=6, min_lr_fraction=0.0)
        >>> [round(cosine_share(step, **schedule), 3) for step in range(6)]
        [0.5, 1.0, 1.0, 0.854, 0.5, 0.146]
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = min((step - warmup_steps) / max(total_steps - warmup_steps, 1), 1.0)
    return min_lr_fraction + (1 - min_lr_fraction) * 0.5 * (1 + math.cos(math.pi * progress))


def one_cycle(
    optimizer: Optimizer,
    course: Course,
    *,
    warmup_fraction: float = 0.3,
    start_lr_fraction: float = 0.04,
    end_lr_fraction: float = 4e-6,
    cycle_momentum: bool = False,
) -> Schedule:
    """Raises the learning rate from low to the peak and lowers it to almost nothing.

    Args:
        optimizer: What is scheduled; its learning rate is the peak.
        course: What is known of the training.
        warmup_fraction: Share of the training that rises, in (0, 1).
        start_lr_fraction: First learning rate, as a share of the peak.
        end_lr_fraction: Last learning rate, as a share of the peak.
        cycle_momentum: Lower the momentum while the learning rate rises, and back.

    Returns:
        Lightning's configuration of the scheduler.

    Raises:
        ConfigError: The training has no end, or ``warmup_fraction`` is out of range.

    Source: Smith and Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large
    Learning Rates", 2017.
    """
    if not 0 < warmup_fraction < 1:
        raise ConfigError(f"Expected scheduler.warmup_fraction in (0, 1), got {warmup_fraction}.")
    # PyTorch divides by zero where either side of the cycle has no step.
    total = max(_finite(course, "one_cycle"), 3)
    warmup = min(max(warmup_fraction * total, 1.5), total - 1)
    scheduler = OneCycleLR(
        optimizer,
        max_lr=[group["lr"] for group in optimizer.param_groups],
        total_steps=total,
        pct_start=warmup / total,
        div_factor=1 / start_lr_fraction,
        final_div_factor=start_lr_fraction / end_lr_fraction,
        cycle_momentum=cycle_momentum,
    )
    return {"scheduler": scheduler, "interval": "step"}


def step(
    optimizer: Optimizer,
    course: Course,
    *,
    step_epochs: int = 10,
    gamma: float = 0.1,
) -> Schedule:
    """Multiplies the learning rate by a constant every few epochs.

    Args:
        optimizer: What is scheduled.
        course: What is known of the training.
        step_epochs: Epochs between two changes.
        gamma: The factor.

    Returns:
        Lightning's configuration of the scheduler.
    """
    return {"scheduler": StepLR(optimizer, step_epochs, gamma=gamma), "interval": "epoch"}


def _finite(course: Course, schedule: str) -> int:
    if math.isinf(course.total_steps):
        raise ConfigError(
            f"Expected a training of known length for scheduler={schedule}, got "
            "trainer.max_epochs=-1. Set trainer.max_epochs or trainer.max_steps."
        )
    return int(course.total_steps)
