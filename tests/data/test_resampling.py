import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from project.data.resampling import FILTERS, Interpolation, Pixels, resample


@pytest.fixture(scope="module")
def photo() -> Pixels:
    """Patches, edges and noise."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (90, 130, 3), dtype=np.uint8)
    pixels[:60] = np.asarray(Image.fromarray(pixels[:6, :13]).resize((130, 60)))
    pixels[20:40, 50:90] = (250, 3, 40)
    return pixels


def pillows(
    photo: NDArray[np.uint8],
    size: tuple[int, int],
    interpolation: Interpolation,
    box: tuple[float, float, float, float] | None = None,
) -> NDArray[np.int64]:
    resized = Image.fromarray(photo).resize(size[::-1], FILTERS[interpolation], box)
    return np.asarray(resized).astype(np.int64)


@pytest.mark.parametrize("size", [(45, 65), (31, 22), (88, 130), (90, 40), (200, 150)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_whole_pixels_come_out_as_from_pillow(
    photo: Pixels, size: tuple[int, int], interpolation: Interpolation
) -> None:
    found = resample(photo, size, interpolation)
    assert found.shape == (*size, 3)
    apart = np.abs(found - pillows(photo, size, interpolation))
    assert apart.max() <= 1
    assert (apart > 0).mean() < 0.01


@pytest.mark.parametrize("interpolation", FILTERS)
def test_part_is_resized_as_if_it_were_alone(photo: Pixels, interpolation: Interpolation) -> None:
    part = resample(photo, (20, 30), interpolation, (10, 20, 70, 80))
    alone = resample(photo[20:80, 10:70].copy(), (20, 30), interpolation)
    np.testing.assert_array_equal(part, alone)


@pytest.mark.parametrize("interpolation", FILTERS)
def test_part_of_broken_pixels_is_exactly_pillows(
    photo: Pixels, interpolation: Interpolation
) -> None:
    box = (10.25, 20.5, 70.0, 80.75)
    found = resample(photo, (20, 30), interpolation, box)
    np.testing.assert_array_equal(found, pillows(photo, (20, 30), interpolation, box))


@pytest.mark.parametrize("interpolation", ["nearest", "lanczos", "area"])
def test_other_filters_are_exactly_pillows(photo: Pixels, interpolation: Interpolation) -> None:
    found = resample(photo, (33, 25), interpolation)
    np.testing.assert_array_equal(found, pillows(photo, (33, 25), interpolation))


def test_large_reductions_go_by_blocks_and_stay_close(photo: Pixels) -> None:
    found = resample(photo, (12, 17), "bilinear")
    expected = Image.fromarray(photo).resize((17, 12), FILTERS["bilinear"], None, 3.0)
    np.testing.assert_array_equal(found, np.asarray(expected))
    assert np.abs(found - pillows(photo, (12, 17), "bilinear")).mean() < 3


def test_images_of_pillow_and_arrays_that_cannot_be_written_are_taken(photo: Pixels) -> None:
    expected = resample(photo, (30, 40), "bilinear")
    frozen = photo.copy()
    frozen.setflags(write=False)
    np.testing.assert_array_equal(resample(frozen, (30, 40), "bilinear"), expected)
    of_pillow = resample(Image.fromarray(photo), (30, 40), "bilinear")
    np.testing.assert_array_equal(of_pillow, expected)
    assert of_pillow.flags.writeable
