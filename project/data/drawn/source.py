"""Sources whose photos are drawn when they are absent, and are ordinary files from then on."""

import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pyarrow as pa
from filelock import FileLock
from numpy.random import Generator

from project.data.drawn.painting import Picture, jpeg, png
from project.data.progress import with_progress
from project.data.sources.class_folders import ClassFolders
from project.data.sources.listing import absolute
from project.errors import ConfigError, DataError

FEWEST = 2
"""Photos of a class, however small the scale."""


class Drawing(NamedTuple):
    """A photo that is to be drawn.

    Args:
        path: Where it shall lie, relative to the root.
        draw: Makes the bytes of the file.
    """

    path: str
    draw: Callable[[], bytes]


class DrawnPhotos(ABC):
    """Photos below one folder, drawn once and together.

    A photo depends on the seed and on which one it is, and on nothing else. A record beside the
    photos says what they were drawn from, so that no others are taken for them.

    Args:
        root: Folder of the photos. Its parent keeps a lock file, so that runs started together
            draw once.
        seed: Of the drawing, 0 or more.
        image_size: Height and width in pixels.
        scale: Factor on the number of images.

    Attributes:
        name: Names the record, ``<name>.json``, and the photos in messages.
        version: To be raised when the drawing changes: pictures on disk are then no longer these.

    Raises:
        ConfigError: The seed is negative, or the size or the scale is not positive.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1

    def __init__(
        self, root: str | Path, seed: int = 0, image_size: int = 96, scale: float = 1.0
    ) -> None:
        check_setting("seed", seed, seed >= 0, "0 or more")
        check_setting("image_size", image_size, image_size >= 8, "8 pixels or more")
        check_setting("scale", scale, scale > 0, "a number above 0")
        self.root = absolute(root)
        self._seed = seed
        self._image_size = image_size
        self._scale = scale

    @abstractmethod
    def drawings(self) -> Iterator[Drawing]:
        """All photos, in the order in which they are drawn."""

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
                    f'Drawing the {self.name} into "{self.root}" failed: {error}. Make room and '
                    "the folder writable, or set data.root to another one."
                ) from error
        return self.listed()

    def listed(self) -> pa.Table:
        """Lists what has been drawn: by class folders, unless a subject has another layout."""
        return ClassFolders(self.root).listing()

    def record(self) -> dict[str, Any]:
        """What the photos are drawn from."""
        return {
            "version": self.version,
            "seed": self._seed,
            "image_size": self._image_size,
            "scale": self._scale,
        }

    def scaled(self, count: int) -> int:
        """How many photos there are of what would be ``count`` at scale 1."""
        return max(FEWEST, round(self._scale * count))

    @property
    def _record_name(self) -> str:
        return f"{self.name.replace(' ', '_')}.json"

    def _is_drawn(self) -> bool:
        """Whether the photos lie there; a folder that holds anything else is an error."""
        if not self.root.is_dir() or not any(self.root.iterdir()):
            return False
        found, expected = _read_record(self.root / self._record_name), self.record()
        if found != expected:
            raise DataError(
                f'Expected "{self.root}" to hold the {self.name} drawn with '
                f"{_settings(expected)}, found "
                f"{_settings(found) if found else f'no readable {self._record_name}'}. Delete the "
                "folder to have it drawn again, or set data.root to another one."
            )
        return True

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
        drawings = list(self.drawings())
        for drawing in with_progress(drawings, len(drawings), f"Drawing the {self.name}"):
            file = folder / drawing.path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(drawing.draw())
        text = json.dumps(self.record(), indent=2) + "\n"
        (folder / self._record_name).write_text(text, "utf-8")


class DrawnClasses(DrawnPhotos):
    """Photos of some classes, so many of each: a subject says how many, what they show, and where.

    Attributes:
        counts: Photos of each class at scale 1.
    """

    counts: ClassVar[Mapping[str, int]]

    @abstractmethod
    def draw(self, label: str, rng: Generator) -> Picture:
        """Draws one photo.

        Args:
            label: A class of ``counts``.
            rng: Source of everything else.

        Returns:
            RGB, uint8, shape ``(image_size, image_size, 3)``.
        """

    def path(self, label: str, number: int) -> str:
        """Where a photo lies, relative to the root."""
        return f"{label}/{label}_{number:04d}.jpg"

    def drawings(self) -> Iterator[Drawing]:
        """All photos, class after class."""
        for code, (label, count) in enumerate(self.counts.items()):
            for number in range(self.scaled(count)):
                yield Drawing(self.path(label, number), partial(self._file, label, code, number))

    def _file(self, label: str, code: int, number: int) -> bytes:
        rng = np.random.default_rng([self._seed, code, number])
        picture = self.draw(label, rng)
        return png(picture) if self.path(label, number).endswith(".png") else jpeg(picture, rng)


def check_setting(name: str, value: object, valid: bool, expected: str) -> None:
    """Refuses a setting of a source that draws.

    Args:
        name: Of the setting.
        value: As configured.
        valid: Whether it will do.
        expected: What would.

    Raises:
        ConfigError: It will not.
    """
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
