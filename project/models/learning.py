"""Which parameters of a classifier learn when, and how fast."""

from typing import Any

from torch import nn

from project.errors import ModelError
from project.models.finetuning.layers import Layer, decaying_layers
from project.models.finetuning.plans import FineTuning
from project.models.finetuning.stages import Stages
from project.models.optimization import decayed_names, parameter_groups


class Learning:
    """Holds a network to a plan of fine-tuning.

    Of a module that has the network as its ``backbone``, and perhaps parameters beside it, which
    always learn. The module is not kept. What is not trained at first is frozen at once, before
    anything asks what has a gradient.

    Args:
        module: The module, in training.
        plan: Which layers are trained when and how fast.
        with_auxiliary: Whether auxiliary heads help the network to learn.

    Raises:
        ModelError: The network has fewer layers than are to thaw one after the other, or layers
            are to be frozen beside auxiliary heads.
    """

    def __init__(self, module: nn.Module, plan: FineTuning, *, with_auxiliary: bool) -> None:
        if plan.freezes and with_auxiliary:
            raise ModelError(
                "Expected all of the network to be trained where auxiliary heads help it to learn, "
                "got model.aux_logits=true and layers that are frozen. Set it to false, or take "
                "finetune=none."
            )
        backbone = module.get_submodule("backbone")
        self._decayed = decayed_names(module)
        self._stages: Stages | None = None
        self._layers: dict[str, Layer] | None = None
        if plan.freezes:
            self._stages = Stages(backbone, plan)
            self._stages.begin(backbone, 0)
        if plan.layer_decay != 1:
            layers = decaying_layers(backbone, plan.layer_decay)
            self._layers = {f"backbone.{name}": layer for name, layer in layers.items()}

    def __str__(self) -> str:
        """Which layers are trained now, or how fast; nothing if all are, alike."""
        if self._stages is not None:
            return str(self._stages)
        layers = dict.fromkeys((self._layers or {}).values())
        speeds = ", ".join(f"x {layer.lr_scale:.3g} in {layer.name}" for layer in layers)
        return speeds and f"learning rate {speeds}"

    @property
    def freezes(self) -> bool:
        """Whether layers are frozen at some time."""
        return self._stages is not None

    def begin(self, backbone: nn.Module, epoch: int) -> bool:
        """Freezes and thaws the layers that an epoch asks for.

        Args:
            backbone: The network, in training.
            epoch: From 0.

        Returns:
            Whether that changed anything.
        """
        return self._stages is not None and self._stages.begin(backbone, epoch)

    def hold(self, backbone: nn.Module) -> None:
        """Has what is frozen behave as in an evaluation, whatever it was told.

        Args:
            backbone: The network, in training.
        """
        if self._stages is not None:
            self._stages.hold(backbone)

    def groups(self, module: nn.Module) -> list[dict[str, Any]]:
        """Sorts the parameters that are trained now or later for an optimizer.

        Args:
            module: The module, wrapped or not; see `project.models.optimization.parameter_groups`.

        Raises:
            ModelError: Every parameter is frozen.
        """
        return parameter_groups(module, self._decayed, self._trained_names(module), self._layers)

    def _trained_names(self, module: nn.Module) -> set[str] | None:
        """Names of what is trained now or later, where that is not all that has a gradient."""
        if self._stages is None:
            return None
        others = [name for name, value in module.named_parameters() if value.requires_grad]
        return {*others, *(f"backbone.{name}" for name in self._stages.names)}
