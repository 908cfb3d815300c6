"""Cats and dogs, told apart by ears, snout, whiskers and tail, in all colours and poses."""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.random import Generator

from project.data.drawn.painting import (
    Color,
    Layer,
    Picture,
    Points,
    any_color,
    blob,
    box,
    exposed,
    fill,
    lit,
    oval,
    stroke,
    textured,
)
from project.data.drawn.source import DrawnClasses
from project.data.sources.file_names import FileNames

BLURRED = 0.06  # share of animals that are drawn with a feature or two of the other kind


class Animal(NamedTuple):
    """What tells a cat from a dog; lengths are in half head heights.

    Args:
        ears: ``pointed``, or ``floppy`` ones that hang down.
        ear: Length of an ear.
        snout: How far the muzzle sticks out to the side of the head.
        muzzle: Half its height.
        whiskers: Whether they show.
        tail: Its thickness.
        curl: How far the tail bends, radians.
        slit: Width of the pupils, as a share of their height.
    """

    ears: str
    ear: float
    snout: float
    muzzle: float
    whiskers: bool
    tail: float
    curl: float
    slit: float


class CatsDogs(DrawnClasses):
    """As many cats as dogs in ``root/cat.0.jpg``, ``root/dog.17.jpg``: the name holds the label.

    No colour, pose or surrounding belongs to a kind. Some dogs have pointed ears and some animals
    look away, so that no single feature tells all.

    Args:
        root: Folder of the photos. Its parent keeps a lock file, so that runs started together
            draw once.
        seed: Of the drawing, 0 or more.
        image_size: Height and width in pixels.
        scale: Factor on the number of images.

    Raises:
        ConfigError: The seed is negative, or the size or the scale is not positive.
    """

    name: ClassVar[str] = "cats and dogs"
    counts: ClassVar[Mapping[str, int]] = {"cat": 400, "dog": 400}

    def path(self, label: str, number: int) -> str:
        """Where a photo lies: ``cat.0.jpg``."""
        return f"{label}.{number}.jpg"

    def listed(self) -> pa.Table:
        """Lists the photos by their names."""
        return FileNames(self.root, r"^(?P<label>cat|dog)\.[0-9]+\.jpg$").listing()

    def draw(self, label: str, rng: Generator) -> Picture:
        """Draws one animal somewhere in a room or a garden."""
        size = self._image_size
        animal = (_cat if (label == "cat") != (rng.random() < BLURRED) else _dog)(rng)
        picture = textured(any_color(rng), rng, size)
        fill(picture, box(0, rng.uniform(0.6, 0.85), 1, 1), any_color(rng))
        for _ in range(rng.integers(0, 4)):
            fill(picture, blob(rng, rng.uniform(0, 1, 2), rng.uniform(0.04, 0.14)), any_color(rng))
        layer = Layer(picture)
        _paint(layer, animal, rng)
        if rng.random() < 0.25:  # something in the way
            layer.fill(blob(rng, rng.uniform(0.1, 0.9, 2), rng.uniform(0.05, 0.12)), any_color(rng))
        return exposed(lit(layer.surface, rng), rng)


def _cat(rng: Generator) -> Animal:
    return Animal(
        ears="pointed",
        ear=rng.uniform(0.5, 0.9),
        snout=rng.uniform(0.0, 0.25),
        muzzle=rng.uniform(0.22, 0.32),
        whiskers=rng.random() < 0.85,
        tail=rng.uniform(0.12, 0.24),
        curl=rng.uniform(0.6, 2.2),
        slit=rng.uniform(0.2, 0.8),
    )


def _dog(rng: Generator) -> Animal:
    pointed = rng.random() < 0.3
    return Animal(
        ears="pointed" if pointed else "floppy",
        ear=rng.uniform(0.5, 0.8) if pointed else rng.uniform(0.7, 1.3),
        snout=rng.uniform(0.2, 0.7),
        muzzle=rng.uniform(0.32, 0.48),
        whiskers=rng.random() < 0.1,
        tail=rng.uniform(0.14, 0.3),
        curl=rng.uniform(-0.4, 1.0),
        slit=1.0,
    )


def _paint(layer: Layer, animal: Animal, rng: Generator) -> None:
    """The body from the side, and on it the head, which looks at the camera or to the side."""
    tone = rng.uniform(25, 225)  # from black to white, more or less ginger
    fur = tone * (1 - rng.uniform(0, 1) * np.array([0, 0.25, 0.5]))
    mark = fur * rng.uniform(0.4, 0.8) if rng.random() < 0.5 else fur * 0.5 + 110
    unit, flip = rng.uniform(0.14, 0.22), rng.choice([-1, 1])
    head = np.array([0.5 - flip * rng.uniform(0.0, 0.15), rng.uniform(0.3, 0.48)])
    _body(layer, animal, head, unit, flip, fur, mark, rng)
    turn = flip * -rng.uniform(0.0, 1.0)  # of the head: 0 looks at the camera
    _ears(layer, animal, head, unit, fur, mark, rng)
    layer.fill(oval(head, unit * rng.uniform(0.9, 1.05), unit * rng.uniform(0.85, 1.0)), fur)
    _face(layer, animal, head, unit, turn, mark, rng)


