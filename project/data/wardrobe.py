"""The wardrobe: generated photos of garments, as imbalanced as a real collection of clothes."""

from collections.abc import Iterator
from functools import partial
from typing import ClassVar, NamedTuple

import numpy as np

from project.data.drawn.painting import jpeg
from project.data.drawn.source import FEWEST, Drawing, DrawnPhotos
from project.data.garments import GARMENTS
from project.data.snapshot import snapshot
from project.data.sources.listing import SPLITS

# A tenth of the clothing case (train 210/4984/20218/7304/454), in the order of GARMENTS. A tenth of
# its 24 hats would measure nothing: val and test have as many hats and shoes as it takes.
COUNTS = {
    "train": dict(zip(GARMENTS, (21, 498, 2022, 730, 45), strict=True)),
    "val": dict(zip(GARMENTS, (24, 94, 418, 277, 24), strict=True)),
    "test": dict(zip(GARMENTS, (40, 89, 418, 274, 40), strict=True)),
}


class Wardrobe(DrawnPhotos):
    """Five kinds of garments in ``root/{train,val,test}/<class>/``, drawn when they are absent.

    An image depends on the seed, its split, its class and its number, and on nothing else. Once
    drawn, the photos are ordinary JPEG files, and the folder is a source like any other.

    Args:
        root: Folder of the photos. Its parent keeps a lock file, so that runs started together
            draw once.
        seed: Of the drawing, 0 or more.
        image_size: Height and width in pixels.
        scale: Factor on the number of images.

    Raises:
        ConfigError: The seed is negative, or the size or the scale is not positive.
    """

    name: ClassVar[str] = "wardrobe"

    def drawings(self) -> Iterator[Drawing]:
        """All photos, split after split."""
        for identity in _identities(self._scale):
            draw = partial(draw_photo, self._seed, identity, self._image_size)
            yield Drawing(identity.path, draw)


class Identity(NamedTuple):
    """What makes a photo of the wardrobe the one that it is, beside the seed.

    Args:
        split: A name of ``SPLITS``.
        kind: A name of ``GARMENTS``.
        number: From 0, within its split and class.
    """

    split: str
    kind: str
    number: int

    @property
    def path(self) -> str:
        """Where the photo lies, relative to the root."""
        return f"{self.split}/{self.kind}/{self.kind}_{self.number:04d}.jpg"


def _identities(scale: float) -> Iterator[Identity]:
    for split, counts in COUNTS.items():
        for kind, count in counts.items():
            for number in range(max(FEWEST, round(scale * count))):
                yield Identity(split, kind, number)


def draw_photo(seed: int, identity: Identity, image_size: int) -> bytes:
    """Draws one photo.

    Args:
        seed: Of the whole wardrobe.
        identity: Which photo.
        image_size: Height and width in pixels.

    Returns:
        The bytes of a JPEG file.
    """
    kind, split = list(GARMENTS).index(identity.kind), SPLITS.index(identity.split)
    root = np.random.default_rng([seed, split, kind, identity.number])
    shape, scene, camera = root.spawn(3)
    return jpeg(snapshot(GARMENTS[identity.kind](shape), scene, image_size), camera)
