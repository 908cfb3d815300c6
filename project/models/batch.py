"""What a step needs of a batch."""

from typing import Protocol

from torch import Tensor

PADDING = -1
"""Row of images that only fill up a batch."""


class Batch(Protocol):
    """Images and what they show.

    Attributes:
        image: ``(B, 3, H, W)``, uint8, or floating point in [0, 1].
        label: int64 ``(B,)``, or float ``(B, C)`` after mixing.
        row: int64 ``(B,)``, the image's row in the catalog, or `PADDING`.
    """

    @property
    def image(self) -> Tensor: ...  # noqa: D102
    @property
    def label(self) -> Tensor: ...  # noqa: D102
    @property
    def row(self) -> Tensor: ...  # noqa: D102
