from pathlib import Path
from typing import Any

import pytest

from project.data.sources.file_names import FileNames
from project.errors import ConfigError, DataError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path in ("cat.0.jpg", "dog.0.jpg", "sub/dog.1.jpg"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    return tmp_path


def test_label_is_read_from_the_name(root: Path) -> None:
    listing = FileNames(root, r"(?P<label>cat|dog)\.\d").listing()

    assert listing["label"].to_pylist() == ["cat", "dog", "dog"]
    assert listing["path"].to_pylist() == ["cat.0.jpg", "dog.0.jpg", "sub/dog.1.jpg"]
    assert listing["group"].null_count == 3


def test_group_and_split_are_read_too(tmp_path: Path) -> None:
    for name in ("anna-left-TRAIN.png", "berta-left-dev.png", "clara-right.png"):
        (tmp_path / name).touch()

    listing = FileNames(
        tmp_path, r"(?P<group>\w+)-(?P<label>left|right)(-(?P<split>\w+))?\.png"
    ).listing()

    assert listing["group"].to_pylist() == ["anna", "berta", "clara"]
    assert listing["split"].to_pylist() == ["train", "val", None]


def test_files_that_do_not_match_are_listed_or_counted(root: Path) -> None:
    options: dict[str, Any] = {"pattern": r"(?P<label>cat|bird)"}

    with pytest.raises(DataError, match=r'no class in 2 of 3 images .*"dog\.0\.jpg", "sub/dog'):
        FileNames(root, **options).listing()
    source = FileNames(root, unmatched="skip", **options)
    assert source.listing()["path"].to_pylist() == ["cat.0.jpg"]
    assert source.num_unmatched == 2


def test_nothing_matching_is_an_error_even_when_skipping(root: Path) -> None:
    with pytest.raises(DataError, match="no class in 3 of 3"):
        FileNames(root, "(?P<label>bird)", unmatched="skip").listing()


def test_globs_apply_before_the_pattern(root: Path) -> None:
    listing = FileNames(root, "(?P<label>cat|dog)", exclude=["sub/**"]).listing()

    assert len(listing) == 2


def test_unknown_split_is_refused_with_a_suggestion(tmp_path: Path) -> None:
    (tmp_path / "cat-trian.png").touch()

    with pytest.raises(DataError, match=r'got "trian"\. Did you mean "train"\?'):
        FileNames(tmp_path, "(?P<label>cat)-(?P<split>[a-z]+)").listing()


def test_pattern_without_a_label_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"write that part as \(\?P<label>"):
        FileNames(tmp_path, "(cat|dog)")


def test_broken_pattern_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.source\.pattern=.* not a regular expression"):
        FileNames(tmp_path, "(?P<label>")
