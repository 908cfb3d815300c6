import os
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from project.data import decode
from project.data.catalog import scan as scan_module
from project.data.catalog.manifest import Manifest
from project.data.catalog.scan import scan
from project.data.catalog.scan_cache import ScanCache
from project.data.sources.class_folders import ClassFolders
from project.data.sources.listing import listing_table

WritePhotos = Callable[..., Path]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What is decoded, in the order in which it is."""
    seen: list[bytes] = []
    real = decode.probe

    def probe(data: bytes, max_pixels: int) -> Any:
        seen.append(data)
        return real(data, max_pixels)

    monkeypatch.setattr(scan_module, "probe", probe)
    return seen


def scanned(root: Path, **options: Any) -> Manifest:
    options = {"max_pixels": 10**6, "progress": False} | options
    return scan(root, ClassFolders(root).listing(), root.parent / "cache", **options)


def states(manifest: Manifest) -> dict[str, str]:
    table = manifest.table
    return dict(zip(table["path"].to_pylist(), table["state"].to_pylist(), strict=True))


def test_good_photos_are_measured_and_hashed(write_photos: WritePhotos) -> None:
    root = write_photos("hat/1.jpg", "모자/a b.png")

    rows = scanned(root).table.to_pylist()

    assert [row["path"] for row in rows] == ["hat/1.jpg", "모자/a b.png"]
    for row in rows:
        data = (root / row["path"]).read_bytes()
        assert (row["width"], row["height"], row["state"]) == (12, 10, "ok")
        assert row["content_hash"] == blake2b(data, digest_size=16).hexdigest()
        assert len(row["perceptual_hash"]) == 16


def test_every_kind_of_bad_file_is_found(write_photos: WritePhotos) -> None:
    root = write_photos("a/good.png", "a/cut.jpg")
    (root / "a/cut.jpg").write_bytes((root / "a/cut.jpg").read_bytes()[:-100])
    (root / "a/empty.png").touch()
    (root / "a/text.jpg").write_text("not a photo")
    (root / "a/gone.jpg").symlink_to(root / "nothing")

    manifest = scanned(root)

    assert states(manifest) == {
        "a/good.png": "ok",
        "a/cut.jpg": "truncated file",
        "a/empty.png": "empty file",
        "a/text.jpg": "not an image",
        "a/gone.jpg": "missing file",
    }
    assert len(manifest.bad()) == 4
    assert manifest.usable()["path"].to_pylist() == ["a/good.png"]


def test_a_folder_in_place_of_a_file_cannot_be_read(write_photos: WritePhotos) -> None:
    root = write_photos("a/1.png")
    (root / "a/2.png").mkdir()
    listing = listing_table(["a/2.png"], ["a"])

    manifest = scan(root, listing, root.parent / "cache", max_pixels=10**6, progress=False)

    assert states(manifest) == {"a/2.png": "cannot be read (Is a directory)"}


def test_size_limit_is_applied_even_to_what_is_cached(write_photos: WritePhotos) -> None:
    root = write_photos("a/1.png")

    assert states(scanned(root)) == {"a/1.png": "ok"}
    assert states(scanned(root, max_pixels=119)) == {
        "a/1.png": "120 pixels exceed the limit of 119"
    }
    assert states(scanned(root)) == {"a/1.png": "ok"}


def test_boxes_must_lie_within_the_photo(write_photos: WritePhotos) -> None:
    root = write_photos("a/1.png")
    columns = [[0, 1, 0, None], [0, 0, 1, None], [12, 12, 12, None], [10, 10, 10, None]]
    boxes = [pa.array(column, pa.int32()) for column in columns]
    listing = listing_table(["a/1.png"] * 4, ["a"] * 4, boxes=boxes)

    table = scan(root, listing, root.parent / "cache", max_pixels=10**6, progress=False).table

    beyond = "crop box reaches beyond the photo of 12x10 pixels"
    assert table["state"].to_pylist() == ["ok", beyond, beyond, "ok"]


def test_second_scan_opens_nothing(write_photos: WritePhotos, opened: list[bytes]) -> None:
    root = write_photos("a/1.png", "b/2.png")
    (root / "b/3.png").touch()

    first, second = scanned(root), scanned(root)

    assert len(opened) == 3
    assert first.table.equals(second.table)
    assert first.fingerprint() == second.fingerprint()


def test_only_new_and_changed_files_are_opened(
    write_photos: WritePhotos, opened: list[bytes]
) -> None:
    root = write_photos("a/1.png", "b/2.png")
    before = scanned(root)
    opened.clear()
    write_photos("b/new.png")
    (root / "a/1.png").write_bytes(b"broken since")

    after = scanned(root)

    assert sorted(opened) == sorted([b"broken since", (root / "b/new.png").read_bytes()])
    assert states(after) == {"a/1.png": "not an image", "b/2.png": "ok", "b/new.png": "ok"}
    assert before.fingerprint() != after.fingerprint()


def test_known_contents_are_not_decoded_again(
    write_photos: WritePhotos, opened: list[bytes]
) -> None:
    root = write_photos("a/1.png", "b/2.png")
    before = scanned(root).table
    opened.clear()
    (root / "a/1.png").rename(root / "b/moved.png")
    os.utime(root / "b/2.png", (time.time() + 100,) * 2)

    after = scanned(root).table

    assert opened == []
    assert after["content_hash"].to_pylist()[::-1] == before["content_hash"].to_pylist()


@pytest.mark.parametrize("in_place", [False, True])
def test_photos_of_equal_size_and_time_that_change_places_are_noticed(
    write_photos: WritePhotos, opened: list[bytes], in_place: bool
) -> None:
    root = write_photos("a/1.bmp", "a/2.bmp")
    one, other = root / "a/1.bmp", root / "a/2.bmp"
    for file in (one, other):
        os.utime(file, ns=(10**18, 10**18))
    before = scanned(root).table["content_hash"].to_pylist()
    assert one.stat().st_size == other.stat().st_size
    opened.clear()

    if in_place:
        first, second = one.read_bytes(), other.read_bytes()
        one.write_bytes(second)
        other.write_bytes(first)
        for file in (one, other):
            os.utime(file, ns=(10**18, 10**18))
    else:
        one.rename(root / "aside")
        other.rename(one)
        (root / "aside").rename(other)

    assert scanned(root).table["content_hash"].to_pylist() == before[::-1]
    assert opened == []  # their contents are known


def test_files_are_read_again_once_the_cache_is_doubted(write_photos: WritePhotos) -> None:
    root = write_photos("a/1.png", "a/2.png")
    listing = ClassFolders(root).listing()
    options: dict[str, Any] = {"max_pixels": 10**6, "progress": False}
    scan(root, listing, root.parent / "cache", **options)
    ScanCache(root.parent / "cache", root, 10**6).doubt()
    (root / "a/2.png").unlink()

    again = scan(root, listing, root.parent / "cache", **options)

    assert states(again) == {"a/1.png": "ok", "a/2.png": "missing file"}


def test_a_file_that_was_missing_is_looked_for_again(write_photos: WritePhotos) -> None:
    root = write_photos("a/1.png")
    listing = listing_table(["a/1.png", "a/2.png"], ["a", "a"])
    options: dict[str, Any] = {"max_pixels": 10**6, "progress": False}

    first = scan(root, listing, root.parent / "cache", **options)
    write_photos("a/2.png")
    second = scan(root, listing, root.parent / "cache", **options)

    assert (states(first)["a/2.png"], states(second)["a/2.png"]) == ("missing file", "ok")


def test_files_outside_one_listing_stay_cached(
    write_photos: WritePhotos, opened: list[bytes]
) -> None:
    root = write_photos("a/1.png", "b/2.png")
    scanned(root)
    write_photos("a/3.png")
    listing = ClassFolders(root, exclude=["b/*"]).listing()
    scan(root, listing, root.parent / "cache", max_pixels=10**6, progress=False)
    opened.clear()

    scanned(root)

    assert opened == []


def test_an_interrupted_scan_keeps_what_it_has(
    write_photos: WritePhotos, monkeypatch: pytest.MonkeyPatch, opened: list[bytes]
) -> None:
    root = write_photos(*(f"a/{i}.png" for i in range(9)))
    stop_at = (root / "a/5.png").read_bytes()
    real = decode.probe

    begun = []

    def interrupted(data: bytes, max_pixels: int) -> Any:
        begun.append(data)
        if data == stop_at:
            raise KeyboardInterrupt
        time.sleep(0.1 if stop_at in begun else 0)
        return real(data, max_pixels)

    with monkeypatch.context() as patched:
        patched.setattr(scan_module, "probe", interrupted)
        with pytest.raises(KeyboardInterrupt):
            scanned(root, workers=1)
    assert len(begun) < 9
    opened.clear()

    assert set(states(scanned(root)).values()) == {"ok"}
    assert len(opened) == 4


def test_number_of_threads_does_not_change_the_result(write_photos: WritePhotos) -> None:
    root = write_photos(*(f"a/{i}.png" for i in range(20)))
    listing = ClassFolders(root).listing()

    tables = [
        scan(root, listing, root.parent / f"{n}", max_pixels=10**6, workers=n, progress=False).table
        for n in (1, 4)
    ]

    assert tables[0].equals(tables[1])


def test_progress_is_shown_only_while_files_are_opened(
    write_photos: WritePhotos, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_photos("a/1.png", "a/2.png")

    scanned(root, progress=True)
    assert "Checking photos: 100%" in capsys.readouterr().err
    scanned(root, progress=True)
    assert capsys.readouterr().err == ""


def test_unwritable_cache_is_no_obstacle_and_names_the_key(
    write_photos: WritePhotos, caplog: pytest.LogCaptureFixture
) -> None:
    root = write_photos("a/1.png")
    (root.parent / "cache").write_text("a file where the folder should be")

    assert states(scanned(root)) == {"a/1.png": "ok"}
    (said,) = caplog.messages
    assert said.startswith(f'The scan of the photos cannot be kept in "{root.parent / "cache"}"')
    assert said.endswith("Set paths.cache to a folder that can be written.")
