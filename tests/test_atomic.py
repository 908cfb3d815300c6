import errno
import os
from pathlib import Path
from typing import NoReturn

import pytest

from project.atomic import explained, replace_bytes, write_bytes, write_text
from project.errors import RunError


def refusing(code: int) -> NoReturn:
    raise OSError(code, os.strerror(code))


def test_content_arrives_and_parents_are_made(tmp_path: Path) -> None:
    file = tmp_path / "모자" / "b" / "notes.txt"
    write_text(file, "외투\n")
    assert file.read_bytes() == "외투\n".encode()


def test_new_content_replaces_the_old_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    write_bytes(file, b"a long first version")
    write_bytes(file, b"short")
    assert file.read_bytes() == b"short"
    assert list(tmp_path.iterdir()) == [file]


def test_a_new_file_can_be_read_by_whom_the_user_allows(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    write_bytes(tmp_path / "atomic", b"")
    assert (tmp_path / "atomic").stat().st_mode == plain.stat().st_mode


def test_a_full_disk_keeps_the_old_content_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "run.json"
    write_bytes(file, b"old")
    monkeypatch.setattr(os, "fsync", lambda _: refusing(errno.ENOSPC))
    with pytest.raises(RunError, match=r"run\.json: No space left on device\. Free some space, or"):
        write_bytes(file, b"new")
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        (errno.EACCES, r"Permission denied\. Allow writing there, or .* paths\.output=<folder>"),
        (errno.EROFS, r"The file system is read-only: choose another place with paths\.output"),
        (errno.ENAMETOOLONG, r"Shorten the name of the run"),
        (errno.EIO, r"Check the disk, or choose another place"),
    ],
    ids=["permission", "read-only", "long name", "broken disk"],
)
def test_each_refusal_has_an_answer(tmp_path: Path, code: int, answer: str) -> None:
    with pytest.raises(RunError, match=answer), explained(tmp_path):
        refusing(code)


def test_a_folder_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("a file")
    with pytest.raises(RunError, match="A part of this path is a file, not a folder"):
        write_text(tmp_path / "outputs" / "run" / "run.json", "{}")
    with pytest.raises(RunError, match="A part of this path is a file, not a folder"):
        write_text(tmp_path / "outputs" / "run.json", "{}")


def test_an_interrupted_write_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: int) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_bytes(tmp_path / "run.json", b"new")
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_leaves_can_be_kept_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "partial").mkdir()
    left: list[list[str]] = []

    def look(_: int) -> None:
        left.append([path.parent.name for path in tmp_path.rglob("*.tmp")])

    monkeypatch.setattr(os, "fsync", look)
    replace_bytes(tmp_path / "facts.json", b"{}", tmp_path / "partial")
    assert left == [["partial"]]
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["facts.json"]


def test_a_file_that_is_not_of_a_run_leaves_the_explanation_to_its_owner(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        replace_bytes(tmp_path / "missing" / "facts.json", b"{}")
