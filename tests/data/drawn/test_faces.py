"""Drawn faces: the side is in the head, and in a room that is always the same."""

from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from project.data.catalog.catalog import build_catalog
from project.data.drawn.faces import Faces, Place, Shot, draw_face
from project.errors import ConfigError

SMALL: dict[str, Any] = {"image_size": 24, "train_photos": 40, "val_photos": 10, "test_photos": 12}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small set of faces; not to be changed."""
    folder = tmp_path_factory.mktemp("data") / "faces"
    Faces(folder, **SMALL).listing()
    return folder


def rows(root: Path, **settings: Any) -> list[dict[str, Any]]:
    return list(Faces(root, **SMALL | settings).listing().to_pylist())


def places(photos: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(photo["split"], photo["path"].split("/")[0]) for photo in photos}


@pytest.mark.parametrize(
    ("background", "expected"),
    [
        ("shared", {("train", "home"), ("val", "home"), ("test", "home")}),
        ("shifted", {("train", "home"), ("val", "home"), ("test", "away")}),
        ("varied", {("train", "varied"), ("val", "varied"), ("test", "varied")}),
    ],
)
def test_background_says_in_which_room_the_photos_were_taken(
    root: Path, background: str, expected: set[tuple[str, str]]
) -> None:
    photos = rows(root, background=background)
    assert places(photos) == expected
    assert Counter(photo["split"] for photo in photos) == {"train": 40, "val": 10, "test": 12}
    assert Counter(photo["label"] for photo in photos) == {"left": 31, "right": 31}


def test_backgrounds_hold_the_same_shots(root: Path) -> None:
    shots = [
        {photo["path"].partition("/")[2] for photo in rows(root, background=background)}
        for background in ("shared", "shifted", "varied")
    ]
    assert shots[0] == shots[1] == shots[2]


def test_all_backgrounds_are_drawn_at_once(root: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in root.rglob("*.jpg")}
    rows(root, background="varied")
    assert before == {file: file.stat().st_mtime_ns for file in root.rglob("*.jpg")}
    assert len(before) == 2 * 62 + 12


def test_a_session_is_a_group_of_one_split(root: Path) -> None:
    splits: dict[str, set[str]] = {}
    for photo in rows(root):
        splits.setdefault(photo["group"], set()).add(photo["split"])
    assert len(splits) == 4 + 1 + 2
    assert all(len(found) == 1 for found in splits.values())


@pytest.mark.parametrize(("group", "torn"), [("session", False), ("photo", True)])
def test_new_splits_keep_sessions_whole_unless_told_otherwise(
    root: Path, tmp_path: Path, group: str, torn: bool
) -> None:
    source = Faces(root, **SMALL | {"group": group})
    catalog = build_catalog(source, cache_dir=tmp_path, resplit=True, seed=0)
    splits: dict[str, set[int]] = {}
    for row in range(len(catalog)):
        name = catalog.relative_path(row).rsplit("/", 1)[1].partition("_")[0]
        splits.setdefault(name, set()).add(int(catalog.splits[row]))
    assert any(len(found) > 1 for found in splits.values()) is torn


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"background": "none"}, r"background: expected shared or shifted or varied, got none"),
        ({"group": "room"}, r"group: expected session or photo, got room"),
        ({"test_photos": 1}, r"test_photos: expected 2 or more, got 1"),
        ({"session_photos": 0}, r"session_photos: expected 2 or more, got 0"),
    ],
    ids=["background", "group", "count", "session"],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Faces("faces", **settings)


# ---------------------------------------------------------------------------------------------
# The room tells the side, where there is but one
# ---------------------------------------------------------------------------------------------


def wall(split: str, sessions: int, place: Place) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Brightness of the upper corners, where no face is, and the sides."""
    found, sides = [], []
    for session in range(sessions):
        for number in range(10):
            data = draw_face(Shot(0, split, session, number), place, 48)
            picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
            assert picture is not None
            found.append([picture[:12, :10].mean(), picture[:12, -10:].mean()])
            sides.append(number % 2)
    return np.array(found), np.array(sides)


def told_by_the_wall(train: Place, test: Place) -> float:
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(*wall("train", 17, train))
    return float(model.score(*wall("test", 6, test)))


def test_the_wall_of_one_room_tells_the_side() -> None:
    assert told_by_the_wall("home", "home") > 0.85


def test_it_does_not_tell_in_another_room() -> None:
    assert told_by_the_wall("home", "away") < 0.6


def test_walls_of_many_rooms_tell_nothing() -> None:
    assert 0.3 < told_by_the_wall("varied", "varied") < 0.65  # chance, of 60 photos


def test_only_the_room_differs_between_places() -> None:
    """Where a face is, home and away look more alike than where the wall is."""
    shots = [Shot(0, "test", 0, number) for number in range(10)]
    difference = np.zeros((48, 48))
    for shot in shots:
        pair = [
            cv2.imdecode(np.frombuffer(draw_face(shot, place, 48), np.uint8), cv2.IMREAD_GRAYSCALE)
            for place in ("home", "away")
        ]
        assert pair[0] is not None
        assert pair[1] is not None
        difference += np.abs(pair[0].astype(float) - pair[1])
    assert difference[18:30, 18:30].mean() < 0.75 * difference[:10, :10].mean()
