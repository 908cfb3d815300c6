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
from PIL import Image, ImageFile, UnidentifiedImageError

from project.data.fit import Box
from project.data.resampling import Interpolation, Pixels, resample
from project.errors import DataError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM")
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

# Along which axes of the file an upright box has to be mirrored, once it is transposed from 5 on.
_MIRRORED_X, _MIRRORED_Y = {2, 3, 7, 8}, {3, 4, 6, 7}
_TRANSPOSED = {5, 6, 7, 8}

# A JPEG is reconstructed at a half, quarter or eighth where the shorter side then still is this
# many times what is asked for. On photos, pixels differ from those of the full size by 0.8 of 255
# at most on average and by 9 in one of a thousand; at 1.0, by 1.6 and 21, and hardly sooner.
_MARGIN = 1.25

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


def decode(
    data: bytes,
    max_pixels: int,
    side: int | None = None,
    *,
    box: Box | None = None,
    interpolation: Interpolation = "bilinear",
) -> Pixels:
    """Decodes an image file of any supported format and colour mode to upright RGB.

    EXIF orientation is applied, transparency is laid on white, 16-bit values keep their upper
    byte, and of an animation the first frame is taken. Where a small image is asked for, JPEGs
    are reconstructed small, which takes a third of the time at 12 megapixels.

    Args:
        data: Contents of the file.
        max_pixels: Width times height above which the image is refused, before it is decoded.
        side: Pixels that the shorter side is shrunk to; smaller images stay as they are. None for
            the full size.
        box: The part (left, top, width, height) that is wanted, in pixels of the upright image at
            its full size; None for all of it.
        interpolation: Resampling filter.

    Returns:
        Pixels, uint8, shape ``(H, W, 3)``, writable; H and W as `reduced_size` says.

    Raises:
        DataError: The data is empty, truncated, damaged, too large or not an image. The message
            is the short reason, without the name of the file.
    """
    with _readable(data, max_pixels) as image:
        full_size, scale = image.size, 1
        if side is not None and interpolation != "nearest":  # which takes pixels as they are
            scale = _drafted(image, min(full_size if box is None else box[2:]) / side)
        pixels = _rgb(image)
        orientation = image.getexif().get(EXIF_ORIENTATION, 1)  # some formats say it at their end
        region = _in_file(box, full_size if scale > 1 else pixels.size, orientation)
        return _turned(_shrunk(pixels, region, scale, side, interpolation), orientation)


def reduced_size(height: int, width: int, side: int | None) -> tuple[int, int]:
    """What an image is shrunk to.

    Args:
        height: Pixels.
        width: Pixels.
        side: What the shorter side becomes if it is longer; None for the full size.

    Returns:
        Height and width, of the same aspect ratio up to rounding.

    Example:
        >>> reduced_size(300, 400, 150), reduced_size(30, 40, 150)
        ((150, 200), (30, 40))
    """
    shorter = min(height, width)
    if side is None or shorter <= side:
        return height, width
    return round(height * side / shorter), round(width * side / shorter)


def read_image(path: Path, max_pixels: int) -> Pixels:
    """Reads and decodes an image file.

    Args:
        path: The file.
        max_pixels: As for `decode`.

    Returns:
        Pixels, uint8, shape ``(H, W, 3)``.

    Raises:
        DataError: The file cannot be read or decoded; the message names it.
    """
    with naming(path):
        return decode(path.read_bytes(), max_pixels)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Names the file in what goes wrong while it is read and decoded.

    Args:
        path: The file.

    Raises:
        DataError: Reading or decoding failed in the block.
    """
    try:
        yield
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
        orientation = image.getexif().get(EXIF_ORIENTATION, 1)
        if orientation in _TRANSPOSED:
            width, height = height, width
        return Probe(width, height, str(imagehash.phash(_upright(pixels, orientation))))


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


def _drafted(image: ImageFile.ImageFile, reduction: float) -> int:
    """Has a JPEG reconstructed small; returns how many times smaller, 1 for other formats."""
    scale = max((s for s in (2, 4, 8) if s * _MARGIN <= reduction), default=1)
    wanted = (image.width // scale, image.height // scale)
    drafted = scale > 1 and image.draft(image.mode, wanted) is not None
    return scale if drafted else 1


def _in_file(box: Box | None, size: tuple[int, int], orientation: int) -> Box:
    """Turns a box of the upright image into that of the file, whose size is (width, height)."""
    if box is None:
        return (0, 0, *size)
    x, y, w, h = box
    if orientation in _TRANSPOSED:
        x, y, w, h = y, x, h, w
    left = size[0] - x - w if orientation in _MIRRORED_X else x
    top = size[1] - y - h if orientation in _MIRRORED_Y else y
    return left, top, w, h


def _shrunk(
    pixels: Image.Image, region: Box, scale: int, side: int | None, interpolation: Interpolation
) -> Pixels:
    """Cuts out a region of the full size and shrinks it; the pixels are ``scale`` times smaller."""
    left, top, width, height = region
    size = reduced_size(height, width, side)
    if scale == 1 and size == (pixels.height, pixels.width):
        return np.array(pixels)
    box = (left / scale, top / scale, (left + width) / scale, (top + height) / scale)
    return resample(pixels, size, interpolation, box)


def _turned(pixels: Pixels, orientation: int) -> Pixels:
    upright = _upright(Image.fromarray(pixels), orientation) if orientation in _UPRIGHT else None
    return pixels if upright is None else np.array(upright)


def _upright(pixels: Image.Image, orientation: int) -> Image.Image:
    """Turns decoded pixels as the EXIF data of their file says.

    `PIL.ImageOps.exif_transpose` would write the EXIF data anew, and fail where it is damaged.
    """
    method = _UPRIGHT.get(orientation)
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
