"""The generated wardrobe: drawn once, the same every time, and told apart by shape alone."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from project.data import wardrobe
from project.data.garments import GARMENTS
from project.data.wardrobe import COUNTS, Identity, Wardrobe, draw_photo
from project.errors import ConfigError, DataError

Features = Callable[[bytes], NDArray[np.float64]]

TINY = 0.001  # two photos a class and split, but for the largest ones


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(root)): file.read_bytes()
        for file in sorted(root.rglob("*"))
        if file.is_file()
    }


def pixels(photo: bytes) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image.astype(np.uint8)


def test_photos_lie_in_ordinary_class_folders(tmp_path: Path) -> None:
    listing = Wardrobe(tmp_path / "wardrobe", scale=TINY).listing()
    rows = listing.to_pylist()
    assert {(row["split"], row["label"]) for row in rows} == {
        (split, kind) for split in COUNTS for kind in GARMENTS
    }
    assert len(rows) == 3 * 5 * 2
    assert rows[0]["path"] == "test/bottom/bottom_0000.jpg"
    photo = pixels((tmp_path / "wardrobe" / rows[0]["path"]).read_bytes())
    assert photo.shape == (96, 96, 3)


def test_counts_are_a_tenth_of_the_clothing_case() -> None:
    tenth = [round(count / 10) for count in (210, 4984, 20218, 7304, 454)]
    assert list(COUNTS["train"].values()) == tenth
    assert min(COUNTS["val"].values()) >= 24
    assert min(COUNTS["test"].values()) >= 40


def test_scale_multiplies_the_counts_and_leaves_at_least_two() -> None:
    identities = list(wardrobe._identities(0.1))
    drawn = {
        kind: sum(i.split == "train" and i.kind == kind for i in identities) for kind in GARMENTS
    }
    assert drawn == {"hat": 2, "outer": 50, "top": 202, "bottom": 73, "shoes": 4}


def test_photos_are_drawn_once(tmp_path: Path) -> None:
    source = Wardrobe(tmp_path / "wardrobe", scale=TINY)
    first = source.listing()
    marker = tmp_path / "wardrobe" / first["path"][0].as_py()
    marker.write_bytes(b"mine")
    assert source.listing().equals(first)
    assert marker.read_bytes() == b"mine"


def test_two_runs_started_together_draw_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Identity] = []

    def counting(seed: int, identity: Identity, image_size: int) -> bytes:
        drawn.append(identity)
        return draw_photo(seed, identity, image_size)

    monkeypatch.setattr(wardrobe, "draw_photo", counting)
    runs = [
        threading.Thread(target=Wardrobe(tmp_path / "wardrobe", scale=TINY).listing)
        for _ in range(2)
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert len(drawn) == len(set(drawn)) == 30


def test_one_seed_draws_the_same_files_wherever_it_is_asked(tmp_path: Path) -> None:
    for name in ("first", "second"):
        Wardrobe(tmp_path / name, seed=3, scale=TINY).listing()
    Wardrobe(tmp_path / "other", seed=4, scale=TINY).listing()
    first = contents(tmp_path / "first")
    assert first == contents(tmp_path / "second")
    other = contents(tmp_path / "other")
    assert not set(first.values()) & set(other.values())


def test_a_photo_does_not_depend_on_the_others(tmp_path: Path) -> None:
    Wardrobe(tmp_path / "wardrobe", seed=5, scale=TINY).listing()
    alone = draw_photo(5, Identity("val", "shoes", 1), 96)
    assert (tmp_path / "wardrobe/val/shoes/shoes_0001.jpg").read_bytes() == alone


def test_no_photo_is_drawn_twice() -> None:
    photos = [
        draw_photo(0, Identity(split, kind, number), 32)
        for split in COUNTS
        for kind in GARMENTS
        for number in range(20)
    ]
    assert len(set(photos)) == len(photos)


@pytest.mark.parametrize("size", [32, 160])
def test_image_size_is_the_height_and_width(size: int) -> None:
    assert pixels(draw_photo(0, Identity("train", "top", 0), size)).shape == (size, size, 3)


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"seed": 1, "scale": TINY}, "seed 0, image_size 96, scale 0.001"),
        ({"scale": 0.002}, "seed 0, image_size 96, scale 0.001"),
        ({"scale": TINY, "image_size": 64}, "seed 0, image_size 96, scale 0.001"),
    ],
    ids=["seed", "scale", "size"],
)
def test_another_wardrobe_on_disk_is_not_taken_for_this_one(
    tmp_path: Path, settings: dict[str, float], found: str
) -> None:
    Wardrobe(tmp_path / "wardrobe", scale=TINY).listing()
    other = Wardrobe(tmp_path / "wardrobe", **settings)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=rf"found version 1, {found}. Delete the folder"):
        other.listing()


@pytest.mark.parametrize("record", [None, "{", "[]"], ids=["missing", "cut off", "not a record"])
def test_a_folder_with_something_else_is_left_alone(tmp_path: Path, record: str | None) -> None:
    mine = tmp_path / "hat.jpg"
    mine.write_bytes(b"mine")
    if record is not None:
        (tmp_path / "wardrobe.json").write_text(record, "utf-8")
    with pytest.raises(
        DataError, match=r"found no readable wardrobe.json. Delete the folder .* or"
    ):
        Wardrobe(tmp_path, scale=TINY).listing()
    assert mine.read_bytes() == b"mine"


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    assert Wardrobe(tmp_path, scale=TINY).listing().num_rows == 30
    assert json.loads((tmp_path / "wardrobe.json").read_text("utf-8"))["scale"] == TINY


def test_an_interrupted_drawing_leaves_nothing_and_is_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> bytes:
        raise KeyboardInterrupt

    source = Wardrobe(tmp_path / "wardrobe", scale=TINY)
    with monkeypatch.context() as patched:
        patched.setattr(wardrobe, "draw_photo", interrupted)
        with pytest.raises(KeyboardInterrupt):
            source.listing()
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
    assert source.listing().num_rows == 30


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    root = tmp_path / "file" / "wardrobe"
    with pytest.raises(DataError, match=r"Drawing the wardrobe into .* failed: .*set data.root to"):
        Wardrobe(root, scale=TINY).listing()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seed": -1}, r"data\.source\.seed: expected 0 or more, got -1"),
        ({"image_size": 0}, r"data\.source\.image_size: expected 8 pixels or more, got 0"),
        ({"scale": 0.0}, r"data\.source\.scale: expected a number above 0, got 0\.0"),
    ],
    ids=["seed", "size", "scale"],
)
def test_impossible_settings_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Wardrobe("wardrobe", **settings)  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------
# The class is in the shape, not in the nuisance
# ---------------------------------------------------------------------------------------------


def mean_color(photo: bytes) -> NDArray[np.float64]:
    image = pixels(photo).reshape(-1, 3)
    return np.concatenate([image.mean(axis=0), image.std(axis=0)])


def brightness(photo: bytes) -> NDArray[np.float64]:
    counts, _ = np.histogram(pixels(photo).mean(axis=2), bins=16, range=(0, 255))
    return np.asarray(np.sqrt(counts))


def file_size(photo: bytes) -> NDArray[np.float64]:
    return np.log([len(photo)])


def border(photo: bytes) -> NDArray[np.float64]:
    image = pixels(photo)
    edges = np.concatenate([image[:4].reshape(-1, 3), image[-4:].reshape(-1, 3)])
    return np.concatenate([edges.mean(axis=0), edges.std(axis=0)])


def thumbnail(photo: bytes) -> NDArray[np.float64]:
    small = cv2.resize(pixels(photo), (8, 8), interpolation=cv2.INTER_AREA)
    return np.asarray(small.ravel(), float)


def outline(photo: bytes) -> NDArray[np.float64]:
    """Strength of the edges in four directions on a grid of 8 x 8: shape, whatever the colours."""
    grey = cv2.GaussianBlur(pixels(photo).mean(axis=2), (0, 0), 1.5)
    dx, dy = cv2.Sobel(grey, cv2.CV_64F, 1, 0), cv2.Sobel(grey, cv2.CV_64F, 0, 1)
    angle, strength = np.arctan2(dy, dx) % np.pi, np.sqrt(np.hypot(dx, dy))
    sectors = [strength * (np.abs(angle - turn) % np.pi < 0.6) for turn in np.arange(4) * np.pi / 4]
    cells = [cv2.resize(s, (8, 8), interpolation=cv2.INTER_AREA) for s in sectors]
    features = np.concatenate([cell.ravel() for cell in cells])
    return np.asarray(features / np.linalg.norm(features))


@pytest.fixture(scope="module")
def photos() -> dict[str, list[tuple[str, bytes]]]:
    """As many of each class, so that nothing is learned from how common it is."""
    return {
        split: [
            (kind, draw_photo(0, Identity(split, kind, number), 96))
            for kind in GARMENTS
            for number in range(count)
        ]
        for split, count in {"train": 80, "test": 40}.items()
    }


def macro_recall(photos: dict[str, list[tuple[str, bytes]]], features: Features) -> float:
    """Of logistic regression on some features."""
    x = {split: np.array([features(photo) for _, photo in photos[split]]) for split in photos}
    y = {split: [kind for kind, _ in photos[split]] for split in photos}
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500))
    predictions = model.fit(x["train"], y["train"]).predict(x["test"])
    return float(recall_score(y["test"], predictions, average="macro"))


@pytest.mark.parametrize("features", [mean_color, brightness, file_size, border])
def test_class_cannot_be_told_by(
    photos: dict[str, list[tuple[str, bytes]]], features: Features
) -> None:
    assert macro_recall(photos, features) < 0.3  # guessing: 0.2, with a standard error of 0.03


def test_class_can_be_told_by_shape_and_not_by_a_thumbnail(
    photos: dict[str, list[tuple[str, bytes]]],
) -> None:
    assert macro_recall(photos, thumbnail) < 0.4
    assert 0.7 < macro_recall(photos, outline) < 0.95
