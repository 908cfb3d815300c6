"""Has the layers of a network thaw at their epochs, and shows how fast each learns."""

import logging
from typing import Any, Protocol, cast

import pytorch_lightning as pl
from pytorch_lightning.callbacks import LearningRateMonitor
from pytorch_lightning.strategies import DDPStrategy, FSDPStrategy
from torch.optim import Optimizer

from project.errors import ConfigError

log = logging.getLogger(__name__)


class Thawing(Protocol):
    """What a module offers that is trained layer by layer."""

    @property
    def freezes(self) -> bool:
        """Whether anything is frozen at some time."""

    def thaw(self, epoch: int) -> bool:
        """Freezes and thaws what the epoch asks for; tells whether that changed anything."""

    def learning(self) -> str:
        """What is trained now, in words; nothing if that is all of it, alike."""


class Unfreezing(pl.Callback):
    """Begins every epoch with the layers trained that its plan says, on all processes alike.

    Lightning's own callback gives an optimizer new groups of parameters later, which schedules do
    not know of. Here the optimizer has all of them from the beginning, and passes over what has no
    gradient yet.

    Args:
        pretrained: Whether the network started from weights that are worth keeping, as far as the
            configuration says.
    """

    def __init__(self, *, pretrained: bool) -> None:
        self._pretrained = pretrained
        self._said = ""

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Refuses what cannot be frozen, before anything is trained.

        Raises:
            ConfigError: The network is to be spread over devices and to be frozen in part.
        """
        module = cast("Thawing", pl_module)
        if stage != "fit" or not module.freezes:
            return
        if isinstance(trainer.strategy, FSDPStrategy):
            raise ConfigError(
                "finetune: expected a trainer that has the whole network on each device, as "
                "trainer=ddp, to freeze layers, got trainer.strategy=FSDPStrategy. Take another "
                "trainer, or finetune=none or discriminative."
            )
        if not self._pretrained and trainer.is_global_zero:
            log.warning(
                "finetune: layers are frozen, but nothing says that the network was pretrained: "
                "frozen, they stay as they were drawn. Start from model.pretrained=true or "
                "model.checkpoint_path=<file or run directory>."
            )

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Takes up an epoch that was begun before, and says what is trained."""
        self._begin(trainer, pl_module)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Thaws what is due."""
        self._begin(trainer, pl_module)

    def _begin(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        module = cast("Thawing", pl_module)
        if module.thaw(trainer.current_epoch):
            _reduce_what_is_trained(trainer)
        told = module.learning()
        if told != self._said and trainer.is_global_zero:
            log.info("Fine-tuning from epoch %d on: %s.", trainer.current_epoch, told)
        self._said = told


def _reduce_what_is_trained(trainer: pl.Trainer) -> None:
    """Has processes exchange the gradients that there are now.

    DDP notes when it is made which parameters need one, and would wait for no others. To have it
    look for missing gradients in every step instead would cost as much as a walk over the graph.
    """
    strategy = trainer.strategy
    if isinstance(strategy, DDPStrategy):
        strategy.model = pl_module = trainer.lightning_module
        assert pl_module is not None
        strategy.configure_ddp()


class LearningRates(LearningRateMonitor):
    """Logs one learning rate for each speed that layers learn at."""

    def _get_optimizer_stats(self, optimizer: Optimizer, names: list[str]) -> dict[str, Any]:
        stats: dict[str, Any] = super()._get_optimizer_stats(optimizer, names)
        return {name: value for name, value in stats.items() if "/undecayed" not in name}
