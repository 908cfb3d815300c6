import os
import shutil
from pathlib import Path

import pytest

from project.data.store import folder as module
from project.data.store.folder import (
    Stored,
    building_lock,
    evict,
    images_file,
    make_room,
    partial,
    remove,
    remove_leftovers,
    set_aside,
    stored,
)
from tests.data.store.conftest import Open

MB = 1e-3  # gigabytes


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Three files of a megabyte; the last was used longest ago."""
    made = []
    for number, name in enumerate("abc"):
        file = tmp_path / f"{name}.images"
        file.write_bytes(bytes(10**6))
        os.utime(file, (0, 1000 - number))
        made.append(file)
    return made


def names(files: list[Stored]) -> str:
    return "".join(one.file.stem for one in files)


def test_files_are_listed_by_last_use(files: list[Path], tmp_path: Path) -> None:
    assert names(stored(tmp_path)) == "cba"
    assert [one.size for one in stored(tmp_path)] == [10**6] * 3
    assert not stored(tmp_path / "absent")


def test_opening_a_file_is_a_use_of_it(opened: Open, tmp_path: Path) -> None:
    opened()
    folder = tmp_path / "cache" / "images"
    (file,) = stored(folder)
    os.utime(file.file, (0, 0))
    opened()
    assert stored(folder)[0].last_used > 10**9


def test_room_is_made_by_those_that_were_used_longest_ago(
    files: list[Path], tmp_path: Path
) -> None:
    assert make_room(tmp_path, 500_000, 3 * MB) is None
    assert names(stored(tmp_path)) == "ba"
    assert make_room(tmp_path, 10**6, 3 * MB) is None
    assert names(stored(tmp_path)) == "ba"


def test_files_in_use_stay(opened: Open, tmp_path: Path) -> None:
    store = opened()
    folder = tmp_path / "cache" / "images"
    (file,) = stored(folder)
    assert not remove(file.file)
    reason = make_room(folder, file.size, 1.5 * file.size / 1e9)
    assert reason is not None
    assert "other runs use what is there. Raise data.cache_limit_gb=" in reason
    del store
    assert make_room(folder, file.size, 1.5 * file.size / 1e9) is None
    assert not stored(folder)


def test_files_of_forked_workers_stay(opened: Open, tmp_path: Path) -> None:
    store = opened()
    (file,) = stored(tmp_path / "cache" / "images")
    read, write = os.pipe()
    worker = os.fork()
    if worker == 0:
        os.close(write)
        os.read(read, 1)  # until the parent closes it
        os._exit(0)
    del store
    assert not remove(file.file)
    os.close(read)
    os.close(write)
    os.waitpid(worker, 0)
    assert remove(file.file)
    assert remove(file.file)  # nothing is gone, too


def test_files_of_other_users_stay(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refused)
    assert not remove(files[0])
    assert files[0].exists()


def test_what_is_too_large_for_the_limit_removes_nothing(files: list[Path], tmp_path: Path) -> None:
    reason = make_room(tmp_path, 4 * 10**6, 3 * MB)
    assert reason is not None
    assert "they take 4 MB, and data.cache_limit_gb=0.003. Raise it, or lower" in reason
    assert len(stored(tmp_path)) == 3


def test_a_full_disk_is_found_before_it_is_full(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10**9 + 10**6))
    assert make_room(tmp_path, 2 * 10**6, 10) is None  # one has to go
    assert names(stored(tmp_path)) == "ba"
    reason = make_room(tmp_path, 9 * 10**6, 10)
    assert reason is not None
    assert "has no such room: 1 GB of the disk are free" in reason
    assert "or set paths.cache to another disk" in reason
    assert names(stored(tmp_path)) == "ba"


def test_only_as_many_go_as_must(files: list[Path], tmp_path: Path) -> None:
    assert not evict(stored(tmp_path), 0)
    assert not evict(stored(tmp_path), 3 * 10**6 + 1)
    assert names(evict(stored(tmp_path), 10**6 + 1)) == "cb"


def test_leftovers_of_killed_builds_go_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    dead, alive = (images_file(tmp_path, name) for name in ("dead", "alive"))
    dead.parent.mkdir()
    for file in (dead, alive):
        partial(file).write_bytes(bytes(10))
    with building_lock(alive):
        gone = remove_leftovers(dead.parent)
    assert [one.file for one in gone] == [partial(dead)]
    assert partial(alive).exists()
    assert not partial(dead).exists()


def test_damaged_files_are_set_aside_unless_they_were_replaced(
    files: list[Path], tmp_path: Path
) -> None:
    inode = files[0].stat().st_ino
    assert not set_aside(files[0], inode + 1)
    assert set_aside(files[0], inode)
    assert not set_aside(files[0], inode)
    assert names(stored(tmp_path)) == "cb"
    assert [one.file.suffix for one in remove_leftovers(tmp_path)] == [".damaged"]


def test_bytes_are_told_as_people_read_them() -> None:
    assert module.gigabytes(3.2e6) == "3.2 MB"
