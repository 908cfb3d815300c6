"""A small network for small photos on a processor without an accelerator."""

from itertools import pairwise

from torch import Tensor, nn


class SmallCNN(nn.Module):
    """Convolution blocks, a global average and one linear layer.

    The first convolution halves the image and every later block ends in a pooling layer that
    halves it again, while the channels double. The global average makes it take any image size and
    keeps the parameters few, which is what small photo collections need.

    Args:
        num_classes: Length of the logits.
        in_chans: Channels of the images.
        width: Channels after the first block.
        depth: Number of blocks.
        dropout: Share of the averaged features dropped in training, in [0, 1).
    """

    def __init__(
        self,
        num_classes: int,
        in_chans: int = 3,
        width: int = 32,
        depth: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        widths = [width * 2**block for block in range(depth)]
        blocks = [_block(in_chans, width, stride=2)]
        for narrow, wide in pairwise(widths):
            # ceil_mode keeps at least one pixel, however small the image.
            blocks += [_block(narrow, wide), nn.MaxPool2d(2, ceil_mode=True)]
        self.features = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(widths[-1], num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Classifies images.

        Args:
            images: Normalised floats ``(B, in_chans, H, W)`` of any height and width.

        Returns:
            Logits ``(B, num_classes)``.
        """
        return self.forward_head(self.forward_features(images))

    def forward_features(self, images: Tensor) -> Tensor:
        """Maps images to features ``(B, channels, height, width)``."""
        features: Tensor = self.features(images)
        return features

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        """Maps features to logits, or only to their averages."""
        averages: Tensor = self.dropout(self.pool(features).flatten(1))
        if pre_logits:
            return averages
        logits: Tensor = self.classifier(averages)
        return logits


def _block(in_chans: int, out_chans: int, stride: int = 1) -> nn.Module:
    return nn.Sequential(
        # The batch norm that follows has the bias.
        nn.Conv2d(in_chans, out_chans, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(out_chans),
        nn.ReLU(inplace=True),
    )
