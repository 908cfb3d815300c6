"""Small networks with something wrong in them, for tests of what is said about that."""

from torch import Tensor, nn


class Features(nn.Sequential):
    """Plain convolutions and one hidden layer, without any normalisation."""

    def __init__(self, hidden: int = 32) -> None:
        super().__init__(
            nn.Conv2d(3, 8, 5, stride=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(64, hidden),
            nn.ReLU(),
        )


class Headed(nn.Module):
    """Features and a head."""

    def __init__(self, *head: nn.Module) -> None:
        super().__init__()
        self.features = Features()
        self.head = nn.Sequential(*head)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(images))
        return logits


def plain(num_classes: int) -> nn.Module:
    """Plain logits."""
    return Headed(nn.Linear(32, num_classes))


def clamped(num_classes: int) -> nn.Module:
    """The cats and dogs head as published: ReLU and dropout on the logits."""
    return Headed(nn.Linear(32, num_classes), nn.ReLU(), nn.Dropout(0.5), nn.LogSoftmax(1))


def log_softmax(num_classes: int) -> nn.Module:
    """Normalised once more than need be."""
    return Headed(nn.Linear(32, num_classes), nn.LogSoftmax(1))


def softmax(num_classes: int) -> nn.Module:
    """Probabilities where logits are expected."""
    return Headed(nn.Linear(32, num_classes), nn.Softmax(1))


def dead(num_classes: int) -> nn.Module:
    """A hidden layer whose units are far below 0."""
    network = Headed(nn.Linear(32, num_classes))
    hidden = network.features[-2]
    assert isinstance(hidden, nn.Linear)
    nn.init.constant_(hidden.bias, -100.0)
    return network


def many_headed(num_classes: int, aux_logits: bool) -> nn.Module:
    """Gives auxiliary logits in training, as GoogLeNet does, and learns from them."""
    return _ManyHeaded(num_classes, 2 if aux_logits else 0)


class _ManyHeaded(nn.Module):
    def __init__(self, num_classes: int, others: int) -> None:
        super().__init__()
        self.features = Features()
        self.others = nn.ModuleList(nn.Linear(32, num_classes) for _ in range(others))
        self.head = nn.Linear(32, num_classes)

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        features = self.features(images)
        others = [other(features) for other in self.others] if self.training else []
        logits: Tensor = self.head(features)
        return (logits, *others) if others else logits


def functional(num_classes: int) -> nn.Module:
    """Clamped by a function, which no module tells of."""
    return _Functional(num_classes)


class _Functional(nn.Module):
    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.features, self.head = Features(), nn.Linear(32, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(images))
        return logits.relu()
