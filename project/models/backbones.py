"""Backbones by name: anything that timm or torchvision can build, with a head for our classes."""

import logging
from contextlib import nullcontext
from functools import partial
from typing import Any, Literal, get_args

import timm
import torch
import torchvision
from torch import nn
from torchvision.models import Inception3

from project.errors import ModelError, suggestion
from project.models.batch_norm import BatchNorm, convert_batch_norm
from project.models.features import last_layer
from project.models.weights import fetching

logger = logging.getLogger(__name__)

# Torchvision networks whose training forward returns auxiliary logits unless told otherwise.
WITH_AUXILIARY_LOGITS = ("googlenet", "inception_v3")
# Where timm finds models that are not its own.
TIMM_SOURCES = ("hf-hub:", "local-dir:")

MemoryFormat = Literal["contiguous", "channels_last"]
MEMORY_FORMATS: tuple[MemoryFormat, ...] = get_args(MemoryFormat)
# What torch.compile knows to try; reduce-overhead records CUDA graphs.
COMPILE_MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")
PREPARATION = ("compile", "memory_format", "batch_norm")
"""What `prepare_backbone` takes for any network, and the network itself does not."""
COMPLETION = ("head", "checkpoint_path", "aux_weight")
"""What is done for any network once it is built, and the network itself does not take."""


def timm_backbone(
    name: str,
    num_classes: int,
    in_chans: int = 3,
    pretrained: bool = False,
    drop_rate: float = 0.0,
    **kwargs: Any,
) -> nn.Module:
    """Builds any of timm's networks.

    Args:
        name: As ``timm.list_models()`` gives it, with or without a tag such as ``.a1_in1k``; or a
            source that timm knows, such as ``hf-hub:<owner>/<model>``.
        num_classes: Length of the logits.
        in_chans: Channels of the images.
        pretrained: Start from the weights that timm publishes for the name.
        drop_rate: Share of features dropped before the head, in [0, 1).
        **kwargs: Whatever else the network takes.

    Returns:
        A network from ``(B, in_chans, H, W)`` to logits ``(B, num_classes)``.

    Raises:
        ModelError: The name is unknown, an argument does not exist for this network, or its weights
            cannot be had.
    """
    elsewhere = name.startswith(TIMM_SOURCES)
    if not elsewhere and not _is_in_timm(name):
        raise _unknown("timm", name, timm.list_models() + timm.list_pretrained())
    arguments = {
        "pretrained": pretrained,
        "num_classes": num_classes,
        "in_chans": in_chans,
        "drop_rate": drop_rate,
        **kwargs,
    }
    with fetching(name) if pretrained or elsewhere else nullcontext():
        return _built("timm", name, timm.create_model, arguments)


def torchvision_backbone(
    name: str,
    num_classes: int,
    pretrained: bool = False,
    **kwargs: Any,
) -> nn.Module:
    """Builds any of torchvision's classification networks.

    Auxiliary outputs (GoogLeNet, Inception) are off unless ``aux_logits`` asks for them: every
    network returns plain logits, at least in evaluation.

    Args:
        name: As ``torchvision.models.list_models(module=torchvision.models)`` gives it.
        num_classes: Length of the logits.
        pretrained: Start from torchvision's default weights, with a fresh head.
        **kwargs: Whatever else the network takes.

    Returns:
        A network from ``(B, 3, H, W)`` to logits ``(B, num_classes)``.

    Raises:
        ModelError: The name is unknown, an argument does not exist for this network, its weights
            cannot be had, or auxiliary outputs of published weights are asked for.
    """
    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        raise _unknown("torchvision", name, known)
    if pretrained:
        if kwargs.pop("aux_logits", False):
            raise ModelError(
                f"Expected {name} to be trained from scratch with model.aux_logits=true, got "
                "model.pretrained=true, whose weights are published without auxiliary heads. Leave "
                "one of them out."
            )
        with fetching(name):
            backbone = _built(
                "torchvision", name, torchvision.models.get_model, {"weights": "DEFAULT", **kwargs}
            )
        _drop_auxiliary_heads(backbone)
        replace_head(backbone, num_classes)
        return backbone
    if name in WITH_AUXILIARY_LOGITS:
        # init_weights: without it both warn that its default will change.
        kwargs = {"aux_logits": False, "init_weights": True, **kwargs}
    return _built(
        "torchvision", name, torchvision.models.get_model, {"num_classes": num_classes, **kwargs}
    )


