import logging
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from project.data.catalog.scan_cache import UNKNOWN, Checked, ScanCache, Status

ROW = Checked(Status(10, 123, 124, 5), "ab", 4, 3, "cd", "ok")


def cache(tmp_path: Path, root: str = "photos", max_pixels: int = 9) -> ScanCache:
    return ScanCache(tmp_path / "cache", tmp_path / root, max_pixels)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    rows = {"모자/1.jpg": ROW, "b": ROW._replace(width=None, height=None, state="empty file")}
    rows["c"] = ROW._replace(status=Status(0, -1, 2**62, 2**64 - 1))  # some systems use all bits
    with cache(tmp_path).locked():
        cache(tmp_path).save(rows)

    assert cache(tmp_path).load() == rows


def test_unread_files_are_not_kept(tmp_path: Path) -> None:
    with cache(tmp_path).locked():
        cache(tmp_path).save({"a": ROW._replace(content_hash=None)})

    assert cache(tmp_path).load() == {}


def test_roots_and_limits_have_their_own_file(tmp_path: Path) -> None:
    files = {cache(tmp_path).file, cache(tmp_path, "b").file, cache(tmp_path, max_pixels=8).file}

    assert len(files) == 3


def test_linked_root_shares_the_file(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "photos")

    assert cache(tmp_path, "link").file == cache(tmp_path).file


@pytest.mark.parametrize("content", [b"", b"PAR1 nonsense PAR1"])
def test_damaged_cache_counts_as_none(tmp_path: Path, content: bytes) -> None:
    with cache(tmp_path).locked():
        cache(tmp_path).file.write_bytes(content)

    assert cache(tmp_path).load() == {}


def test_full_disk_is_reported_and_leaves_the_old_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with cache(tmp_path).locked():
        cache(tmp_path).save({"a": ROW})
        monkeypatch.setattr(pq, "write_table", full)
        cache(tmp_path).save({"b": ROW})

    assert "No space left on device. Set paths.cache" in caplog.text
    assert cache(tmp_path).load() == {"a": ROW}


def test_cache_that_is_to_be_read_only_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    with cache(tmp_path).locked():
        cache(tmp_path).save({"a": ROW})
    monkeypatch.setattr(FileLock, "acquire", refused)
    later = cache(tmp_path)
    with later.locked():
        assert later.load() == {"a": ROW}
        assert not caplog.records
        later.save({"b": ROW})

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "Read-only file system. Set paths.cache to a folder" in record.getMessage()
    assert cache(tmp_path).load() == {"a": ROW}


def test_doubt_forgets_files_but_not_contents(tmp_path: Path) -> None:
    with cache(tmp_path).locked():
        cache(tmp_path).save({"a": ROW})
    cache(tmp_path).doubt()

    assert cache(tmp_path).load() == {"a": ROW._replace(status=UNKNOWN)}


def test_only_one_scan_of_a_folder_runs_at_a_time(tmp_path: Path) -> None:
    entered = threading.Event()

    def other() -> None:
        with cache(tmp_path).locked():
            entered.set()

    thread = threading.Thread(target=other)
    with cache(tmp_path).locked():
        thread.start()
        assert not entered.wait(0.2)
    assert entered.wait(10)
    thread.join()
