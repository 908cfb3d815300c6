import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from project.data.fit import Crop, Fit, square
from project.errors import ConfigError

Pixels = NDArray[np.uint8]


def columns(height: int, width: int) -> Pixels:
    """An image whose red value is the column and whose green value is the row."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.arange(width)[None]
    image[..., 1] = np.arange(height)[:, None]
    return image


@pytest.mark.parametrize(
    "crop", ["center", "random", "random_resized", "letterbox", "stretch", "box"]
)
@pytest.mark.parametrize("shape", [(60, 40), (40, 60), (7, 200), (32, 48)])
@pytest.mark.parametrize("size", [(32, 48), (48, 48)])
def test_every_crop_gives_the_size(
    crop: Crop, shape: tuple[int, int], size: tuple[int, int]
) -> None:
    fitted = Fit(size, crop)(columns(*shape), (1, 2, 5, 4), np.random.default_rng(0))
    assert fitted.shape == (*size, 3)
    assert fitted.dtype == np.uint8


def test_center_takes_the_middle_of_the_longer_side() -> None:
    fitted = Fit((40, 40), "center")(columns(40, 100))
    np.testing.assert_array_equal(fitted[0, :, 0], np.arange(30, 70))


def test_random_moves_along_the_longer_side_only() -> None:
    fit = Fit((40, 40), "random")
    firsts = {
        int(fit(columns(40, 100), None, np.random.default_rng(s))[0, 0, 0]) for s in range(50)
    }
    assert min(firsts) < 15
    assert max(firsts) > 45
    assert all(
        fit(columns(40, 100), None, np.random.default_rng(s))[0, 0, 1] == 0 for s in range(5)
    )


def test_random_resized_keeps_a_part_of_the_area_asked_for() -> None:
    fit = Fit((50, 50), "random_resized", area=(0.25, 0.25), aspect=(1.0, 1.0))
    fitted = fit(columns(200, 200), None, np.random.default_rng(1)).astype(int)
    assert abs((fitted[0, -1, 0] - fitted[0, 0, 0]) - 100) <= 4  # half of the side
    assert abs((fitted[-1, 0, 1] - fitted[0, 0, 1]) - 100) <= 4


def test_random_resized_of_a_strip_falls_back_to_its_middle() -> None:
    fit = Fit((20, 20), "random_resized", area=(0.9, 1.0), aspect=(1.0, 1.0))
    fitted = fit(columns(20, 200), None, np.random.default_rng(0))
    np.testing.assert_array_equal(fitted[0, :, 0], np.arange(90, 110))


@pytest.mark.parametrize("crop", ["random", "random_resized"])
def test_random_crops_are_central_without_a_generator(crop: Crop) -> None:
    image = columns(40, 100)
    np.testing.assert_array_equal(Fit((40, 40), crop)(image), Fit((40, 40), "center")(image))


def test_letterbox_keeps_the_whole_picture_between_grey_bars() -> None:
    fitted = Fit((40, 40), "letterbox")(np.full((20, 40, 3), 255, np.uint8))
    assert (fitted[:10] == 128).all()
    assert (fitted[10:30] == 255).all()
    assert (fitted[30:] == 128).all()


def test_stretch_shows_both_ends() -> None:
    fitted = Fit((40, 40), "stretch", interpolation="nearest")(columns(40, 200))
    assert fitted[0, 0, 0] < 5
    assert fitted[0, -1, 0] > 194


def test_box_is_cut_out_and_nothing_else() -> None:
    fitted = Fit((10, 10), "box")(columns(40, 60), (20, 5, 10, 10))
    np.testing.assert_array_equal(fitted, columns(40, 60)[5:15, 20:30])


def test_interpolation_is_the_one_that_was_chosen() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(image).resize((32, 32), Image.Resampling.LANCZOS))
    np.testing.assert_array_equal(Fit((32, 32), interpolation="lanczos")(image), expected)
    assert not np.array_equal(Fit((32, 32), interpolation="nearest")(image), expected)


def test_sizes_and_ranges_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"data\.size: expected pixels above 0, got \[0, 8\]"):
        Fit((0, 8))
    with pytest.raises(
        ConfigError, match=r"data\.crop_area: expected 0 < smallest <= largest <= 1"
    ):
        Fit((8, 8), area=(0.5, 1.5))
    with pytest.raises(ConfigError, match=r"data\.crop_aspect: expected 0 < smallest <= largest"):
        Fit((8, 8), aspect=(2.0, 1.0))
    with pytest.raises(ConfigError, match=r"expected one number or \[height, width\], got \[1, 2"):
        square([1, 2, 3])