def replace_head(backbone: nn.Module, num_classes: int) -> None:
    """Puts a fresh last layer into a network, in place.

    Args:
        backbone: A network that ends in a linear layer or, like SqueezeNet, in a convolution.
        num_classes: Outputs of the new layer.
    """
    path, last = last_layer(backbone)
    has_bias = last.bias is not None
    head: nn.Module
    if isinstance(last, nn.Linear):
        head = nn.Linear(last.in_features, num_classes, bias=has_bias)
    else:
        size = (last.kernel_size[0], last.kernel_size[1])
        head = nn.Conv2d(last.in_channels, num_classes, size, bias=has_bias)
    backbone.set_submodule(path, head)


def prepare_backbone(
    backbone: nn.Module,
    *,
    compile: bool | str = False,  # noqa: A002  the configuration's key
    memory_format: MemoryFormat = "contiguous",
    batch_norm: BatchNorm = "keep",
) -> nn.Module:
    """Does what can be done to any backbone, without changing how its weights are named.

    Args:
        backbone: Any network; changed in place.
        compile: Compile the forward and backward pass at the first batch (minutes, once), in a mode
            of ``torch.compile`` where one is named. Needs a C++ compiler on a CPU.
        memory_format: Layout of images and convolution weights in memory. ``channels_last`` suits
            tensor cores and most CPU kernels.
        batch_norm: What becomes of batch normalisation, see
            ``project.models.batch_norm.convert_batch_norm``.

    Returns:
        The same network.

    Raises:
        ModelError: ``memory_format`` is neither of the two, ``compile`` no mode, or ``batch_norm``
            none of its ways.
    """
    _say_converted(convert_batch_norm(backbone, batch_norm), batch_norm)
    formats = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
    if memory_format not in formats:
        raise ModelError(
            f"Expected model.memory_format to be one of {', '.join(formats)}, got "
            f'"{memory_format}".' + suggestion(memory_format, formats)
        )
    layout = formats[memory_format]
    backbone.to(memory_format=layout)
    backbone.register_forward_pre_hook(partial(_lay_out, layout))
    if isinstance(compile, str) and compile not in COMPILE_MODES:
        raise ModelError(
            "Expected model.compile to be true, false or a mode of torch.compile "
            f'({", ".join(COMPILE_MODES)}), got "{compile}".' + suggestion(compile, COMPILE_MODES)
        )
    if compile:
        # In place: torch.compile(backbone) would put "_orig_mod." before every weight's name.
        backbone.compile(mode=None if compile is True else compile)
    return backbone


def _say_converted(count: int, way: BatchNorm) -> None:
    if way == "keep":
        return
    if not count:
        logger.warning("model.batch_norm=%s changes nothing: the network has no batch norm.", way)
        return
    done = {
        "freeze": "keep their statistics, scales and shifts as they are",
        "remove": "are gone; convolutions that left their bias to them have none",
        "group": "have become group norms",
    }[way]
    logger.info("%d batch norms %s.", count, done)


def _lay_out(
    layout: torch.memory_format, _: nn.Module, inputs: tuple[torch.Tensor, ...]
) -> tuple[torch.Tensor, ...]:
    """Lays the images out as the weights are; the loader's come channels-last."""
    return (inputs[0].contiguous(memory_format=layout), *inputs[1:])


def _is_in_timm(name: str) -> bool:
    return bool(timm.is_model(name)) and ("." not in name or name in timm.list_pretrained())


def _unknown(library: str, name: str, known: list[str]) -> ModelError:
    return ModelError(
        f'Expected model.name to be one of {library}\'s {len(known)} models, got "{name}".'
        + suggestion(name, known)
    )


def _built(library: str, name: str, build: Any, arguments: dict[str, Any]) -> nn.Module:
    try:
        backbone: nn.Module = build(name, **arguments)
    except TypeError as error:  # an argument that this network does not take
        raise ModelError(
            f'{library} cannot build "{name}" with the arguments of conf/model: {error}.'
        ) from error
    return backbone


def _drop_auxiliary_heads(backbone: nn.Module) -> None:
    """Inception keeps its auxiliary head when pretrained; GoogLeNet's is gone already."""
    if isinstance(backbone, Inception3):
        backbone.aux_logits = False
        backbone.AuxLogits = None
