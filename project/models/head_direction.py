"""The network of the head-direction case: which way a face is turned, from large frames."""

from project.models.flat_cnn import FlatCNN, convolution, narrowed, pooling

_SIZE = (720, 1280)
_PLACES = (23, 46)  # what two convolutions without padding leave of a frame
_CHANNELS = (30, 100)
_HIDDEN = (5000, 1000, 500, 50, 10)
_KERNEL = 10


class HeadDirectionCNN(FlatCNN):
    """Two wide convolutions on a shrunken frame, and six dense layers.

    As published it takes frames of one size only and has half a billion weights, nearly all of
    them in the first dense layer.

    Args:
        num_classes: Length of the logits.
        in_chans: Channels of the images.
        pool: What the frame is shrunk by at first, keeping the largest value.
        width: Share of the published channels and hidden units.
        adaptive: Take any image size: convolutions pad, and the feature map is averaged over a
            small grid.
    """

    def __init__(
        self,
        num_classes: int,
        in_chans: int = 3,
        pool: int = 6,
        width: float = 1.0,
        adaptive: bool = False,
    ) -> None:
        first, second = narrowed(_CHANNELS, width)
        convolutions = [
            pooling(pool, adaptive),
            *convolution(in_chans, first, _KERNEL, adaptive),
            pooling(2, adaptive),
            *convolution(first, second, _KERNEL, adaptive),
            pooling(2, adaptive),
        ]
        super().__init__(
            convolutions,
            shape=(second, *_PLACES),
            size=None if adaptive else _SIZE,
            hidden=narrowed(_HIDDEN, width),
            num_classes=num_classes,
        )
