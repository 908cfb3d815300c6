import errno
import os
from pathlib import Path
from typing import Any, get_args

import pytest

from project.data.catalog.manifest import digest
from project.data.preparation.links import Link, bring, explained, is_there
from project.errors import DataError

BYTES = b"some bytes" * 100


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    file = tmp_path / "photo.png"
    file.write_bytes(BYTES)
    return file


def brought(photo: Path, link: Link, content: bytes = BYTES) -> bool:
    folder = photo.parent
    return bring(photo, folder / "to" / "x.png", link, digest([content]), folder / "partial")


@pytest.mark.parametrize("link", get_args(Link))
def test_photo_is_brought_once(photo: Path, link: Link) -> None:
    target = photo.parent / "to" / "x.png"
    assert brought(photo, link)
    assert target.read_bytes() == BYTES
    assert target.is_symlink() == (link == "symbolic")
    assert target.samefile(photo) == (link != "copy")
    assert not brought(photo, link)
    assert sorted(f.name for f in photo.parent.iterdir()) == ["photo.png", "to"]


@pytest.mark.parametrize("link", get_args(Link))
def test_whatever_else_is_in_its_place_gives_way(photo: Path, link: Link) -> None:
    target = photo.parent / "to" / "x.png"
    target.parent.mkdir()
    (photo.parent / "partial").write_bytes(b"left by a process that was killed")
    for wrong in (BYTES[:-1], BYTES[:-1] + b"?"):
        target.unlink(missing_ok=True)
        target.write_bytes(wrong)
        assert brought(photo, link)
        assert is_there(photo, target, link, digest([BYTES]))
        assert target.read_bytes() == BYTES


def test_links_to_another_photo_give_way(photo: Path, tmp_path: Path) -> None:
    other, target = tmp_path / "other.png", tmp_path / "to" / "x.png"
    other.write_bytes(BYTES)
    target.parent.mkdir()
    for link in ("hard", "symbolic"):
        target.unlink(missing_ok=True)
        target.symlink_to(other)
        assert brought(photo, link)
    target.unlink()
    target.symlink_to(photo)
    assert brought(photo, "copy")  # a link is no copy, though it shows the same bytes
    assert not target.is_symlink()


def test_hard_link_is_of_the_file_that_a_link_leads_to(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "link.png").symlink_to(photo)
    assert brought(tmp_path / "link.png", "hard")
    assert not (tmp_path / "to" / "x.png").is_symlink()
    assert (tmp_path / "to" / "x.png").stat().st_ino == photo.stat().st_ino


def test_photo_that_has_changed_since_the_scan_is_refused(photo: Path) -> None:
    with pytest.raises(DataError, match="is not what the scan found, as it has changed since"):
        brought(photo, "copy", b"other bytes")
    assert not list((photo.parent / "to").iterdir())


def test_photo_that_has_gone_is_named(photo: Path) -> None:
    photo.unlink()
    with pytest.raises(DataError, match=r'photo\.png" cannot be read: No such file'):
        brought(photo, "copy")


def refusing(number: int) -> Any:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.EXDEV, r"link=hard: .* are on different file systems\. Take link=copy"),
        (errno.EPERM, r"link=hard: .* may not have another name there .*Take link=copy"),
        (errno.ENOSPC, r"cannot be written: No space left on device\. Free some space"),
    ],
)
def test_hard_link_that_cannot_be_says_why(
    photo: Path, monkeypatch: pytest.MonkeyPatch, number: int, message: str
) -> None:
    monkeypatch.setattr(os, "link", refusing(number))
    with pytest.raises(DataError, match=message):
        brought(photo, "hard")


def test_full_disk_names_the_ways_out(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.copyfileobj", refusing(errno.ENOSPC))
    with pytest.raises(DataError, match=r"No space left .*same command again, which goes on; or"):
        brought(photo, "copy")


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.EROFS, "Allow writing there, or set to=<folder>"),
        (errno.EACCES, "Allow writing there, or set to=<folder>"),
        (errno.EDQUOT, "Free some space"),
        (errno.EIO, "Set to=<folder> to another place"),
    ],
)
def test_what_the_file_system_refuses_is_explained(number: int, cure: str) -> None:
    message = f'"there" cannot be written: .*{cure}'
    with pytest.raises(DataError, match=message), explained(Path("there")):
        refusing(number)()
