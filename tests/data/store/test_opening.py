"""What is promised of caches: the same bytes, whatever happens to them."""

import logging
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from project.data.catalog.catalog import MAX_PIXELS, Catalog
from project.data.catalog.scan import _status
from project.data.catalog.scan_cache import ScanCache
from project.data.store import opening
from project.data.store.building import Build
from project.data.store.decoding import DecodingStore
from project.data.store.folder import building_lock, images_folder, stored
from project.data.store.layout import VERSION
from project.data.store.mapped import MappedStore
from project.errors import DataError
from tests.data.store.conftest import LIMIT, POLICY, Open, catalog_of, picture, same

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def decoding(catalog: Catalog) -> DecodingStore:
    return DecodingStore(catalog, POLICY, LIMIT)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return images_folder(tmp_path / "cache")


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


@pytest.mark.parametrize("boxed", [False, True])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "lanczos"])
def test_all_caches_give_the_same_bytes(
    opened: Open, catalog: Catalog, boxed: bool, interpolation: Any
) -> None:
    policy = replace(POLICY, boxed=boxed, interpolation=interpolation, side=7)
    boxes = np.tile(np.array([1, 2, 9, 7], np.int32), (len(catalog), 1))
    cropped = replace(catalog, boxes=boxes)
    plain = opened(catalog=cropped, policy=policy, cache="none")
    for cache in ("ram", "disk", "ram"):  # from the photos, onto the disk, from the disk
        store = opened(catalog=cropped, policy=policy, cache=cache)
        assert isinstance(store, MappedStore)
        assert same(store, plain, len(catalog))


