import io
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps
from PIL.JpegImagePlugin import JpegImageFile

from project.data.decode import EXIF_ORIENTATION, decode, probe, read_image, reduced_size
from project.errors import DataError

LIMIT = 10**6


@pytest.fixture
def pixels() -> NDArray[np.uint8]:
    """Smooth colours, 30 high and 40 wide, that survive JPEG."""
    y, x = np.mgrid[0:30, 0:40]
    return np.stack([x * 6, y * 8, 255 - x * 3 - y * 4], axis=-1).astype(np.uint8)


def encoded(image: Image.Image, file_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("file_format", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("PPM", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 95}, 25),
        ("JPEG", {"quality": 95}, 25),
        ("JPEG", {"quality": 95, "progressive": True}, 25),
        ("MPO", {"quality": 95}, 25),
    ],
)
def test_every_format_decodes_to_its_pixels(
    pixels: NDArray[np.uint8], file_format: str, options: dict[str, Any], tolerance: int
) -> None:
    image = decode(encoded(Image.fromarray(pixels), file_format, **options), LIMIT)

    assert image.dtype == np.uint8
    assert image.flags.writeable
    assert np.abs(image.astype(int) - pixels).max() <= tolerance


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied(
    pixels: NDArray[np.uint8], orientation: int, file_format: str
) -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    data = encoded(Image.fromarray(pixels), file_format, exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))

    assert np.array_equal(decode(data, LIMIT), expected)
    assert expected.shape == ((40, 30, 3) if orientation >= 5 else (30, 40, 3))
    found = probe(data, LIMIT)
    assert (found.height, found.width) == expected.shape[:2]


def test_unknown_orientation_is_taken_as_upright(pixels: NDArray[np.uint8]) -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 77
    data = encoded(Image.fromarray(pixels), "PNG", exif=exif)

    assert np.array_equal(decode(data, LIMIT), pixels)


def test_16_bit_grey_keeps_its_upper_byte() -> None:
    grey = (np.arange(256, dtype=np.uint16) << 8 | 0x7F).reshape(16, 16)
    expected = np.arange(256, dtype=np.uint8).reshape(16, 16)

    for file_format in ("PNG", "TIFF"):
        image = decode(encoded(Image.fromarray(grey), file_format), LIMIT)

        assert np.array_equal(image, np.repeat(expected[..., None], 3, axis=-1))


@pytest.mark.parametrize("byte_order", [">u2", "<u2"])
def test_16_bit_grey_of_either_byte_order(byte_order: str) -> None:
    """A hand-written TIFF: one strip of 2 x 2 pixels."""
    mark, order = (b"MM", "big") if byte_order == ">u2" else (b"II", "little")

    def number(value: int, size: int) -> bytes:
        return value.to_bytes(size, order)  # type: ignore[arg-type]

    tags = {256: 2, 257: 2, 258: 16, 259: 1, 262: 1, 273: 8, 277: 1, 278: 2, 279: 8}
    strip = np.array([0, 0x40FF, 0x8000, 0xFFFF], byte_order).tobytes()
    entries = [
        number(tag, 2) + number(3, 2) + number(1, 4) + number(value, 2) + bytes(2)
        for tag, value in tags.items()
    ]
    head = mark + number(42, 2) + number(16, 4)
    data = head + strip + number(len(entries), 2) + b"".join(entries) + bytes(4)

    assert decode(data, LIMIT)[..., 0].tolist() == [[0, 0x40], [0x80, 0xFF]]


def test_transparency_is_laid_on_white(pixels: NDArray[np.uint8]) -> None:
    alpha = np.full((30, 40), 255, np.uint8)
    alpha[:10], alpha[10:20] = 0, 128
    data = encoded(Image.fromarray(np.dstack([pixels, alpha])), "PNG")

    share = alpha[..., None] / 255
    expected = pixels * share + 255 * (1 - share)
    assert np.abs(decode(data, LIMIT) - expected).max() <= 1


def test_grey_with_transparency_is_laid_on_white() -> None:
    image = Image.merge("LA", [Image.new("L", (4, 4), 40), Image.new("L", (4, 4), 0)])

    assert (decode(encoded(image, "PNG"), LIMIT) == 255).all()


def test_palette_with_a_transparent_colour_is_laid_on_white() -> None:
    image = Image.new("P", (4, 2))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((0, 0), 1)

    for file_format in ("PNG", "GIF"):
        found = decode(encoded(image, file_format, transparency=1), LIMIT)

        assert found[0, 0].tolist() == [255, 255, 255]
        assert found[1, 3].tolist() == [255, 0, 0]


def test_one_bit_and_grey_become_three_equal_channels() -> None:
    ramp = np.arange(0, 240, 10, dtype=np.uint8).reshape(4, 6)
    bits = Image.fromarray(np.where(ramp > 100, 255, 0).astype(np.uint8)).convert("1")

    grey = decode(encoded(Image.fromarray(ramp), "PNG"), LIMIT)
    black_and_white = decode(encoded(bits, "PNG"), LIMIT)

    assert np.array_equal(grey, np.repeat(ramp[..., None], 3, axis=-1))
    assert set(np.unique(black_and_white)) == {0, 255}


