import os
from pathlib import Path

import pytest

from project.data.sources.image_files import image_files
from project.errors import DataError


def touch(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def test_images_of_every_ending_are_found_sorted(tmp_path: Path) -> None:
    endings = ["jpg", "JPEG", "jpe", "PNG", "webp", "bmp", "tif", "TIFF", "gif", "ppm"]
    touch(tmp_path, *(f"b/{e}.{e}" for e in endings), "a/z.jpg", "notes.txt", "b/x.svg")

    found = image_files(tmp_path)

    assert found == sorted([*(f"b/{e}.{e}" for e in endings), "a/z.jpg"])


def test_hidden_files_and_folders_are_skipped(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg", "a/.2.jpg", ".cache/3.jpg", "__MACOSX/a/._1.jpg")

    assert image_files(tmp_path) == ["a/1.jpg"]


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (["**/*"], [], ["a/1.jpg", "a/Masks/1.jpg", "a/b/2.PNG", "masks/3.jpg", "top_MASK.png"]),
        (["**/*"], ["**/masks/**", "*_mask.png"], ["a/1.jpg", "a/b/2.PNG"]),
        (["*.png"], [], ["a/b/2.PNG", "top_MASK.png"]),
        (["a/*"], [], ["a/1.jpg"]),
        (["a/**"], [], ["a/1.jpg", "a/Masks/1.jpg", "a/b/2.PNG"]),
        (["a/**/2.*"], [], ["a/b/2.PNG"]),
        (["a/?.jpg", "masks/*"], [], ["a/1.jpg", "masks/3.jpg"]),
        (["*/*/*"], ["**/Mas?s/*"], ["a/b/2.PNG"]),
    ],
)
def test_globs_choose_by_folder_and_by_name_in_any_case(
    tmp_path: Path, include: list[str], exclude: list[str], expected: list[str]
) -> None:
    touch(tmp_path, "a/1.jpg", "a/Masks/1.jpg", "a/b/2.PNG", "masks/3.jpg", "top_MASK.png")

    assert image_files(tmp_path, include, exclude) == expected


def test_brackets_in_globs_are_letters(tmp_path: Path) -> None:
    touch(tmp_path, "a[1]/x.jpg", "a1/x.jpg")

    assert image_files(tmp_path, exclude=["a[1]/*"]) == ["a1/x.jpg"]


def test_globs_match_either_unicode_form(tmp_path: Path) -> None:
    touch(tmp_path, "u\u0308ber/1.jpg", "a/1.jpg")

    assert image_files(tmp_path, exclude=["\u00fcber/*"]) == ["a/1.jpg"]


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    root = touch(tmp_path / "root", "a/1.jpg")
    elsewhere = touch(tmp_path / "elsewhere", "2.jpg")
    (root / "b").symlink_to(elsewhere)
    (root / "a" / "up").symlink_to(root)
    (elsewhere / "back").symlink_to(root / "a")
    (root / "a" / "gone.jpg").symlink_to(tmp_path / "nothing")

    assert image_files(root) == [
        "a/1.jpg",
        "a/gone.jpg",
        "b/2.jpg",
        "b/back/1.jpg",
        "b/back/gone.jpg",
    ]


def test_no_images_says_what_is_there_and_what_was_looked_for(tmp_path: Path) -> None:
    touch(tmp_path, "a/notes.txt", "a/1.jpg")

    with pytest.raises(
        DataError, match=r"No images below .* 2 files, of which 1 are images \(\.bmp, .*'\*\.jpg'"
    ):
        image_files(tmp_path, exclude=["*.jpg"])


def test_a_folder_that_cannot_be_listed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: str) -> None:
        raise PermissionError(13, "Permission denied", folder)

    monkeypatch.setattr(os, "scandir", refuse)

    with pytest.raises(DataError, match="cannot be listed: Permission denied"):
        image_files(tmp_path)


def test_names_that_are_not_unicode_are_listed(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")).touch()

    with pytest.raises(DataError, match=r"UTF-8, but 1 are not: \"caf\\udce9\.jpg\""):
        image_files(tmp_path)
