"""The network of the cats-and-dogs case: small convolutions in the order of AlexNet's."""

from itertools import pairwise

from torch import nn

from project.models.flat_cnn import FlatCNN, convolution, narrowed, pooling

_SIZE = (256, 256)
_PLACES = (28, 28)  # what five convolutions without padding leave of a picture
_CHANNELS = (64, 192, 256, 384, 128)
_POOLED = (1, 2, 5)  # convolutions that a pooling follows
_HIDDEN = (1024, 512)
_KERNEL = 3


class CatsDogsCNN(FlatCNN):
    """Five convolutions, and three dense layers on plain logits.

    As published it ends in more than that: see ``head=published_clamped``.

    Args:
        num_classes: Length of the logits.
        in_chans: Channels of the images.
        width: Share of the published channels and hidden units.
        adaptive: Take any image size: convolutions pad, and the feature map is averaged over a
            small grid.
    """

    def __init__(
        self, num_classes: int, in_chans: int = 3, width: float = 1.0, adaptive: bool = False
    ) -> None:
        channels = narrowed(_CHANNELS, width)
        layers: list[nn.Module] = []
        for number, (incoming, outgoing) in enumerate(pairwise([in_chans, *channels]), start=1):
            layers += convolution(incoming, outgoing, _KERNEL, adaptive)
            layers += [pooling(2, adaptive)] if number in _POOLED else []
        super().__init__(
            layers,
            shape=(channels[-1], *_PLACES),
            size=None if adaptive else _SIZE,
            hidden=narrowed(_HIDDEN, width),
            num_classes=num_classes,
        )