def test_nothing_is_decoded_twice(
    opened: Open, decoding: DecodingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened()
    monkeypatch.setattr(Build, "write", None)
    monkeypatch.setattr(DecodingStore, "__getitem__", None)
    for cache in ("disk", "ram"):
        store = opened(cache=cache)
        assert all(store[row].shape[2] == 3 for row in range(len(decoding.catalog)))


def test_size_is_said_before_the_work_begins(
    opened: Open, catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    opened()
    assert f"Image cache: {len(catalog) - 1} images, 5" in caplog.text
    opened(cache="ram")
    assert f"Images in memory: {len(catalog) - 1}, 5" in caplog.text


def torn(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size - 100)


def damaged(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[4100] ^= 1
    file.write_bytes(data)


def of_another_version(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[8] += 1
    file.write_bytes(data)


def of_other_photos(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data.replace(b'"key": "', b'"key": "0', 1))


def of_another_number(file: Path) -> None:
    data = file.read_bytes()
    at = data.index(b'"images": ') + len(b'"images": ') + 1
    file.write_bytes(data[:at] + b"." + data[at + 1 :])


def empty(file: Path) -> None:
    file.write_bytes(b"")


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (torn, "it has"),
        (damaged, "its header is damaged"),
        (of_another_version, f"it has version {VERSION + 1} of the format"),
        (of_other_photos, "its header is damaged"),
        (of_another_number, "its header is damaged"),
        (empty, "it is cut off"),
    ],
)
def test_files_that_cannot_be_used_are_made_anew_and_that_is_said(
    opened: Open,
    decoding: DecodingStore,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
    harm: Callable[[Path], None],
    reason: str,
) -> None:
    opened()
    harm(stored(folder)[0].file)
    store = opened()
    assert isinstance(store, MappedStore)
    assert same(store, decoding, len(decoding.catalog))
    (said,) = warnings_of(caplog)
    assert f"cannot be used: {reason}" in said
    assert said.endswith("It is made anew.")


def test_nothing_is_made_where_each_photo_is_read_once(
    opened: Open, decoding: DecodingStore, folder: Path
) -> None:
    for cache in ("disk", "ram"):
        assert isinstance(opened(build=False, cache=cache), DecodingStore)
    assert not folder.exists()
    opened()
    assert isinstance(opened(build=False), MappedStore)


def test_images_above_the_limit_are_decoded_each_time(
    opened: Open, decoding: DecodingStore, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = opened(limit_gb=1e-5)
    assert same(store, decoding, len(decoding.catalog))
    assert not stored(folder)
    (said,) = warnings_of(caplog)
    assert said.startswith("Photos are decoded each time")
    assert "data.cache_limit_gb=1e-05. Raise it, or lower data.store_side." in said


def test_a_disk_that_cannot_be_written_is_no_obstacle(
    opened: Open, decoding: DecodingStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").write_text("a file, not a folder")
    store = opened()
    assert same(store, decoding, len(decoding.catalog))
    assert 'they cannot be kept in "' in warnings_of(caplog)[0]


def test_a_disk_that_fills_up_meanwhile_is_no_obstacle(
    opened: Open,
    decoding: DecodingStore,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    assert same(opened(), decoding, len(decoding.catalog))
    assert "No space left on device" in warnings_of(caplog)[0]
    assert [f.suffix for f in folder.iterdir()] in ([".lock"], [])


def test_images_that_memory_has_no_room_for_go_to_the_disk(
    opened: Open,
    decoding: DecodingStore,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(opening, "available_memory", lambda: 10_000)
    store = opened(cache="ram")
    assert same(store, decoding, len(decoding.catalog))
    assert len(stored(folder)) == 1
    (said,) = warnings_of(caplog)
    assert "more than 5 kB" in said
    assert "data.cache=disk is used" in said


def test_processes_of_a_run_share_the_memory(
    opened: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(opening, "available_memory", lambda: 200_000)
    assert "/proc/" in str(getattr(opened(cache="ram"), "file", ""))
    assert "/proc/" not in str(getattr(opened(cache="ram", processes=4), "file", ""))


def test_systems_without_files_in_memory_take_the_disk(
    opened: Open,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    opened(cache="ram")
    assert len(stored(folder)) == 1
    assert "only Linux has files in memory; data.cache=disk is used" in warnings_of(caplog)[0]


def test_memory_is_given_back_with_the_store(opened: Open) -> None:
    before = open_files()
    store = opened(cache="ram")
    assert open_files() > before
    del store
    assert open_files() == before


def test_memory_is_given_back_when_it_cannot_be_filled(
    opened: Open, catalog: Catalog, tmp_path: Path
) -> None:
    gone = replace(catalog, root=tmp_path)
    before = open_files()
    with pytest.raises(DataError, match="cannot be read: No such file"):
        opened(catalog=gone, cache="ram")
    assert open_files() == before


def test_photos_that_have_changed_since_the_scan_are_never_cached(
    opened: Open, varied: Path, tmp_path: Path
) -> None:
    root = tmp_path / "photos"
    shutil.copytree(varied, root)
    catalog = catalog_of(root, tmp_path / "scan")
    picture(77).save(root / "thing" / "once.png")
    picture(77).save(root / "thing" / "again.png")
    with pytest.raises(DataError, match="has changed since the photos were checked; start again"):
        opened(catalog=catalog)
    changed = catalog_of(root, tmp_path / "scan")
    assert same(opened(catalog=changed), DecodingStore(changed, POLICY, LIMIT), len(changed))


def test_photos_that_the_scan_took_for_unchanged_are_checked_when_started_again(
    opened: Open, varied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "photos"
    shutil.copytree(varied, root)
    cache_dir = tmp_path / "cache"
    catalog_of(root, cache_dir)
    for name in ("once", "again", "small"):
        picture(77).save(root / "thing" / f"{name}.png")
    known = ScanCache(cache_dir, root, MAX_PIXELS).load()
    deceived = {path: row._replace(status=_status(root / path)) for path, row in known.items()}
    ScanCache(cache_dir, root, MAX_PIXELS).save(deceived)
    stale = catalog_of(root, cache_dir)
    with pytest.raises(DataError, match=r"once\.png|again\.png.*start again\.$"):
        opened(catalog=stale, max_pixels=MAX_PIXELS)
    changed = catalog_of(root, cache_dir)
    assert changed.fingerprint != stale.fingerprint
    assert isinstance(opened(catalog=changed, max_pixels=MAX_PIXELS), MappedStore)


def test_files_that_changed_but_for_their_contents_need_no_other_cache(
    opened: Open, varied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "photos"
    shutil.copytree(varied, root)
    opened(catalog=catalog_of(root, tmp_path / "scan"))
    for file in (root / "thing").iterdir():
        file.chmod(0o640)
        os.utime(file, (1, 1))
    monkeypatch.setattr(Build, "write", None)
    assert isinstance(opened(catalog=catalog_of(root, tmp_path / "scan")), MappedStore)


def logged_build(opened: Open, log: Path, start: Any) -> None:
    """Opens a store in a process of its own and notes whether that made the file."""
    publish = Build.publish

    def slow(build: Build, file: Path) -> None:
        with log.open("a") as stream:
            stream.write("built\n")
        time.sleep(0.2)
        publish(build, file)

    pytest.MonkeyPatch().setattr(Build, "publish", slow)  # for good, in this process
    start.wait()
    store = opened()
    with log.open("a") as stream:
        stream.write(f"{type(store).__name__}\n")


def test_two_processes_make_one_cache(opened: Open, tmp_path: Path) -> None:
    log, start = tmp_path / "log", FORK.Event()
    both = [FORK.Process(target=logged_build, args=(opened, log, start)) for _ in range(2)]
    for one in both:
        one.start()
    start.set()
    for one in both:
        one.join(60)
    assert sorted(log.read_text().split()) == ["MappedStore", "MappedStore", "built"]


def test_who_waits_for_another_process_says_so(
    opened: Open, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    opened()
    file = stored(folder)[0].file
    file.unlink()
    start = FORK.Event()

    def hold() -> None:
        with building_lock(file):
            start.set()
            time.sleep(0.3)

    holder = FORK.Process(target=hold)
    holder.start()
    start.wait(30)
    assert isinstance(opened(), MappedStore)
    holder.join()
    assert "Another process makes the image cache of these photos; waiting" in caplog.text


@pytest.mark.slow
def test_a_build_that_is_killed_at_any_moment_leaves_no_wrong_image(
    opened: Open, decoding: DecodingStore, folder: Path
) -> None:
    begin = time.monotonic()
    opened()
    usual = time.monotonic() - begin
    rng = np.random.default_rng(0)
    finished = 0
    for _ in range(20):
        for one in stored(folder):
            one.file.unlink()
        builder = FORK.Process(target=opened)
        builder.start()
        time.sleep(rng.uniform(0, 1.5) * usual)
        assert builder.pid is not None
        os.kill(builder.pid, signal.SIGKILL)
        builder.join()
        finished += len(stored(folder))
        store = opened()
        assert isinstance(store, MappedStore)
        assert same(store, decoding, len(decoding.catalog))
        assert not list(folder.glob("*.partial"))
    assert finished < 20
