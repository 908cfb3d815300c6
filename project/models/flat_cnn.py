"""What networks have in common that flatten all of their features: they take one size of pictures.

Unless they are asked to adapt: then convolutions pad, pooling rounds up and the feature map is
averaged over a fixed grid, so that any size will do.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from project.errors import ModelError
from project.models.heads import dense_head
from project.models.pooling import GridAverage

_SIDE = 4  # cells of the grid in a row
_FEWEST = 8  # units of a narrowed layer: fewer ReLUs are too easily all dead


class FlatCNN(nn.Module):
    """Convolutions, and dense layers on all of their features.

    Args:
        convolutions: From images to a feature map.
        shape: Of the feature map, (channels, height, width).
        size: Height and width of the pictures that give it; None: any.
        hidden: Units of each dense layer but the last.
        num_classes: Length of the logits.
    """

    def __init__(
        self,
        convolutions: Sequence[nn.Module],
        shape: tuple[int, int, int],
        size: tuple[int, int] | None,
        hidden: Sequence[int],
        num_classes: int,
    ) -> None:
        super().__init__()
        self.shape = shape if size is not None else (shape[0], _SIDE, _SIDE)
        self.size = size
        grid = [] if size is not None else [GridAverage(_SIDE)]
        self.features = nn.Sequential(*convolutions, *grid)
        self.classifier = dense_head(self.shape, num_classes, hidden)

    def forward(self, images: Tensor) -> Tensor:
        """Classifies images.

        Args:
            images: Normalised floats ``(B, in_chans, H, W)``.

        Returns:
            Logits ``(B, num_classes)``.

        Raises:
            ModelError: The images are of another size than the dense layers are made for.
        """
        return self.forward_head(self.forward_features(images))

    def forward_features(self, images: Tensor) -> Tensor:
        """Maps images to features ``(B, channels, height, width)``."""
        features: Tensor = self.features(images)
        return features

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        """Maps features to logits, or only flattens them.

        Raises:
            ModelError: There are more or fewer than the dense layers are made for.
        """
        if pre_logits:
            return features.flatten(1)
        if features.shape[1:] != self.shape:
            raise ModelError(
                f"Expected pictures of {_times(self.size or ())} pixels (height x width) for "
                f"{type(self).__name__}, whose dense layers are made for {math.prod(self.shape)} "
                f"features ({_times(self.shape)}), got {math.prod(features.shape[1:])} "
                f"({_times(features.shape[1:])}). Set data.size=[{_listed(self.size or ())}], or "
                "model.adaptive=true for any size."
            )
        logits: Tensor = self.classifier(features)
        return logits

    def get_classifier(self) -> nn.Module:
        """The dense layers."""
        return self.classifier


def narrowed(units: Sequence[int], width: float) -> list[int]:
    """Makes layers narrower or wider.

    Args:
        units: Of each layer, at a width of 1.
        width: Share of them to keep, above 0.

    Returns:
        Units of each layer; a handful where a share would leave fewer.

    Raises:
        ModelError: The width is not above 0.

    Example:
        >>> narrowed([5000, 50, 10, 3], 0.1)
        [500, 8, 8, 3]
    """
    if not width > 0:
        raise ModelError(
            f"Expected model.width above 0, got {width}. 1 is the published width, 0.25 a quarter."
        )
    return [max(round(width * count), min(count, _FEWEST)) for count in units]


def convolution(in_chans: int, out_chans: int, side: int, adaptive: bool) -> list[nn.Module]:
    """A convolution and its ReLU; padded if the network is to adapt."""
    return [nn.Conv2d(in_chans, out_chans, side, padding=adaptive * (side // 2)), nn.ReLU()]


def pooling(side: int, adaptive: bool) -> nn.Module:
    """The largest of each ``side`` x ``side`` pixels; if adaptive, of what is left as well."""
    return nn.MaxPool2d(side, ceil_mode=adaptive)


def _times(sizes: Sequence[int] | torch.Size) -> str:
    return " x ".join(map(str, sizes))


def _listed(sizes: Sequence[int]) -> str:
    return ",".join(map(str, sizes))