def test_cmyk_becomes_rgb() -> None:
    cyan = Image.new("CMYK", (16, 16), (255, 0, 0, 0))

    found = decode(encoded(cyan, "JPEG"), LIMIT)

    assert np.abs(found[8, 8].astype(int) - [0, 255, 255]).max() <= 8


def test_first_frame_of_an_animation_is_taken(pixels: NDArray[np.uint8]) -> None:
    red, blue = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")

    for file_format in ("GIF", "WEBP", "PNG", "TIFF"):
        data = encoded(red, file_format, save_all=True, append_images=[blue])

        assert np.abs(decode(data, LIMIT)[4, 4].astype(int) - [255, 0, 0]).max() <= 8


def jpeg(size: int = 64) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    return encoded(Image.fromarray(noise), "JPEG")


@pytest.mark.parametrize("read", [decode, probe], ids=["decode", "probe"])
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "^empty file$"),
        (b"hello, this is text", "^not an image$"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "^not an image$"),
        (jpeg()[:-500], "^truncated file$"),
        (jpeg()[: len(jpeg()) // 2], "^truncated file$"),
        (encoded(Image.new("RGB", (90, 90)), "BMP")[:-300], "^truncated file$"),
        (encoded(Image.new("RGB", (90, 90)), "PPM")[:-300], "^truncated file$"),
        (encoded(Image.effect_noise((90, 90), 50), "PNG")[:-900], "^truncated file$"),
        (encoded(Image.effect_noise((90, 90), 50), "GIF")[:-900], "^truncated file$"),
        (encoded(Image.effect_noise((90, 90), 50), "WEBP")[:-900], "^damaged file"),
        (
            encoded(Image.new("L", (4000, 3000)), "PNG"),
            "^12,000,000 pixels exceed the limit of 1,000,000$",
        ),
        (encoded(Image.new("F", (4, 4)), "TIFF"), r"^32-bit pixels \(mode F\)"),
        (encoded(Image.new("I", (4, 4)), "TIFF"), r"^32-bit pixels \(mode I\)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_decoded_has_a_short_reason(
    read: Callable[[bytes, int], object], data: bytes, reason: str
) -> None:
    with pytest.raises(DataError, match=reason):
        read(data, LIMIT)


def test_size_is_checked_before_pixels_are_decoded() -> None:
    """A header that promises 60,000 x 60,000 pixels with none behind it."""
    data = bytearray(encoded(Image.new("L", (4, 4)), "BMP"))
    data[18:26] = (60_000).to_bytes(4, "little") * 2

    with pytest.raises(DataError, match=r"3,600,000,000 pixels exceed the limit of 178,956,970"):
        decode(bytes(data), 178_956_970)


def test_a_limit_above_pillows_own_is_honoured() -> None:
    """Pillow alone would refuse the header; we get as far as the missing pixels."""
    data = bytearray(encoded(Image.new("L", (4, 4)), "BMP"))
    data[18:26] = (14_000).to_bytes(4, "little") * 2

    with pytest.raises(DataError, match="truncated file"):
        decode(bytes(data), 200_000_000)


def test_damaged_bytes_never_raise_anything_else(pixels: NDArray[np.uint8]) -> None:
    rng = np.random.default_rng(0)
    for file_format in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "PPM"):
        data = encoded(Image.fromarray(pixels), file_format)
        for _ in range(60):
            damaged = bytearray(data)
            for position in rng.integers(0, len(data), 4):
                damaged[position] = rng.integers(256)
            for read in (decode, probe):
                with suppress(DataError):
                    read(bytes(damaged), LIMIT)


def with_damaged_exif(pixels: NDArray[np.uint8]) -> bytes:
    """The orientation can be read, but the table of tags ends early: Pillow warns."""
    exif = b"Exif\0\0" + b"MM\0*\0\0\0\x08" + b"\0\x05" + bytes.fromhex("011200030000000100060000")
    return encoded(Image.fromarray(pixels), "JPEG", exif=exif, quality=95)


def test_damaged_exif_data_neither_warns_nor_hides_the_orientation(
    pixels: NDArray[np.uint8],
) -> None:
    data = with_damaged_exif(pixels)
    with pytest.warns(UserWarning, match="EXIF"):
        Image.open(io.BytesIO(data)).getexif()

    assert decode(data, LIMIT).shape == (40, 30, 3)


def test_threads_leave_the_warning_filters_as_they_were(pixels: NDArray[np.uint8]) -> None:
    data = with_damaged_exif(pixels)
    before = list(warnings.filters)
    threads = [
        threading.Thread(target=lambda: [decode(data, LIMIT) for _ in range(40)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert warnings.filters == before


def test_probe_hashes_as_imagehash_does(pixels: NDArray[np.uint8]) -> None:
    image = Image.fromarray(pixels)

    found = probe(encoded(image, "PNG"), LIMIT)

    assert found == (40, 30, str(imagehash.phash(image)))


def test_probe_finds_a_photo_alike_at_other_sizes_and_formats() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    photo = Image.fromarray(noise).resize((640, 480), Image.Resampling.BICUBIC)
    other = Image.fromarray(noise[::-1, ::-1]).resize((640, 480), Image.Resampling.BICUBIC)

    hashes = [
        imagehash.hex_to_hash(probe(data, LIMIT).perceptual_hash)
        for data in (
            encoded(photo, "JPEG"),
            encoded(photo.resize((320, 240)), "PNG"),
            encoded(other, "JPEG"),
        )
    ]

    assert hashes[0] - hashes[1] <= 4
    assert hashes[0] - hashes[2] >= 16


def test_read_image_names_the_file(tmp_path: Path) -> None:
    broken = tmp_path / "모자 1.jpg"
    broken.write_bytes(b"")

    with pytest.raises(DataError, match=r"모자 1\.jpg\" cannot be decoded: empty file\."):
        read_image(broken, LIMIT)
    with pytest.raises(DataError, match=r"absent\.jpg\" cannot be read: No such file"):
        read_image(tmp_path / "absent.jpg", LIMIT)


def test_read_image_reads_what_decode_decodes(tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    Image.fromarray(pixels).save(tmp_path / "a.png")

    assert np.array_equal(read_image(tmp_path / "a.png", LIMIT), pixels)


def photo(width: int = 480, height: int = 360) -> Image.Image:
    """Colours in patches of all sizes, with edges and some noise, as photos have them."""
    rng = np.random.default_rng(0)
    layers = np.zeros((height, width, 3))
    for cells, share in ((3, 0.4), (8, 0.3), (24, 0.2), (72, 0.1)):  # fine detail is faint
        noise = rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        smooth = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
        layers += np.asarray(smooth) * share
    layers[height // 3 : height // 2, width // 4 : width // 2] = (230, 30, 40)
    noisy = layers + rng.normal(0, 4, layers.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def with_orientation(image: Image.Image, orientation: int, file_format: str = "JPEG") -> bytes:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    options = {"quality": 95} if file_format == "JPEG" else {}
    return encoded(image, file_format, exif=exif, **options)


@pytest.mark.parametrize("side", [280, 150, 96, 64, 32])
def test_small_decoding_is_close_to_shrinking_the_full_size(side: int) -> None:
    data = encoded(photo(), "JPEG", quality=92)
    small = decode(data, LIMIT, side)
    size = (round(480 * side / 360), side)
    full = Image.fromarray(decode(data, LIMIT)).resize(size, Image.Resampling.BILINEAR)
    difference = np.abs(small.astype(int) - np.asarray(full))
    assert difference.mean() < 1.0
    assert np.quantile(difference, 0.999) <= 10


def test_jpegs_are_reconstructed_small_where_there_is_a_margin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scales = []
    drafted = JpegImageFile.draft

    def draft(image: JpegImageFile, mode: str | None, size: tuple[int, int] | None) -> Any:
        done = drafted(image, mode, size)
        scales.append(image.size)
        return done

    monkeypatch.setattr(JpegImageFile, "draft", draft)
    data = encoded(photo(), "JPEG")
    for side in (144, 72, 36, 8):
        decode(data, LIMIT, side)
    assert scales == [(240, 180), (120, 90), (60, 45), (60, 45)]
    for large in (145, 400, None):  # 360 is less than 2.5 times 145
        decode(data, LIMIT, large)
    decode(data, LIMIT, 36, interpolation="nearest")
    assert len(scales) == 4


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_small_images_and_their_boxes_are_upright(orientation: int, file_format: str) -> None:
    data = with_orientation(photo(243, 181), orientation, file_format)
    upright = Image.fromarray(decode(data, LIMIT))
    whole = decode(data, LIMIT, 40)
    assert whole.shape[:2] == reduced_size(upright.height, upright.width, 40)
    expected = upright.resize((whole.shape[1], whole.shape[0]), Image.Resampling.BILINEAR)
    assert np.abs(whole.astype(int) - np.asarray(expected)).mean() < 1.5

    box = (17, 29, 101, 90)
    cut = decode(data, LIMIT, 36, box=box)
    assert cut.shape == (36, 40, 3)
    corners = (box[0], box[1], box[0] + box[2], box[1] + box[3])
    expected = upright.resize((40, 36), Image.Resampling.BILINEAR, corners)
    assert np.abs(cut.astype(int) - np.asarray(expected)).mean() < 1.5


def test_boxes_that_need_no_shrinking_are_cut_out_exactly(pixels: NDArray[np.uint8]) -> None:
    data = encoded(Image.fromarray(pixels), "PNG")
    for side in (None, 12, 50):
        cut = decode(data, LIMIT, side, box=(5, 6, 20, 12), interpolation="lanczos")
        assert np.array_equal(cut, pixels[6:18, 5:25])


def test_small_images_are_not_enlarged(pixels: NDArray[np.uint8]) -> None:
    data = encoded(Image.fromarray(pixels), "PNG")
    assert np.array_equal(decode(data, LIMIT, 31), pixels)
    assert decode(data, LIMIT, 15).shape == (15, 20, 3)
