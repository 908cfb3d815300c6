import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from project.data.sources.github_source import GithubClassFolders
from project.errors import DataError

Served = tuple[str, dict[str, bytes]]


def repository() -> bytes:
    photo, file = io.BytesIO(), io.BytesIO()
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(photo, "PNG")
    with zipfile.ZipFile(file, "w") as contents:
        for path in ("train/hat/1.png", "validation/hat/2.png", "test/hat/p/3.png"):
            contents.writestr(f"clothes-main/{path}", photo.getvalue())
        contents.writestr("clothes-main/README.md", "Photos of clothes")
    return file.getvalue()


def test_present_photos_are_listed_like_any_class_folders(tmp_path: Path) -> None:
    (tmp_path / "train" / "hat" / "anna").mkdir(parents=True)
    (tmp_path / "train" / "hat" / "anna" / "1.png").touch()

    source = GithubClassFolders(tmp_path, "someone/clothes", group_level=0)

    assert source.root == tmp_path
    assert source.listing().to_pylist() == [
        {"path": "train/hat/anna/1.png", "label": "hat", "split": "train", "group": "anna"}
        | dict.fromkeys("xywh")
    ]


def test_absent_photos_say_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match=r"no photos at \".*clothing\"\. Set data\.download=true .* run `git clone "
        r"https://github\.com/someone/clothes` and set data\.root=<",
    ):
        GithubClassFolders(tmp_path / "clothing", "someone/clothes").listing()


def test_absent_photos_are_downloaded_on_request(served: Served, tmp_path: Path) -> None:
    address, answers = served
    answers["/someone/clothes/archive/refs/heads/main.zip"] = repository()

    listing = GithubClassFolders(
        tmp_path / "clothing", "someone/clothes", branch="main", download=True, base_url=address
    ).listing()

    assert listing["split"].to_pylist() == ["test", "train", "val"]
    assert (tmp_path / "clothing" / "README.md").is_file()


def test_failed_download_says_how_else_to_get_them(served: Served, tmp_path: Path) -> None:
    source = GithubClassFolders(
        tmp_path / "clothing", "someone/clothes", download=True, base_url=served[0]
    )

    with pytest.raises(
        DataError,
        match=r"master\.zip failed: .*404.* Try again with internet access, or run `git clone",
    ):
        source.listing()
