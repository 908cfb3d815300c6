import logging
import pickle
from pathlib import Path

import numpy as np
import pytest

from project.data.catalog.catalog import Catalog
from project.data.store.decoding import DecodingStore
from project.data.store.folder import stored
from project.data.store.layout import described, mapped, read
from project.data.store.mapped import MappedStore
from project.errors import DataError
from tests.data.store.conftest import LIMIT, POLICY, Open, same


@pytest.fixture
def decoding(catalog: Catalog) -> DecodingStore:
    return DecodingStore(catalog, POLICY, LIMIT)


def file_of(store: object) -> Path:
    assert isinstance(store, MappedStore)
    return store.file


def flip(file: Path, image: int) -> None:
    """Flips a bit in the last pixel of an image."""
    with file.open("r+b") as stream:
        entry = read(mapped(stream.fileno()))[1][image]
        position = int(entry["offset"]) + 3 * int(entry["height"]) * int(entry["width"]) - 1
        stream.seek(position)
        value = stream.read(1)[0]
        stream.seek(position)
        stream.write(bytes([value ^ 4]))


def test_images_are_views_that_cannot_be_written(opened: Open) -> None:
    image = opened()[0]
    assert image.base is not None
    with pytest.raises(ValueError, match="read-only"):
        image[0, 0, 0] = 1


@pytest.mark.parametrize("cache", ["disk", "ram"])
def test_other_processes_that_were_not_forked_map_the_same_file(
    opened: Open, decoding: DecodingStore, cache: str
) -> None:
    store = opened(cache=cache)
    copy = pickle.loads(pickle.dumps(store))  # noqa: S301 - our own
    assert isinstance(copy, MappedStore)
    assert same(copy, decoding, len(decoding.catalog))


def test_a_file_that_is_gone_meanwhile_costs_time_alone(
    opened: Open, decoding: DecodingStore
) -> None:
    store = opened()
    data = pickle.dumps(store)
    file_of(store).unlink()
    assert same(store, decoding, len(decoding.catalog))
    copy = pickle.loads(data)  # noqa: S301 - our own
    assert isinstance(copy, DecodingStore)
    assert same(copy, decoding, len(decoding.catalog))


def test_a_flipped_bit_never_reaches_an_image_and_is_told_once(
    opened: Open, decoding: DecodingStore, caplog: pytest.LogCaptureFixture
) -> None:
    file = file_of(opened())
    for image in (3, 7):
        flip(file, image)
    store = opened()
    for _ in range(2):
        assert same(store, decoding, len(decoding.catalog))
    (record,) = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert "is damaged (image of thing/" in record.getMessage()
    assert "the next run makes the cache anew" in record.getMessage()


def test_damage_is_told_by_the_process_alone_that_sets_the_file_aside(
    opened: Open, decoding: DecodingStore, caplog: pytest.LogCaptureFixture
) -> None:
    flip(file_of(opened()), 3)
    first, second = opened(), opened()
    for store in (first, second):
        assert same(store, decoding, len(decoding.catalog))
    assert len([r for r in caplog.records if r.levelno == logging.WARNING]) == 1


def test_damage_in_a_folder_that_is_to_be_read_only_is_told(
    opened: Open,
    decoding: DecodingStore,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flip(file_of(opened()), 3)

    def refused(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "rename", refused)
    assert same(opened(), decoding, len(decoding.catalog))
    (record,) = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert record.getMessage().endswith("and this cache cannot be made anew.")


def test_the_next_run_makes_a_damaged_file_anew(
    opened: Open, decoding: DecodingStore, caplog: pytest.LogCaptureFixture
) -> None:
    file = file_of(opened())
    flip(file, 0)
    damaged = opened()
    assert same(damaged, decoding, len(decoding.catalog))
    assert not file.exists()
    del damaged
    caplog.clear()
    anew = opened()
    assert same(anew, decoding, len(decoding.catalog))
    assert isinstance(anew, MappedStore)
    assert anew.intact()
    assert not caplog.records or caplog.records[-1].levelno < logging.WARNING
    assert [f.suffix for f in file.parent.iterdir() if f.suffix != ".lock"] == [".images"]


def test_memory_is_not_filled_from_a_damaged_file(
    opened: Open, decoding: DecodingStore, caplog: pytest.LogCaptureFixture
) -> None:
    flip(file_of(opened()), 5)
    store = opened(cache="ram")
    assert isinstance(store, MappedStore)
    assert store.intact()
    assert same(store, decoding, len(decoding.catalog))


def test_files_of_other_photos_are_refused(opened: Open, decoding: DecodingStore) -> None:
    file = file_of(opened())
    with pytest.raises(DataError, match=r"^it holds other photos$"):
        MappedStore(file, "another", np.zeros(1, np.int32), decoding)


def test_files_say_what_they_hold(opened: Open, catalog: Catalog, tmp_path: Path) -> None:
    opened()
    (file,) = stored(tmp_path / "cache" / "images")
    found = described(file.file)
    assert (found.images, found.side, found.root) == (len(catalog) - 1, 20, str(catalog.root))
    assert file.description() == found
    file.file.write_bytes(b"nothing")
    assert file.description() is None


@pytest.mark.parametrize("cache", ["disk", "ram"])
def test_rows_that_the_file_lacks_are_decoded(
    opened: Open, decoding: DecodingStore, cache: str
) -> None:
    store = opened(needed=np.arange(5), cache=cache)
    assert isinstance(store, MappedStore)
    assert store.intact()
    assert same(store, decoding, len(decoding.catalog))
