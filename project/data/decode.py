"""Bytes of an image file to pixels: the one decoder, so that every part sees the same photo."""

import io
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from project.errors import DataError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
"""What Pillow may recognise; everything else is not an image to this project."""

EXIF_ORIENTATION = 0x0112

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# What Pillow's readers are known to raise on damaged files; random bytes flipped in every format
# showed no other.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
)

# Pillow's own limit warns below ours and cannot be raised per call; `_open` checks instead.
Image.MAX_IMAGE_PIXELS = None
Image.init()  # registers the readers that FORMATS names


class Probe(NamedTuple):
    """What the scan keeps of one verified image.

    Attributes:
        width: Pixels, after orientation.
        height: Pixels, after orientation.
        perceptual_hash: 64 bits as 16 hexadecimal digits; near-duplicates differ in few bits.
    """

    width: int
    height: int
    perceptual_hash: str


def decode(data: bytes, max_pixels: int) -> NDArray[np.uint8]:
    """Decodes an image file of any supported format and colour mode to upright RGB.

    EXIF orientation is applied, transparency is laid on white, 16-bit values keep their upper
    byte, and of an animation the first frame is taken.

    Args:
        data: Contents of the file.
        max_pixels: Width times height above which the image is refused, before it is decoded.

    Returns:
        Pixels, uint8, shape ``(H, W, 3)``, writable.

    Raises:
        DataError: The data is empty, truncated, damaged, too large or not an image. The message
            is the short reason, without the name of the file.
    """
    with _readable(data, max_pixels) as image:
        return np.array(_upright(_rgb(image), image))


def read_image(path: Path, max_pixels: int) -> NDArray[np.uint8]:
    """Reads and decodes an image file.

    Args:
        path: The file.
        max_pixels: As for `decode`.

    Returns:
        Pixels, uint8, shape ``(H, W, 3)``.

    Raises:
        DataError: The file cannot be read or decoded; the message names it.
    """
    try:
        return decode(path.read_bytes(), max_pixels)
    except OSError as error:
        raise DataError(f'"{path}" cannot be read: {error.strerror}.') from error
    except DataError as error:
        raise DataError(f'"{path}" cannot be decoded: {error}.') from error


def probe(data: bytes, max_pixels: int) -> Probe:
    """Verifies that an image decodes to its last byte.

    JPEGs are read whole but reconstructed small and grey, which takes half the time.

    Args:
        data: Contents of the file.
        max_pixels: As for `decode`.

    Returns:
        Size and perceptual hash.

    Raises:
        DataError: As for `decode`.
    """
    with _readable(data, max_pixels) as image:
        full_size = image.size
        drafted = image.draft("L", (64, 64)) is not None  # 64: twice what the hash looks at
        pixels = _rgb(image)
        width, height = full_size if drafted else pixels.size
        if image.getexif().get(EXIF_ORIENTATION) in {5, 6, 7, 8}:
            width, height = height, width
        return Probe(width, height, str(imagehash.phash(_upright(pixels, image))))


@contextmanager
def _readable(data: bytes, max_pixels: int) -> Iterator[ImageFile.ImageFile]:
    """Opens an image, checks its size and turns Pillow's failures into short reasons."""
    if not data:
        raise DataError("empty file")
    try:
        with _quiet, Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(image, max_pixels)
            yield image
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise DataError("not an image") from error
    except _DAMAGE as error:
        truncated = isinstance(error, EOFError) or "truncated" in str(error).lower()
        raise DataError("truncated file" if truncated else f"damaged file ({error})") from error


def _check_size(image: Image.Image, max_pixels: int) -> None:
    pixels = image.width * image.height
    if pixels > max_pixels:
        raise DataError(f"{pixels:,} pixels exceed the limit of {max_pixels:,}")


def _rgb(image: Image.Image) -> Image.Image:
    """Converts any mode; only grey 16-bit needs arithmetic, as Pillow would clip it at 255."""
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif image.mode in {"I", "F"}:
        raise DataError(f"32-bit pixels (mode {image.mode}), whose white is not defined")
    if image.has_transparency_data:
        canvas = Image.new("RGBA", image.size, "white")
        canvas.alpha_composite(image.convert("RGBA"))
        image = canvas
    return image.convert("RGB")


def _upright(pixels: Image.Image, source: Image.Image) -> Image.Image:
    """Turns decoded pixels as the EXIF data of their source says.

    `PIL.ImageOps.exif_transpose` would write the EXIF data anew, and fail where it is damaged.
    """
    method = _UPRIGHT.get(source.getexif().get(EXIF_ORIENTATION, 1))
    return pixels if method is None else pixels.transpose(method)


class _Quiet:
    """Mutes Pillow's warnings while any thread decodes.

    `warnings.catch_warnings` alone is not safe here: two threads that leave in the order in
    which they came would leave the filter behind.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._caught = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._caught.__exit__(None, None, None)


_quiet = _Quiet()
