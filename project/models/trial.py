"""A first look at two blank pictures, before photos wait for a network that cannot take them."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from project.errors import EvenhandError, ModelError
from project.models.auxiliary import split_auxiliary


def try_out(backbone: nn.Module, size: tuple[int, int], *, with_auxiliary: bool = False) -> None:
    """Has a network classify blank pictures; it stays as it is.

    Args:
        backbone: Any network.
        size: Height and width of the pictures, in pixels.
        with_auxiliary: Whether auxiliary heads are to join in, as in training.

    Raises:
        ModelError: It cannot take such pictures, or has no auxiliary heads.
    """
    with trying(backbone, size) as pictures, torch.no_grad():
        # Its auxiliary heads join in; its parts neither drop nor measure.
        backbone.training = with_auxiliary
        output = backbone(pictures)
    if with_auxiliary and not split_auxiliary(output)[1]:
        raise ModelError(
            f"Expected auxiliary logits of {type(backbone).__name__} with model.aux_logits=true, "
            "got none. Set it to false, or take googlenet or inception_v3 of torchvision."
        )


@contextmanager
def trying(
    network: nn.Module,
    size: tuple[int, int],
    *,
    refusal: str = "cannot take",
    remedy: str = "Choose another data.size or model.",
) -> Iterator[Tensor]:
    """Evaluates a network in the block; whatever that raises becomes an error about the model.

    Args:
        network: Any network.
        size: Height and width of the pictures, in pixels.
        refusal: What the network does to the pictures if anything is raised.
        remedy: What is to be done then.

    Yields:
        Blank pictures; two, as some networks drop a dimension of one.

    Raises:
        ModelError: Anything but an error of the project's own was raised.
    """
    name = type(network).__name__
    try:
        with evaluated(network):
            yield torch.zeros(2, 3, *size)
    except EvenhandError:
        raise
    except Exception as error:  # whatever a network of the user's raises
        raise ModelError(
            f"model: {name} {refusal} pictures of 3 channels and {size[0]} x {size[1]} pixels "
            f"({type(error).__name__}: {error}). {remedy}"
        ) from error


@contextmanager
def evaluated(network: nn.Module) -> Iterator[None]:
    """Has a network and its parts evaluate in the block; each is then in the mode it was in.

    A part may have been put into evaluation by the network itself, which `train` would undo.

    Args:
        network: Any network. Parts that it gets in the block take the mode that it had.
    """
    training = network.training
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module in network.modules():
            module.training = modes.get(module, training)