def _body(
    layer: Layer,
    animal: Animal,
    head: Points,
    unit: float,
    flip: int,
    fur: Color,
    mark: Color,
    rng: Generator,
) -> None:
    """Trunk, legs and tail, behind the head."""
    length, lean = unit * rng.uniform(1.7, 2.6), rng.uniform(-0.3, 0.6)
    across, down = 0.8 * length * np.cos(lean), 1.1 * unit + 0.6 * length * np.sin(lean)
    middle = head + np.array([flip * across, down])
    rump = middle + flip * length * 0.75 * np.array([np.cos(lean), flip * np.sin(lean)])
    arc = np.linspace(0, 1, 8)
    heading = -0.6 - animal.curl * arc
    step = 0.3 * unit * np.stack([flip * np.cos(heading), np.sin(heading)], axis=1)
    layer.stroke(rump + np.cumsum(step, axis=0), fur, animal.tail * unit)
    for share in (-0.65, -0.45, 0.45, 0.65):
        x = middle[0] + share * length
        foot = middle[1] + unit * rng.uniform(1.3, 1.8)
        layer.stroke(np.array([(x, middle[1]), (x + rng.normal(0, 0.01), foot)]), fur, 0.36 * unit)
    layer.fill(oval(middle, length, unit * rng.uniform(0.75, 1.0), flip * lean * 0.5), fur)
    if rng.random() < 0.5:  # stripes or patches, which any fur may have
        for _ in range(rng.integers(2, 6)):
            spot = middle + rng.normal(0, 0.4, 2) * (length, 0.5 * unit)
            layer.fill(oval(spot, 0.12 * unit, rng.uniform(0.15, 0.5) * unit), mark)


def _ears(
    layer: Layer, animal: Animal, head: Points, unit: float, fur: Color, mark: Color, rng: Generator
) -> None:
    tilt = rng.normal(0, 0.12)
    for side in (-1, 1):
        if animal.ears == "pointed":
            ear = [(0.25, -0.75), (0.72 + tilt * side, -0.85 - animal.ear), (0.95, -0.3)]
            layer.fill(head + unit * np.array(ear) * (side, 1), fur)
            inner = [(0.45, -0.85), (0.7 + tilt * side, -0.65 - animal.ear), (0.8, -0.6)]
            layer.fill(head + unit * np.array(inner) * (side, 1), mark)
        else:
            x, y = head + unit * np.array([side * 0.95, -0.35 + animal.ear / 2])
            layer.fill(oval((x, y), 0.3 * unit, 0.75 * animal.ear * unit, -0.25 * side), 0.75 * fur)


def _face(
    layer: Layer,
    animal: Animal,
    head: Points,
    unit: float,
    turn: float,
    mark: Color,
    rng: Generator,
) -> None:
    """Eyes, muzzle, nose, mouth and whiskers."""
    dark, iris = np.full(3, 25.0), np.array([170.0, 190, 70]) * rng.uniform(0.5, 1.1)
    shift = 0.3 * turn
    for side in (-1, 1):
        eye = head + unit * np.array([0.4 * side + shift, -0.2])
        layer.fill(oval(eye, 0.19 * unit, 0.17 * unit), iris if animal.slit < 1 else dark * 2)
        layer.fill(oval(eye, 0.14 * unit * animal.slit, 0.15 * unit), dark)
    muzzle = head + unit * np.array([shift + animal.snout * turn, 0.38])
    layer.fill(oval(muzzle, (0.4 + 0.4 * animal.snout) * unit, animal.muzzle * unit), mark)
    tip = muzzle + unit * np.array([0.6 * animal.snout * turn, -0.12])
    nose = (0.1 + 0.16 * animal.snout) * unit
    layer.fill(oval(tip, 1.2 * nose, nose), dark)
    mouth = muzzle + unit * np.array([(-0.2, 0.12), (0, 0.04), (0.2, 0.12)])
    stroke(layer.surface, mouth, dark, 0.05 * unit)
    if animal.whiskers:
        pale = np.full(3, rng.choice([20.0, 235.0]))
        for side in (-1, 1):
            for slope in (-0.2, 0.0, 0.2):
                ends = [(0.2 * side, 0.0), (1.15 * side, slope + rng.normal(0, 0.05))]
                layer.stroke(muzzle + unit * np.array(ends), pale, 0.01)
