"""How often each class is drawn in an epoch.

A sampler turns the number of images per class into the share of an epoch that each class gets. The
shares are exact: an epoch of 1,000 balanced draws over five classes has 200 of each.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from project.errors import ConfigError

Shares = NDArray[np.float64]
Counts = NDArray[np.int64]


class Sampler(Protocol):
    """Class counts to shares of an epoch."""

    @property
    def draws_per_epoch(self) -> int | None:
        """Length of an epoch in images; None is the number of images."""
        ...

    def shares(self, counts: Counts) -> Shares:
        """The share of each class, adding up to 1.

        Args:
            counts: Images (with their oversampled copies) per class, int64 (C,), each above 0.
        """
        ...


@dataclass(frozen=True)
class PowerSampler:
    """Draws a class of n images with a share proportional to n to the power q.

    q = 1 is the natural order, in which every image comes once; q = 0.5 is square-root sampling;
    q = 0 is class-balanced.

    Args:
        q: The power, from 0 to 1.
        draws_per_epoch: Length of an epoch in images; None is the number of images.

    Raises:
        ConfigError: If q is outside 0 to 1 or an epoch would be empty.

    Source: Kang et al. 2020, "Decoupling representation and classifier for long-tailed
    recognition", section 4.1; square root after Mahajan et al. 2018.

    Example:
        >>> PowerSampler(q=0.5).shares(np.array([100, 400])).round(3).tolist()
        [0.333, 0.667]
    """

    q: float
    draws_per_epoch: int | None = None

    def __post_init__(self) -> None:
        """Checks what types cannot express."""
        if not 0 <= self.q <= 1:
            raise ConfigError(
                f"sampler.q: expected a power from 0 (balanced) to 1 (natural), got {self.q}."
            )
        _check_draws(self.draws_per_epoch)

    def shares(self, counts: Counts) -> Shares:
        """See `Sampler.shares`."""
        return _normalised(counts.astype(np.float64) ** self.q)


@dataclass(frozen=True)
class EffectiveNumberSampler:
    """Weighs every image by the inverse of its class's effective number of samples.

    The effective number of n images is (1 - beta^n) / (1 - beta): further photos of a common class
    add little that is new. beta = 0 is natural, beta towards 1 balanced.

    Args:
        beta: From 0 up to, but not including, 1.
        draws_per_epoch: Length of an epoch in images; None is the number of images.

    Raises:
        ConfigError: If beta is outside [0, 1) or an epoch would be empty.

    Source: Cui et al. 2019, "Class-balanced loss based on effective number of samples".

    Example:
        >>> EffectiveNumberSampler(beta=0.99).shares(np.array([20, 2000])).round(3).tolist()
        [0.052, 0.948]
    """

    beta: float = 0.999
    draws_per_epoch: int | None = None

    def __post_init__(self) -> None:
        """Checks what types cannot express."""
        if not 0 <= self.beta < 1:
            raise ConfigError(f"sampler.beta: expected 0 <= beta < 1, got {self.beta}.")
        _check_draws(self.draws_per_epoch)

    def shares(self, counts: Counts) -> Shares:
        """See `Sampler.shares`."""
        n = counts.astype(np.float64)
        effective = (1 - self.beta**n) / (1 - self.beta)
        return _normalised(n / effective)


def _normalised(weights: Shares) -> Shares:
    shares: Shares = weights / weights.sum()
    return shares


def _check_draws(draws: int | None) -> None:
    if draws is not None and draws < 1:
        raise ConfigError(f"sampler.draws_per_epoch: expected images above 0, got {draws}.")
