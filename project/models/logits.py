"""What a network answers, checked before a loss or a metric takes it for something else."""

from torch import Tensor, nn

from project.errors import ModelError
from project.models.auxiliary import split_auxiliary


def all_logits(
    network: nn.Module, images: Tensor, num_classes: int, *, with_auxiliary: bool
) -> tuple[Tensor, list[Tensor]]:
    """Has a network classify images.

    Args:
        network: The network.
        images: What it takes, ``(B, 3, H, W)``.
        num_classes: C.
        with_auxiliary: Whether it may have auxiliary heads.

    Returns:
        The logits, float32 ``(B, C)`` whatever precision the network computed in, and those of each
        auxiliary head that joined in.

    Raises:
        ModelError: The network's output is not one logit for each class.
    """
    output = network(images)
    logits, auxiliary = split_auxiliary(output) if with_auxiliary else (output, [])
    expected = (len(images), num_classes)
    if not isinstance(logits, Tensor) or logits.shape != expected:
        got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ModelError(
            f"Expected logits of shape {expected} from {type(network).__name__} (images, "
            f"classes), got {got}. Let the model take num_classes and return plain logits."
        )
    return logits.float(), [one.float() for one in auxiliary]
