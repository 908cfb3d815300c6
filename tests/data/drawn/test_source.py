"""Photos that are drawn when they are absent: what all subjects share."""

from pathlib import Path

import numpy as np
import pytest

from project.data.drawn.car_damage import CarDamage
from project.data.drawn.cats_dogs import CatsDogs
from project.data.drawn.faces import Faces
from project.data.drawn.source import DrawnClasses, DrawnPhotos
from project.data.drawn.surface_crack import SurfaceCrack
from project.data.drawn.traffic_signs import TrafficSigns
from project.errors import ConfigError, DataError

SUBJECTS: list[type[DrawnPhotos]] = [Faces, CatsDogs, CarDamage, TrafficSigns, SurfaceCrack]
CLASSES: list[type[DrawnClasses]] = [CatsDogs, CarDamage, TrafficSigns, SurfaceCrack]


def contents(root: Path) -> dict[str, bytes]:
    files = [file for file in sorted(root.rglob("*")) if file.is_file()]
    return {str(file.relative_to(root)): file.read_bytes() for file in files}


@pytest.mark.parametrize("subject", SUBJECTS)
def test_one_seed_draws_the_same_files_wherever_it_is_asked(
    subject: type[DrawnPhotos], tmp_path: Path
) -> None:
    for name, seed in (("first", 3), ("second", 3), ("other", 4)):
        subject(tmp_path / name, seed=seed, image_size=24, scale=0.01).listing()
    first = contents(tmp_path / "first")
    assert len(set(first.values())) == len(first) > 4
    assert first == contents(tmp_path / "second")
    assert not set(first.values()) & set(contents(tmp_path / "other").values())


@pytest.mark.parametrize("subject", SUBJECTS)
def test_photos_on_disk_are_listed_and_not_drawn_again(
    subject: type[DrawnPhotos], tmp_path: Path
) -> None:
    source = subject(tmp_path / "photos", image_size=24, scale=0.01)
    first = source.listing()
    mine = tmp_path / "photos" / first["path"][0].as_py()
    mine.write_bytes(b"mine")
    assert source.listing().equals(first)
    assert mine.read_bytes() == b"mine"


@pytest.mark.parametrize("subject", SUBJECTS)
def test_photos_drawn_from_something_else_are_not_taken_for_these(
    subject: type[DrawnPhotos], tmp_path: Path
) -> None:
    subject(tmp_path / "photos", image_size=24, scale=0.01).listing()
    other = subject(tmp_path / "photos", seed=1, image_size=24, scale=0.01)
    with pytest.raises(
        DataError, match=r"drawn with version 1, seed 1, .* found version 1, seed 0"
    ):
        other.listing()


def test_a_folder_with_other_photos_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "cat.0.jpg"
    mine.write_bytes(b"mine")
    with pytest.raises(DataError, match=r"found no readable cats_and_dogs.json. Delete the folder"):
        CatsDogs(tmp_path).listing()
    assert mine.read_bytes() == b"mine"


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match=r"Drawing the car damage into .* failed: .* set data.root"):
        CarDamage(tmp_path / "file" / "photos").listing()


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_smaller_scale_draws_some_of_the_same_photos(
    subject: type[DrawnPhotos], tmp_path: Path
) -> None:
    few = {d.path: d.draw for d in subject(tmp_path, image_size=24, scale=0.02).drawings()}
    more = {d.path: d.draw for d in subject(tmp_path, image_size=24, scale=0.05).drawings()}
    if subject is not Faces:  # which numbers sessions through
        assert few.keys() < more.keys()
    path = next(iter(few))
    assert few[path]() == more[path]()


@pytest.mark.parametrize("subject", CLASSES)
def test_a_picture_is_rgb_of_the_size_asked_for(
    subject: type[DrawnClasses], tmp_path: Path
) -> None:
    for size in (20, 64):
        source = subject(tmp_path, image_size=size)
        for label in source.counts:
            picture = source.draw(label, np.random.default_rng(0))
            assert picture.shape == (size, size, 3)
            assert picture.dtype == np.uint8
            assert picture.std() > 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seed": -1}, r"data\.source\.seed: expected 0 or more, got -1"),
        ({"image_size": 4}, r"data\.source\.image_size: expected 8 pixels or more, got 4"),
        ({"scale": 0.0}, r"data\.source\.scale: expected a number above 0, got 0\.0"),
    ],
    ids=["seed", "size", "scale"],
)
@pytest.mark.parametrize("subject", SUBJECTS)
def test_impossible_settings_are_refused(
    subject: type[DrawnPhotos], settings: dict[str, float], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        subject("photos", **settings)  # type: ignore[arg-type]
