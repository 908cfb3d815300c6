"""What making the image cache costs, beside an epoch that decodes the same photos.

    python benchmarks/cache_build.py
    python benchmarks/cache_build.py --photos <folder of class folders>

All decode every photo once, on all cores. An epoch is one of our loader without a cache, its
workers there already; "decoding alone" makes no batches and forgets the images. The cache writes
them down and onto the disk, checks that the photos are those that were scanned, and takes a
checksum of each.
"""

import argparse
import shutil
import tempfile
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks.loader import BATCH, BATCH_OF_OTHERS, Task, ours
from benchmarks.measuring import (
    Times,
    interleaved,
    print_setting,
    print_table,
    seconds,
    wide_console,
)
from benchmarks.photos import FOLDER, large_photos, small_photos
from project.data.catalog.catalog import MAX_PIXELS, Catalog, build_catalog
from project.data.cores import available_cores
from project.data.sources import ClassFolders
from project.data.store.decoding import DecodingStore
from project.data.store.mapped import MappedStore
from project.data.store.opening import open_store
from project.data.store.policy import Policy

POLICY = Policy(256, "bilinear", boxed=False)
LIMIT_GB = 50.0
EPOCH, ALONE, CACHE = "epoch", "decoding alone", "cache"


def decode_epoch(catalog: Catalog) -> None:
    """Decodes each photo once and forgets it.

    Args:
        catalog: The photos.
    """
    store = DecodingStore(catalog, POLICY, MAX_PIXELS)
    with ThreadPoolExecutor(available_cores()) as pool:
        deque(pool.map(lambda row: store[row].shape, range(len(catalog))), maxlen=0)


def build_cache(catalog: Catalog, folder: Path) -> None:
    """Makes the cache of the photos where there is none.

    Args:
        catalog: The photos.
        folder: Is emptied, and gets the cache.
    """
    shutil.rmtree(folder, ignore_errors=True)
    store = open_store(
        catalog, POLICY, max_pixels=MAX_PIXELS, cache="disk", cache_dir=folder, limit_gb=LIMIT_GB
    )
    assert isinstance(store, MappedStore), "there is room for it"


def measured(photos: Path, catalog: Catalog, folder: Path, repeats: int) -> dict[str, Times]:
    """Seconds of an epoch, of decoding alone and of making the cache, in turn.

    Args:
        photos: Their folder.
        catalog: The same photos.
        folder: Gets caches.
        repeats: Rounds.
    """
    size = BATCH.get(photos.name, BATCH_OF_OTHERS)
    loader = ours(Task(photos, catalog, folder, size, available_cores(), jitter=False), "none")
    cases = {
        EPOCH: partial(seconds, lambda: deque(loader, maxlen=0)),
        ALONE: partial(seconds, partial(decode_epoch, catalog)),
        CACHE: partial(seconds, partial(build_cache, catalog, folder)),
    }
    for case in (cases[EPOCH], cases[ALONE]):  # so that workers are there and the disk is warm
        case()
    return interleaved(cases, repeats)


def main() -> None:
    """Reads the command line, measures and prints."""
    parser = argparse.ArgumentParser(description="What making the image cache costs.")
    parser.add_argument("--photos", type=Path, help="folder of class folders")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where photos are drawn")
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    console = wide_console()
    print_setting(console, also=["xxhash"])
    drawn = [] if given.photos else [small_photos(given.folder), large_photos(given.folder)]
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for photos in [given.photos] if given.photos else drawn:
            catalog = build_catalog(ClassFolders(photos), cache_dir=scratch, progress=False)
            found = measured(photos, catalog, Path(scratch) / "images", given.repeats)
            cache = found[CACHE].median
            ratios = [f"{cache / found[name].median:.2f}" for name in (EPOCH, ALONE)]
            shown = [times.shown() for times in found.values()]
            rows.append([f"{photos.name}, {len(catalog)}", *shown, *ratios])
    print_table(
        console,
        f"Seconds on {available_cores()} cores: median (least to most), and times as long",
        ["photos", EPOCH, ALONE, CACHE, "epoch", "alone"],
        rows,
    )


if __name__ == "__main__":
    main()
