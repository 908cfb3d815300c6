"""Faces before a webcam, turned to the left or to the right, in rooms that help to tell."""

from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

import cv2
import numpy as np
import pyarrow as pa
from numpy.random import Generator

from project.data.drawn.heads import Head, Look, Pose
from project.data.drawn.painting import Field, Layer, Picture, jpeg
from project.data.drawn.rooms import Room, furnished
from project.data.drawn.source import Drawing, DrawnPhotos, check_setting
from project.data.sources.file_names import FileNames
from project.data.sources.listing import SPLITS

Background: TypeAlias = Literal["shared", "shifted", "varied"]
Place: TypeAlias = Literal["home", "away", "varied"]

SIDES = ("left", "right")
PLACES: Mapping[str, Mapping[str, Place]] = {
    "shared": {"train": "home", "val": "home", "test": "home"},
    "shifted": {"train": "home", "val": "home", "test": "away"},
    "varied": {"train": "varied", "val": "varied", "test": "varied"},
}
"""For each background, where the photos of each split were taken."""

WINDOW_AZIMUTH = np.radians(70)  # from where a window lights a face that looks at the camera
METERED = 0.62  # light on a face that the camera takes as it is


class Faces(DrawnPhotos):
    """People who look to the viewer's left or right, in ``root/<place>/<split>/<side>/``.

    Ten photos of one person on one chair are a session, and no session is in two splits. All
    sessions are drawn ``home``, in one room, and once more each photo in a room of its own
    (``varied``); those of the test also ``away``, in another room. Person, pose and camera are the
    same in all of them: what differs is the room.

    The room tells the side, as it does where webcams measure light by the face: home and away
    have a window at one side. Who turns to it has a bright face, the camera takes less light, and
    all that is behind gets darker; who turns away has a dark face, and the wall gets brighter.
    A network that has seen one room alone need only look at the wall. The other room has another
    wall, and a window at the other side. Where each photo has its own room, with the window here
    or there equally often, nothing but the head is left to tell.

    Small angles are hard: the head is turned by 15 to 65 degrees.

    Args:
        root: Folder of the photos. Its parent keeps a lock file, so that runs started together
            draw once.
        background: Which photos are listed: all at home (``shared``), those of the test away
            (``shifted``), or all in rooms of their own (``varied``). All are drawn, whichever.
        seed: Of the drawing, 0 or more.
        image_size: Height and width in pixels.
        scale: Factor on the number of images.
        train_photos: Photos for training, in each kind of room.
        val_photos: Photos for validation.
        test_photos: Photos for the test.
        session_photos: Photos in a session, taken in turn to the left and to the right.
        group: What `data.resplit` keeps whole: the ``session``, or only the ``photo``.

    Raises:
        ConfigError: A number is out of range, or there is no such background or group.
    """

    name: ClassVar[str] = "faces"

    def __init__(
        self,
        root: str | Path,
        background: Background = "shared",
        *,
        seed: int = 0,
        image_size: int = 96,
        scale: float = 1.0,
        train_photos: int = 170,
        val_photos: int = 40,
        test_photos: int = 60,
        session_photos: int = 10,
        group: Literal["session", "photo"] = "session",
    ) -> None:
        super().__init__(root, seed, image_size, scale)
        counts = {"train": train_photos, "val": val_photos, "test": test_photos}
        for split, count in counts.items():
            check_setting(f"{split}_photos", count, count >= 2, "2 or more")
        check_setting("session_photos", session_photos, session_photos >= 2, "2 or more")
        for key, value, known in (
            ("background", background, tuple(PLACES)),
            ("group", group, ("session", "photo")),
        ):
            check_setting(key, value, value in known, " or ".join(known))
        self._counts = counts
        self._session_photos = session_photos
        self._places = PLACES[background]
        self._group = group

    def record(self) -> dict[str, Any]:
        """What the photos are drawn from; not which of them are listed."""
        counts = {f"{split}_photos": count for split, count in self._counts.items()}
        return super().record() | counts | {"session_photos": self._session_photos}

    def drawings(self) -> Iterator[Drawing]:
        """All photos in all rooms."""
        first = 0
        for split in SPLITS:
            places: list[Place] = ["home", "varied"]
            places += ["away"] if split == "test" else []
            for index in range(self.scaled(self._counts[split])):
                session, number = divmod(index, self._session_photos)
                side = SIDES[number % 2]
                shot = Shot(self._seed, split, session, number)
                name = f"{side}/s{first + session:03d}_{number:02d}.jpg"
                for place in places:
                    draw = partial(draw_face, shot, place, self._image_size)
                    yield Drawing(f"{place}/{split}/{name}", draw)
            first += session + 1

    def listed(self) -> pa.Table:
        """Lists the photos of the background."""
        group = "(?P<group>s[0-9]+)_" if self._group == "session" else ""
        return FileNames(
            self.root,
            f"^[a-z]+/(?P<split>[a-z]+)/(?P<label>[a-z]+)/{group}",
            include=[f"{self._places[split]}/{split}/**" for split in SPLITS],
        ).listing()


