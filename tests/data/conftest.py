"""Photos for the tests of the data package: generated, tiny, each with its own bytes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def photo_root(tmp_path: Path) -> Path:
    return tmp_path / "photos"


@pytest.fixture
def write_photos(photo_root: Path) -> Callable[..., Path]:
    """``write_photos(*paths)`` writes images of 12 x 10 pixels; the ending decides the format."""

    def write(*paths: str) -> Path:
        for path in paths:
            file = photo_root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            rng = np.random.default_rng(list(path.encode()))
            Image.fromarray(rng.integers(0, 256, (10, 12, 3), dtype=np.uint8)).save(file)
        return photo_root

    return write


@pytest.fixture
def write_classes(write_photos: Callable[..., Path]) -> Callable[..., Path]:
    """``write_classes("train/", hat=3, top=2)`` writes numbered photos to class folders."""

    def write(prefix: str = "", **counts: int) -> Path:
        return write_photos(
            *(f"{prefix}{name}/{i:03d}.png" for name, n in counts.items() for i in range(n))
        )

    return write
