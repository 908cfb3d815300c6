"""A first look at two blank pictures, before photos wait for a network that cannot take them."""

import torch
from torch import nn

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
    training = backbone.training
    backbone.eval()
    # Its auxiliary heads join in; its parts neither drop nor measure.
    backbone.training = with_auxiliary
    try:
        with torch.no_grad():
            output = backbone(torch.zeros(2, 3, *size))
    except EvenhandError:
        raise
    except Exception as error:  # whatever a network of the user's raises
        raise ModelError(
            f"model: {type(backbone).__name__} cannot take pictures of 3 channels and "
            f"{size[0]} x {size[1]} pixels ({type(error).__name__}: {error}). Choose another "
            "data.size or model."
        ) from error
    backbone.train(training)
    if with_auxiliary and not split_auxiliary(output)[1]:
        raise ModelError(
            f"Expected auxiliary logits of {type(backbone).__name__} with model.aux_logits=true, "
            "got none. Set it to false, or take googlenet or inception_v3 of torchvision."
        )
