"""The wardrobe: generated photos of garments, as imbalanced as a real collection of clothes."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pyarrow as pa
from filelock import FileLock

from project.data.garments import GARMENTS
from project.data.progress import with_progress
from project.data.snapshot import snapshot
from project.data.sources.class_folders import ClassFolders
from project.data.sources.listing import SPLITS, absolute
from project.errors import ConfigError, DataError

# A tenth of the clothing case (train 210/4984/20218/7304/454), in the order of GARMENTS. A tenth of
# its 24 hats would measure nothing: val and test have as many hats and shoes as it takes.
COUNTS = {
    "train": dict(zip(GARMENTS, (21, 498, 2022, 730, 45), strict=True)),
    "val": dict(zip(GARMENTS, (24, 94, 418, 277, 24), strict=True)),
    "test": dict(zip(GARMENTS, (40, 89, 418, 274, 40), strict=True)),
}
FEWEST = 2  # images of a class in a split, however small the scale

RECORD = "wardrobe.json"  # lies beside the split folders and says what they were drawn from
VERSION = 1  # raise it when the drawing changes: pictures on disk are then no longer these


class Wardrobe:
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

    def __init__(
        self, root: str | Path, seed: int = 0, image_size: int = 96, scale: float = 1.0
    ) -> None:
        _check_setting("seed", seed, seed >= 0, "0 or more")
        _check_setting("image_size", image_size, image_size >= 8, "8 pixels or more")
        _check_setting("scale", scale, scale > 0, "a number above 0")
        self.root = absolute(root)
        self._seed = seed
        self._image_size = image_size
        self._scale = scale

    def listing(self) -> pa.Table:
        """Lists the photos, after drawing them if need be.

        Returns:
            See `project.data.sources.listing.Source.listing`.

        Raises:
            DataError: The folder holds something else, or cannot be written.
        """
        if not self._is_drawn():
            try:
                self._draw()
            except OSError as error:
                raise DataError(
                    f'Drawing the wardrobe into "{self.root}" failed: {error}. Make room and the '
                    "folder writable, or set data.root to another one."
                ) from error
        return ClassFolders(self.root).listing()

    def _is_drawn(self) -> bool:
        """Whether the photos lie there; a folder that holds anything else is an error."""
        if not self.root.is_dir() or not any(self.root.iterdir()):
            return False
        found, expected = _read_record(self.root / RECORD), self._record()
        if found != expected:
            raise DataError(
                f'Expected "{self.root}" to hold the wardrobe drawn with {_settings(expected)}, '
                f"found {_settings(found) if found else f'no readable {RECORD}'}. Delete the "
                "folder to have it drawn again, or set data.root to another one."
            )
        return True

    def _record(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "seed": self._seed,
            "image_size": self._image_size,
            "scale": self._scale,
        }

    def _draw(self) -> None:
        """Draws all photos beside the folder and moves them there when they are complete."""
        self.root.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.root.with_name(f".{self.root.name}.lock")):
            if self._is_drawn():  # by another run, while this one waited
                return
            scratch = self.root.with_name(f".{self.root.name}.unfinished")
            shutil.rmtree(scratch, ignore_errors=True)  # of a run that was killed
            try:
                self._draw_into(scratch)
                if self.root.is_dir():
                    self.root.rmdir()  # empty; Windows would not move over it
                scratch.rename(self.root)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)

    def _draw_into(self, folder: Path) -> None:
        """One image after the other: threads made it slower, its many small steps hold the lock."""
        identities = list(_identities(self._scale))
        for identity in with_progress(identities, len(identities), "Drawing the wardrobe"):
            file = folder / identity.path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(draw_photo(self._seed, identity, self._image_size))
        (folder / RECORD).write_text(json.dumps(self._record(), indent=2) + "\n", "utf-8")


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
    picture = snapshot(GARMENTS[identity.kind](shape), scene, image_size)
    quality = int(camera.integers(60, 96))
    _, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


def _check_setting(name: str, value: float, valid: bool, expected: str) -> None:
    if not valid:
        raise ConfigError(f"data.source.{name}: expected {expected}, got {value}.")


def _read_record(file: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def _settings(record: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in record.items())
