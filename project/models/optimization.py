"""What the optimizer is given: groups of parameters, and any of timm's optimizers by name."""

from collections.abc import Collection
from typing import Any

# timm lists them in its documentation, but not in an ``__all__``.
from timm.optim import (  # type: ignore[attr-defined]
    create_optimizer_v2,
    get_optimizer_info,
    list_optimizers,
)
from torch import nn
from torch.optim import Optimizer

from project.errors import ConfigError, ModelError, suggestion

_WRAPPING = "_fsdp_wrapped_module."  # what sharding puts between the parts of a name


def decayed_names(module: nn.Module) -> frozenset[str]:
    """Names the parameters that weight decay is for: those of two dimensions and more.

    Scales and shifts of norms and biases have one dimension; pulling them towards zero constrains
    nothing worth constraining and costs accuracy.

    Args:
        module: The network, before sharding flattens its parameters.

    Source: He et al., "Bag of Tricks for Image Classification", CVPR 2019, section 3.1.
    """
    return frozenset(name for name, value in module.named_parameters() if value.ndim > 1)


def parameter_groups(
    module: nn.Module, decayed_parameters: Collection[str]
) -> list[dict[str, Any]]:
    """Sorts trainable parameters into those that decay and those that do not.

    Frozen parameters are left out.

    Args:
        module: The network.
        decayed_parameters: See `decayed_names`.

    Returns:
        One or two groups for an optimizer; the second carries ``weight_decay: 0``.

    Raises:
        ModelError: Every parameter is frozen.
    """
    named = ((n.replace(_WRAPPING, ""), p) for n, p in module.named_parameters())
    trainable = [(name, parameter) for name, parameter in named if parameter.requires_grad]
    if not trainable:
        raise ModelError(
            "Expected parameters to train, but all of them are frozen. Unfreeze at least the head."
        )
    decayed = [parameter for name, parameter in trainable if name in decayed_parameters]
    plain = [parameter for name, parameter in trainable if name not in decayed_parameters]
    groups: list[dict[str, Any]] = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def timm_optimizer(
    parameters: list[dict[str, Any]],
    opt: str,
    lr: float,
    weight_decay: float = 0.0,
    momentum: float | None = None,
    **kwargs: Any,
) -> Optimizer:
    """Builds any of timm's optimizers, and drops nothing that was asked for.

    Args:
        parameters: Groups of parameters.
        opt: As ``timm.optim.list_optimizers()`` gives it.
        lr: Learning rate, per optimizer step.
        weight_decay: Of the groups that do not set their own.
        momentum: For the optimizers that have one; None is timm's default of 0.9.
        **kwargs: Whatever else the optimizer takes.

    Returns:
        The optimizer.

    Raises:
        ConfigError: The name is unknown or the optimizer does not take an argument.
    """
    known = [str(name) for name in list_optimizers()]
    if opt not in known:
        raise ConfigError(
            f'Expected optimizer.opt to be one of timm\'s {len(known)} optimizers, got "{opt}".'
            + suggestion(opt, known)
        )
    if momentum is not None:
        if not get_optimizer_info(opt).has_momentum:
            raise ConfigError(
                f'The optimizer "{opt}" has no momentum, got optimizer.momentum={momentum}. '
                "Set optimizer.momentum=null."
            )
        kwargs["momentum"] = momentum
    try:
        optimizer: Optimizer = create_optimizer_v2(
            parameters, opt=opt, lr=lr, weight_decay=weight_decay, **kwargs
        )
    except TypeError as error:
        raise ConfigError(
            f'The optimizer "{opt}" does not take what conf/optimizer gives it: {error}.'
        ) from error
    return optimizer
