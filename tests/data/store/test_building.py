import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from project.data.catalog.catalog import Catalog
from project.data.store import building
from project.data.store.building import Build
from project.data.store.contents import Contents
from project.data.store.decoding import DecodingStore
from project.errors import DataError
from tests.data.store.conftest import LIMIT, POLICY


@pytest.fixture
def build(catalog: Catalog) -> Build:
    return build_of(catalog)


def build_of(catalog: Catalog) -> Build:
    return Build(Contents.of(catalog, POLICY), DecodingStore(catalog, POLICY, LIMIT))


def test_size_is_known_before_a_photo_is_read(build: Build, tmp_path: Path) -> None:
    file = tmp_path / "a.images"
    build.publish(file)
    assert file.stat().st_size == build.size
    assert [f.name for f in tmp_path.iterdir()] == ["a.images"]


def test_two_builds_give_the_same_bytes(build: Build, catalog: Catalog, tmp_path: Path) -> None:
    build.publish(tmp_path / "a.images")
    build_of(catalog).publish(tmp_path / "b.images")
    assert (tmp_path / "a.images").read_bytes() == (tmp_path / "b.images").read_bytes()


def test_work_is_shown_while_it_goes_on(
    build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build.publish(tmp_path / "a.images")
    assert "Caching photos" in capsys.readouterr().err


def test_nothing_is_left_of_a_build_that_fails(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space left"):
        build.publish(tmp_path / "a.images")
    assert not list(tmp_path.iterdir())


def test_a_photo_that_has_changed_stops_the_build(catalog: Catalog, tmp_path: Path) -> None:
    hashes = catalog.content_hash.take(list(reversed(range(len(catalog)))))
    with pytest.raises(DataError, match="has changed since the photos were checked"):
        build_of(replace(catalog, content_hash=hashes)).publish(tmp_path / "a.images")
    assert not list(tmp_path.iterdir())


def test_images_are_written_whole_where_the_system_writes_in_parts(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build.publish(tmp_path / "a.images")
    pwrite = os.pwrite
    monkeypatch.setattr(
        building.os,  # type: ignore[attr-defined]
        "pwrite",
        lambda fd, data, at: pwrite(fd, data[:700] if at else data, at),
    )
    build.publish(tmp_path / "b.images")
    assert (tmp_path / "a.images").read_bytes() == (tmp_path / "b.images").read_bytes()


def test_systems_that_cannot_reserve_room_build_as_well(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "posix_fallocate")
    build.publish(tmp_path / "a.images")
    assert (tmp_path / "a.images").stat().st_size == build.size
