"""Photos for the benchmarks, drawn once: small ones, and as large as a camera's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from project.data.garments import GARMENTS
from project.data.wardrobe import Identity, draw_photo

FOLDER = Path("data/benchmarks")
SMALL, NUMBER_SMALL = 400, 600  # pixels; photos of all classes together
LARGE, NUMBER_LARGE = (4000, 3000), 25  # 12 megapixels
QUALITY = 92  # of the JPEG files, as cameras write them


def small_photos(folder: Path) -> Path:
    """Draws garments of 400 x 400 pixels into class folders, unless they are there.

    Args:
        folder: Gets them.

    Returns:
        The folder of the class folders.
    """
    return _drawn(folder / "400px", NUMBER_SMALL, lambda who: draw_photo(1, who, SMALL))


def large_photos(folder: Path) -> Path:
    """Draws garments of 4000 x 3000 pixels, with the noise of a sensor, unless they are there.

    Args:
        folder: Gets them.

    Returns:
        The folder of the class folders.
    """
    return _drawn(folder / "12mp", NUMBER_LARGE, _large)


def _drawn(folder: Path, number: int, draw: Callable[[Identity], bytes]) -> Path:
    kinds = list(GARMENTS)
    for at in tqdm(range(number), f"Drawing {folder.name}", leave=False, disable=None):
        who = Identity("train", kinds[at % len(kinds)], at)
        file = folder / who.kind / Path(who.path).name
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(draw(who))
    return folder


def _large(who: Identity) -> bytes:
    drawn: Any = cv2.imdecode(np.frombuffer(draw_photo(1, who, 1000), np.uint8), cv2.IMREAD_COLOR)
    enlarged = cv2.resize(drawn, LARGE, interpolation=cv2.INTER_CUBIC).astype(np.int16)
    noise = np.random.default_rng(who.number).integers(-8, 9, enlarged.shape, dtype=np.int16)
    pixels = np.clip(enlarged + noise, 0, 255).astype(np.uint8)
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return data.tobytes()
