"""What an image store holds of a photo."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from project.data.decode import decode
from project.data.fit import Box
from project.data.resampling import Interpolation, Pixels
from project.errors import ConfigError


@dataclass(frozen=True)
class Policy:
    """How a photo becomes a stored image.

    Attributes:
        side: Pixels that the shorter side is shrunk to; smaller images stay as they are.
        interpolation: Resampling filter.
        boxed: Whether the photo's crop box is cut out first.

    Raises:
        ConfigError: The side is no number of pixels.
    """

    side: int
    interpolation: Interpolation
    boxed: bool

    def __post_init__(self) -> None:
        """Checks what types cannot express."""
        if self.side < 1:
            raise ConfigError(f"data.store_side: expected auto or pixels above 0, got {self.side}.")

    def decode(self, data: bytes, max_pixels: int, box: Box | None) -> Pixels:
        """Makes the stored image of a photo.

        Args:
            data: Contents of the file.
            max_pixels: See `project.data.decode.decode`.
            box: The photo's crop box, if it has one.

        Returns:
            uint8 RGB (h, w, 3), upright.

        Raises:
            DataError: See `project.data.decode.decode`.
        """
        box = box if self.boxed else None
        return decode(data, max_pixels, self.side, box=box, interpolation=self.interpolation)

    def shapes(self, sizes: NDArray[np.int32], boxes: NDArray[np.int32]) -> NDArray[np.int64]:
        """Measures stored images without a look at the photos.

        Args:
            sizes: Height and width of the upright photos in pixels, (N, 2).
            boxes: Their crop boxes (left, top, width, height), -1 where there is none, (N, 4).

        Returns:
            Height and width of the images in pixels, as `project.data.decode.reduced_size` says,
            int64 (N, 2).
        """
        shapes = sizes.astype(np.int64)
        if self.boxed:
            shapes = np.where(boxes[:, 2:] < 0, shapes, boxes[:, :1:-1])
        shorter = shapes.min(axis=1, keepdims=True)
        shrunk = np.round(shapes * self.side / shorter).astype(np.int64)
        return np.where(shorter <= self.side, shapes, shrunk)


class ImageStore(Protocol):
    """The images of a catalog. All implementations give the same bytes."""

    def __getitem__(self, row: int) -> Pixels:
        """The image of a catalog row, uint8 RGB (h, w, 3), upright; maybe a read-only view."""
