"""Heads that turn: an ellipsoid with a face on one side, seen from the front.

A point of the head has an azimuth (radians, 0 is the middle of the face, positive to the viewer's
right) and a height (-1 the crown, 1 the chin). Turning the head adds to all azimuths.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from project.data.drawn.painting import Color, Layer, Points, any_color, oval


class Look(NamedTuple):
    """A person as they are during one session.

    Args:
        skin: RGB.
        hair: RGB.
        shirt: RGB.
        width: Of the head, as a share of its height.
        hairline: Height at which the hair begins; -1 for a bald head.
        temples: Azimuth at which the hair begins beside the face.
        length: How far hair hangs down, as a height; below -1 not at all.
        beard: How dark, 0 to 1.
        glasses: Whether there are any.
    """

    skin: Color
    hair: Color
    shirt: Color
    width: float
    hairline: float
    temples: float
    length: float
    beard: float
    glasses: bool

    @classmethod
    def draw(cls, rng: Generator) -> "Look":
        """Draws somebody."""
        tone, grey = rng.uniform(0.3, 1.0), rng.random() < 0.2
        brown = rng.uniform(0.1, 0.9) * np.array([200, 150, 90])
        bald, bearded = rng.random() < 0.1, rng.random() < 0.3
        return cls(
            skin=np.array([245, 195, 160]) * tone * rng.normal(1, 0.04, 3),
            hair=np.full(3, rng.uniform(100, 210)) if grey else brown,
            shirt=any_color(rng),
            width=rng.uniform(0.7, 0.84),
            hairline=-0.98 if bald else rng.uniform(-0.7, -0.4),
            temples=rng.uniform(1.1, 1.5),
            length=rng.uniform(0.4, 1.6) if rng.random() < 0.45 else -2.0,
            beard=rng.uniform(0.3, 0.8) if bearded else 0.0,
            glasses=rng.random() < 0.3,
        )


class Pose(NamedTuple):
    """How a head is held in one photo.

    Args:
        x: Of its middle, as a fraction of the picture.
        y: Of its middle.
        height: Half of the head's height, as a fraction of the picture.
        yaw: Radians; negative is to the viewer's left.
        pitch: How far the face moves down, as a height.
        roll: Radians.
        smile: How far the corners of the mouth go up, as a height.
        gaze: Where the eyes look beside the face, radians.
    """

    x: float
    y: float
    height: float
    yaw: float
    pitch: float
    roll: float
    smile: float
    gaze: float


class Head:
    """Paints one person in one pose.

    Args:
        layer: What to paint on.
        look: The person.
        pose: How they hold their head.
    """

    def __init__(self, layer: Layer, look: Look, pose: Pose) -> None:
        self._layer, self._look, self._pose = layer, look, pose

    def paint(self) -> None:
        """Body, head, face."""
        self._body()
        self._far_parts()
        self._skull()
        for side in (-1, 1):
            self._eye(side)
        self._mouth()
        self._nose()

    def _at(self, azimuth: ArrayLike, height: ArrayLike, reach: float = 1.0) -> Points:
        """Points of the head in the picture; those of its far side lie on its outline."""
        look, pose = self._look, self._pose
        turned = np.clip(np.asarray(azimuth, float) + pose.yaw, -np.pi / 2, np.pi / 2)
        level = np.asarray(height, float)
        narrow = np.sqrt(np.clip(1 - np.abs(level) ** 2.4, 0, 1))  # fuller than an ellipse
        x, y = look.width * reach * narrow * np.sin(turned), level + 0.0 * turned
        cos, sin = np.cos(pose.roll), np.sin(pose.roll)
        placed = np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)
        return np.atleast_2d(placed) * pose.height + (pose.x, pose.y)

    def _facing(self, azimuth: float) -> float:
        """How much of its width something at an azimuth shows; 0 or less on the far side."""
        return float(np.cos(azimuth + self._pose.yaw))

    def _body(self) -> None:
        pose, look = self._pose, self._look
        size = pose.height
        neck = [(-0.35, 0.5), (0.35, 0.5), (0.42, 1.5), (-0.42, 1.5)]
        self._layer.fill(np.array(neck) * size + (pose.x, pose.y), 0.82 * look.skin)
        shoulders = [(-0.4, 1.2), (0.4, 1.2), (1.5, 1.6), (1.8, 4), (-1.8, 4), (-1.5, 1.6)]
        self._layer.fill(np.array(shoulders) * size + (pose.x, pose.y), look.shirt)

    def _far_parts(self) -> None:
        """Hair that hangs behind the face, and the ears."""
        pose, look, size = self._pose, self._look, self._pose.height
        if look.length > -1:
            half, low = 1.12 * look.width * size, look.length * size
            back = -0.15 * np.sin(pose.yaw) * size  # hair hangs from the back of the head
            middle = pose.y + (low - 0.95 * size) / 2
            reach = (low + 1.05 * size) / 2
            self._layer.fill(oval((pose.x + back, middle), half, reach), 0.9 * look.hair)
            return
        for side in (-1, 1):
            if self._facing(1.45 * side) > -0.25:
                x, y = self._at(1.45 * side, 0.05 + pose.pitch)[0]
                self._layer.fill(oval((x, y), 0.13 * size, 0.24 * size), 0.88 * look.skin)

    def _skull(self) -> None:
        """The whole head in hair, and the face in it."""
        look, pose = self._look, self._pose
        level = np.linspace(-1, 1, 15)
        outline = [self._at(np.full(15, side * np.pi), level * side) for side in (-1, 1)]
        self._layer.fill(np.concatenate(outline), look.hair)
        top, bottom = look.hairline + pose.pitch, 1.0
        level = np.linspace(top, bottom, 12)
        wide = look.temples + np.clip(level - 0.1 - pose.pitch, 0, None) * 4  # the jaw is bare
        face = [self._at(-wide, level), self._at(wide, level)[::-1]]
        self._layer.fill(np.concatenate(face), look.skin)
        if look.beard:
            level = np.linspace(0.35 + pose.pitch, bottom, 8)
            chin = [self._at(np.full(8, -1.3), level), self._at(np.full(8, 1.3), level)[::-1]]
            shade = look.skin + look.beard * (look.hair - look.skin)
            self._layer.fill(np.concatenate(chin), shade)

    def _eye(self, side: int) -> None:
        azimuth, level = 0.42 * side, -0.12 + self._pose.pitch
        shown, size = self._facing(azimuth), self._pose.height
        if shown < 0.12:
            return
        (x, y), look = self._at(azimuth, level)[0], self._look
        self._layer.fill(oval((x, y), 0.16 * size * shown, 0.075 * size), np.full(3, 225.0))
        iris = self._at(azimuth + self._pose.gaze, level)[0]
        self._layer.fill(oval(iris, 0.065 * size * shown, 0.07 * size), 0.3 * look.hair)
        brow = self._at(azimuth + np.array([-0.28, 0, 0.28]), level - np.array([0.13, 0.19, 0.13]))
        self._layer.stroke(brow, 0.75 * look.hair, 0.05 * size)
        if look.glasses:
            rim = oval((x, y), 0.25 * size * shown, 0.18 * size)
            bridge = self._at(np.array([0.0, azimuth]), np.full(2, level - 0.02), 1.06)
            self._layer.stroke(np.concatenate([rim, rim[:1]]), np.full(3, 40.0), 0.03 * size)
            self._layer.stroke(bridge, np.full(3, 40.0), 0.03 * size)
            temple = self._at(np.array([0.75, 1.4]) * side, np.full(2, level))
            if self._facing(0.9 * side) > 0:
                self._layer.stroke(temple, np.full(3, 40.0), 0.03 * size)

    def _mouth(self) -> None:
        level = 0.52 + self._pose.pitch
        azimuth = np.linspace(-0.36, 0.36, 7)
        lips = self._at(azimuth, level - self._pose.smile * (azimuth / 0.36) ** 2)
        red = 0.7 * self._look.skin + (40, -25, -20)
        self._layer.stroke(lips, np.clip(red, 0, 255), 0.07 * self._pose.height)

    def _nose(self) -> None:
        """It sticks out: its tip goes further to the side than the face below it."""
        level = self._pose.pitch
        root = self._at(0.0, level - 0.12)
        tip = self._at(0.0, level + 0.26, reach=1.3)
        wings = self._at(np.array([-0.2, 0.2]), np.full(2, level + 0.29), reach=1.08)
        ridge = np.concatenate([root, wings[:1], tip, wings[1:]])
        self._layer.fill(ridge, 0.86 * self._look.skin)
