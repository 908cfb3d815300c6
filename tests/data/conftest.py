"""Photos for the tests of the data package: generated, tiny, each with its own bytes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from PIL import Image


class WritePhotos(Protocol):
    def __call__(self, *paths: str, below: Path | None = None) -> Path: ...


@pytest.fixture
def photo_root(tmp_path: Path) -> Path:
    return tmp_path / "photos"


@pytest.fixture
def write_photos(photo_root: Path) -> WritePhotos:
    """Writes a different image to each path; the ending decides the format."""

    def write(*paths: str, below: Path | None = None) -> Path:
        root = below or photo_root
        for path in paths:
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            seed = list(path.encode())
            pixels = np.random.default_rng(seed).integers(0, 256, (10, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(file)
        return root

    return write


@pytest.fixture
def class_photos() -> Callable[..., list[str]]:
    """Names photos in class folders: ``class_photos(hat=2, top=1, prefix="train/")``."""

    def names(prefix: str = "", **counts: int) -> list[str]:
        return [f"{prefix}{name}/{i:03d}.png" for name, n in counts.items() for i in range(n)]

    return names


ClassPhotos = Callable[..., Sequence[str]]
