"""Photos of every kind that has to be decoded, as a catalog."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from project.data.catalog.catalog import Catalog, frozen_catalog
from project.data.decode import EXIF_ORIENTATION
from project.data.sources import ClassFolders
from project.data.store.opening import open_store
from project.data.store.policy import ImageStore, Policy

LIMIT = 10**6
POLICY = Policy(20, "bilinear", boxed=False)

Open = Callable[..., ImageStore]


def picture(number: int, width: int = 60, height: int = 50) -> Image.Image:
    noise = np.random.default_rng(number).integers(0, 256, (7, 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def write_photos(folder: Path) -> None:
    """All modes, formats and orientations; one photo is there twice."""
    folder.mkdir(parents=True)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[EXIF_ORIENTATION] = orientation
        picture(orientation).save(folder / f"jpeg_{orientation}.jpg", exif=exif)
        picture(orientation).save(folder / f"tiff_{orientation}.tif", exif=exif)
    for mode in ("L", "CMYK"):
        picture(20).convert(mode).save(folder / f"{mode}.jpg")
    for mode in ("1", "L", "LA", "P", "RGBA"):
        picture(21).convert(mode).save(folder / f"{mode}.png")
    deep = np.random.default_rng(0).integers(0, 65536, (24, 31), dtype=np.uint16)
    Image.fromarray(deep).save(folder / "16_bit.png")
    picture(22).save(folder / "photo.webp")
    picture(23, 14, 90).save(folder / "narrow.bmp")
    picture(24, 11, 9).save(folder / "small.gif")
    for name in ("once", "again"):
        picture(25).save(folder / f"{name}.png")


def catalog_of(root: Path, cache_dir: Path) -> Catalog:
    source = ClassFolders(root)
    return frozen_catalog(source, ["thing"], "train", cache_dir=cache_dir, progress=False)


@pytest.fixture(scope="session")
def varied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of one class; not to be changed."""
    root = tmp_path_factory.mktemp("varied")
    write_photos(root / "thing")
    return root


@pytest.fixture(scope="session")
def catalog(varied: Path, tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return catalog_of(varied, tmp_path_factory.mktemp("scan"))


@pytest.fixture
def opened(catalog: Catalog, tmp_path: Path) -> Open:
    """``opened(**options)`` opens a store of the photos, whose caches the test owns."""

    def open_(**options: Any) -> ImageStore:
        defaults: dict[str, Any] = {
            "catalog": catalog,
            "policy": POLICY,
            "max_pixels": LIMIT,
            "cache": "disk",
            "cache_dir": tmp_path / "cache",
            "limit_gb": 1.0,
        }
        return open_store(**(defaults | options))

    return open_


def same(store: ImageStore, other: ImageStore, count: int) -> bool:
    """Whether two stores hold the same bytes."""
    return all(
        store[row].shape == other[row].shape and store[row].tobytes() == other[row].tobytes()
        for row in range(count)
    )