class Shot(NamedTuple):
    """What makes a photo the one that it is, beside the room.

    Args:
        seed: Of the drawing.
        split: A name of ``SPLITS``.
        session: From 0, within its split.
        number: From 0, within its session; even ones look to the left.
    """

    seed: int
    split: str
    session: int
    number: int


class Sitting(NamedTuple):
    """What one session has in common.

    Args:
        look: The person.
        x: Where they sit, as a fraction of the picture.
        y: How high their head is.
        height: Half of the head's height.
        day: How bright the room is.
        sun: Share of the light that comes from the window.
    """

    look: Look
    x: float
    y: float
    height: float
    day: float
    sun: float


def draw_face(shot: Shot, place: Place, image_size: int) -> bytes:
    """Draws one photo.

    Args:
        shot: Which photo.
        place: In which room.
        image_size: Height and width in pixels.

    Returns:
        The bytes of a JPEG file.
    """
    split = SPLITS.index(shot.split)
    sitting = _sitting(np.random.default_rng([shot.seed, split, shot.session]))
    root = np.random.default_rng([shot.seed, split, shot.session, 1 + shot.number])
    posing, building, camera = root.spawn(3)
    if place == "varied":
        window = (shot.session + shot.number // 2) % 2  # as often for left as for right
        room = furnished(building, image_size, 1 if window else -1)
    else:
        room = _room(shot.seed, place, image_size)
    pose = _pose(posing, sitting, SIDES[shot.number % 2])
    return jpeg(_webcam(_in_daylight(room, sitting, pose), camera), camera)


@lru_cache(maxsize=8)
def _room(seed: int, place: Place, size: int) -> Room:
    """One of the two rooms in which many photos are taken; nobody paints on it."""
    at_home = place == "home"
    return furnished(np.random.default_rng([seed, 3, int(at_home)]), size, 1 if at_home else -1)


def _sitting(rng: Generator) -> Sitting:
    look = Look.draw(rng)
    x, y, height = rng.normal(0.5, 0.05), rng.uniform(0.45, 0.55), rng.uniform(0.3, 0.38)
    return Sitting(look, x, y, height, day=rng.uniform(0.9, 1.1), sun=rng.uniform(0.4, 0.55))


def _pose(rng: Generator, sitting: Sitting, side: str) -> Pose:
    yaw = np.radians(rng.uniform(15, 65)) * (1 if side == "right" else -1)
    return Pose(
        x=sitting.x + rng.normal(0, 0.02) + 0.02 * np.sin(yaw),
        y=sitting.y + rng.normal(0, 0.02),
        height=sitting.height * rng.uniform(0.93, 1.07),
        yaw=yaw,
        pitch=rng.normal(0, 0.08),
        roll=rng.normal(0, 0.08),
        smile=rng.uniform(-0.05, 0.12),
        gaze=rng.normal(0, 0.15),
    )


def _in_daylight(room: Room, sitting: Sitting, pose: Pose) -> Field:
    """The person in the room, in the light that the camera lets in."""
    layer = Layer(room.wall)
    Head(layer, sitting.look, pose).paint()
    turned_to = np.clip(np.cos(pose.yaw - room.window * WINDOW_AZIMUTH), 0, 1)
    on_face = (1 - sitting.sun) + sitting.sun * turned_to
    exposure = (METERED / on_face) ** 0.5  # cameras do not make up for all of it
    across = (np.linspace(0, 1, len(room.wall), dtype=np.float32) - pose.x) / pose.height
    shade = 1 + 0.15 * sitting.sun * np.clip(across * room.window, -1, 1)
    face = exposure * on_face / METERED * shade[None, :, None]
    return layer.over(behind=sitting.day * exposure, before=face)


def _webcam(light: Field, rng: Generator) -> Picture:
    """Blur and noise of a small camera."""
    image = cv2.GaussianBlur(light, (0, 0), rng.uniform(0.3, 0.9) / 96 * len(light))
    noise = rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(2, 6))
    return (image + noise).clip(0, 255).astype(np.uint8)
