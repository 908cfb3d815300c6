"""What a network does to a picture, layer by layer."""

import torch
from torch import nn

WITH_SHAPES = (nn.Conv2d, nn.MaxPool2d, nn.Linear)


def layer_shapes(network: nn.Module, picture: torch.Tensor) -> list[tuple[str, tuple[int, ...]]]:
    """Each convolution, pooling and linear layer with the shape that it gives of one picture."""
    shapes: list[tuple[str, tuple[int, ...]]] = []

    def note(layer: nn.Module, _: object, output: torch.Tensor) -> None:
        shapes.append((type(layer).__name__, tuple(output.shape[1:])))

    for layer in network.modules():
        if isinstance(layer, WITH_SHAPES):
            layer.register_forward_hook(note)
    network(picture)
    return shapes


def weights_by_layer(network: nn.Module) -> list[int]:
    """How many weights and biases each layer has that has any."""
    layers = (layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear))
    return [sum(value.numel() for value in layer.parameters()) for layer in layers]
