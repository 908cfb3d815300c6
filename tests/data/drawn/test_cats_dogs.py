"""Drawn cats and dogs, in the layout of the public data set."""

from pathlib import Path

from project.data.drawn.cats_dogs import CatsDogs


def test_file_names_hold_the_labels(tmp_path: Path) -> None:
    source = CatsDogs(tmp_path / "animals", image_size=24, scale=0.01)
    photos = source.listing().to_pylist()
    assert [(photo["path"], photo["label"]) for photo in photos] == [
        *((f"cat.{number}.jpg", "cat") for number in range(4)),
        *((f"dog.{number}.jpg", "dog") for number in range(4)),
    ]


def test_there_are_as_many_cats_as_dogs() -> None:
    assert set(CatsDogs.counts.values()) == {400}
