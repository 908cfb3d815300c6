"""What the optimizer is given: groups of parameters, and any of timm's optimizers by name."""

from collections.abc import Collection, Mapping
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
from project.models.finetuning.layers import Layer

UNDECAYED = "/undecayed"
"""Ends the name of a group that learns as another one does, but whose weights do not decay."""
_WRAPPING = "_fsdp_wrapped_module."  # what sharding puts between the parts of a name
_REST = Layer("rest", 1.0)


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
    module: nn.Module,
    decayed_parameters: Collection[str],
    trained: Collection[str] | None = None,
    layers: Mapping[str, Layer] | None = None,
) -> list[dict[str, Any]]:
    """Sorts parameters into those that decay and those that do not, by layers if these differ.

    Args:
        module: The network.
        decayed_parameters: See `decayed_names`.
        trained: Names of the parameters that are trained, now or later; None: those that are not
            frozen. The others are left out.
        layers: What learns at a speed of its own, by the name of the parameter; the rest learns at
            full speed, as a layer named ``rest``. None: all do.

    Returns:
        Groups for an optimizer, from the head down; those that do not decay carry
        ``weight_decay: 0``, and with layers all have a ``name`` and ``lr_scale``, see
        `scale_learning_rates`.

    Raises:
        ModelError: Every parameter is frozen.
    """
    groups: dict[tuple[Layer, bool], list[nn.Parameter]] = {}
    for wrapped, parameter in module.named_parameters():
        name = wrapped.replace(_WRAPPING, "")
        if parameter.requires_grad if trained is None else name in trained:
            layer = layers.get(name, _REST) if layers is not None else _REST
            groups.setdefault((layer, name in decayed_parameters), []).append(parameter)
    if not groups:
        raise ModelError(
            "Expected parameters to train, but all of them are frozen. Unfreeze at least the head."
        )
    ordered = sorted(groups, key=lambda key: (-key[0].lr_scale, key[0].name, not key[1]))
    return [
        {"params": groups[layer, decays]}
        | ({} if decays else {"weight_decay": 0.0})
        | ({} if layers is None else _speed(layer, twin=not decays and (layer, True) in groups))
        for layer, decays in ordered
    ]


def _speed(layer: Layer, *, twin: bool) -> dict[str, Any]:
    return {"name": layer.name + UNDECAYED * twin, "lr_scale": layer.lr_scale}


def scale_learning_rates(optimizer: Optimizer) -> None:
    """Gives each layer its share of the learning rate; schedules then keep the ratios.

    Args:
        optimizer: Has the groups of `parameter_groups`, and no schedule yet.
    """
    for group in optimizer.param_groups:
        group["lr"] *= group.get("lr_scale", 1.0)


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
