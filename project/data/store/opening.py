"""Chooses the image store of a catalog, and makes its file where there is none."""

import contextlib
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from filelock import Timeout
from numpy.typing import NDArray

from project.data.catalog.catalog import Catalog
from project.data.catalog.scan_cache import ScanCache
from project.data.store.building import Build
from project.data.store.contents import Contents
from project.data.store.decoding import ChangedError, DecodingStore
from project.data.store.folder import (
    GIGABYTE,
    building_lock,
    gigabytes,
    images_file,
    make_room,
)
from project.data.store.mapped import MappedStore
from project.data.store.memory import available_memory
from project.data.store.policy import ImageStore, Policy
from project.errors import DataError

log = logging.getLogger(__name__)

Cache = Literal["none", "disk", "ram"]

_SHARE = 0.5  # of the free memory: the rest is for the model, the workers and other runs


def open_store(
    catalog: Catalog,
    policy: Policy,
    *,
    max_pixels: int,
    cache: Cache,
    cache_dir: Path,
    limit_gb: float,
    needed: NDArray[np.int64] | None = None,
    build: bool = True,
    processes: int = 1,
) -> ImageStore:
    """Opens the images of a catalog.

    Whatever stands in the way of a cache is said in a line of the log, and photos are decoded each
    time instead: the images are the same.

    Args:
        catalog: What the row numbers refer to.
        policy: How photos become images.
        max_pixels: Limit on the decoded size; see `project.data.decode`.
        cache: ``none`` decodes each time; ``disk`` decodes once into a file that all runs share;
            ``ram`` keeps the images in the memory of this process and its workers.
        cache_dir: Where files are kept, and the scan of the photos.
        limit_gb: Gigabytes that all files together, or the images in memory, may take.
        needed: Rows whose images are kept; others are decoded. None for all.
        build: Whether to make what is missing; not worth it where each photo is read once.
        processes: How many processes of this run do the same on this machine.

    Returns:
        The store.

    Raises:
        DataError: While the cache is made: a photo cannot be decoded, or has changed since the
            scan.
    """
    decoding = DecodingStore(catalog, policy, max_pixels)
    if cache == "none":
        return decoding
    opening = _Opening(Contents.of(catalog, policy, needed), decoding, cache_dir, limit_gb)
    try:
        found = opening.in_memory(processes) if cache == "ram" and build else None
        return found or opening.on_disk(build=build) or decoding
    except ChangedError:  # unnoticed by the scan: others may be, too
        ScanCache(cache_dir, catalog.root, max_pixels).doubt()
        raise
    except OSError as error:
        _say(f'they cannot be kept in "{cache_dir}": {error.strerror or error}')
        return decoding


class _Opening:
    """One attempt to open a cache."""

    def __init__(
        self, contents: Contents, decoding: DecodingStore, cache_dir: Path, limit_gb: float
    ) -> None:
        self._contents = contents
        self._decoding = decoding
        self._limit_gb = limit_gb
        self._file = images_file(cache_dir, contents.key)

    def on_disk(self, *, build: bool) -> MappedStore | None:
        """Maps the file of the images; makes it unless another process has."""
        found = self._existing(told=False)
        if found or not build:
            return found
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._alone():
            return self._existing(told=True) or self._made()

    def in_memory(self, processes: int) -> MappedStore | None:
        """Fills a file without a name, which lives in memory, from the disk or from the photos."""
        if not hasattr(os, "memfd_create"):
            log.warning("data.cache=ram: only Linux has files in memory; data.cache=disk is used.")
            return None
        build = Build(self._contents, self._decoding)
        limit = min(self._limit_gb * GIGABYTE, _SHARE * available_memory() / processes)
        if build.size > limit:
            log.warning(
                "data.cache=ram: the images take %s, more than %s, which data.cache_limit_gb and "
                "half of the free memory allow; data.cache=disk is used.",
                gigabytes(build.size),
                gigabytes(limit),
            )
            return None
        log.info("Images in memory: %d, %s.", build.description.images, gigabytes(build.size))
        descriptor = os.memfd_create("images")
        try:
            self._fill(descriptor, build)
            return self._opened(Path(f"/proc/{os.getpid()}/fd/{descriptor}"), descriptor)
        except BaseException:
            os.close(descriptor)
            raise

    def _fill(self, descriptor: int, build: Build) -> None:
        found = self._existing(told=False)
        if found and found.intact():
            with found.file.open("rb") as source, open(descriptor, "wb", closefd=False) as target:
                shutil.copyfileobj(source, target, 1 << 24)
        else:
            build.write(descriptor)

    def _existing(self, *, told: bool) -> MappedStore | None:
        """Opens the file, if it is there and can be used."""
        try:
            return self._opened(self._file)
        except FileNotFoundError:
            return None
        except DataError as error:
            if told:
                log.warning(
                    'The image cache "%s" cannot be used: %s. It is made anew.', self._file, error
                )
            return None

    def _opened(self, file: Path, descriptor: int | None = None) -> MappedStore:
        contents = self._contents
        return MappedStore(file, contents.key, contents.slots, self._decoding, descriptor)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keeps other processes from making the same file."""
        lock = building_lock(self._file)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.info("Another process makes the image cache of these photos; waiting for it.")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _made(self) -> MappedStore | None:
        build = Build(self._contents, self._decoding)
        if why_not := make_room(self._file.parent, build.size, self._limit_gb):
            _say(why_not)
            return None
        log.info(
            'Image cache: %d images, %s, in "%s".',
            build.description.images,
            gigabytes(build.size),
            self._file,
        )
        build.publish(self._file)
        return self._opened(self._file)


def _say(why_not: str) -> None:
    log.warning("Photos are decoded each time, as no cache is made of their images: %s.", why_not)
