import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from project.data.fit import Crop, Fit, square
from project.errors import ConfigError

Pixels = NDArray[np.uint8]

CROPS: list[Crop] = ["center", "random", "random_resized", "letterbox", "stretch", "box"]


def columns(height: int, width: int) -> Pixels:
    """An image whose red value is the column and whose green value is the row."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.arange(width)[None]
    image[..., 1] = np.arange(height)[:, None]
    return image


def drawn(fit: Fit, count: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).random((count, fit.draws))


def fitted(fit: Fit, image: Pixels, draws: NDArray[np.float64] | None = None) -> NDArray[np.int64]:
    found: NDArray[np.int64] = fit.batch([image], draws)[0].astype(np.int64)
    return found


@pytest.mark.parametrize("crop", CROPS)
@pytest.mark.parametrize("size", [(32, 48), (48, 48)])
def test_every_crop_gives_the_size(crop: Crop, size: tuple[int, int]) -> None:
    fit = Fit(size, crop)
    images = [columns(*shape) for shape in [(60, 40), (40, 60), (7, 200), (32, 48), (48, 48)]]
    batch = fit.batch(images, drawn(fit, len(images)))
    assert batch.shape == (5, *size, 3)
    assert batch.dtype == np.uint8
    assert batch.flags.c_contiguous


@pytest.mark.parametrize("crop", CROPS)
def test_an_image_is_fitted_alone_as_in_company(crop: Crop) -> None:
    fit = Fit((32, 32), crop)
    images = [columns(*shape) for shape in [(60, 40), (32, 60), (7, 200), (32, 32)]]
    draws = drawn(fit, len(images))
    for together, image, row in zip(fit.batch(images, draws), images, draws, strict=True):
        np.testing.assert_array_equal(together, fit.batch([image], row[None])[0])


def test_center_takes_the_middle_of_the_longer_side() -> None:
    found = fitted(Fit((40, 40), "center"), columns(40, 100))
    np.testing.assert_array_equal(found[0, :, 0], np.arange(30, 70))


def test_center_of_an_odd_rest_is_cut_at_whole_pixels() -> None:
    found = fitted(Fit((40, 40), "center"), columns(40, 101))
    np.testing.assert_array_equal(found[0, :, 0], np.arange(31, 71))


def test_random_moves_along_the_longer_side_only() -> None:
    fit = Fit((40, 40), "random")
    corners = fit.batch([columns(40, 100)] * 200, drawn(fit, 200))[:, 0, 0]
    assert corners[:, 0].min() == 0
    assert corners[:, 0].max() == 60
    assert not corners[:, 1].any()


def test_every_place_of_a_random_crop_is_as_likely() -> None:
    fit = Fit((40, 40), "random")
    lefts = fit.batch([columns(40, 43)] * 4000, drawn(fit, 4000))[:, 0, 0, 0]
    counts = np.bincount(lefts)
    assert len(counts) == 4
    assert counts.min() > 900  # 1000 each, give or take 27


def test_images_that_need_no_resampling_keep_their_bytes() -> None:
    fit = Fit((40, 40), "random", interpolation="lanczos")
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    noise.setflags(write=False)
    found = fit.batch([noise], np.array([[0.0, 0.5]]))[0]
    np.testing.assert_array_equal(found, noise[:, 10:50])


def test_random_resized_keeps_a_part_of_the_area_asked_for() -> None:
    fit = Fit((50, 50), "random_resized", area=(0.25, 0.25), aspect=(1.0, 1.0))
    found = fitted(fit, columns(200, 200), drawn(fit, 1))
    assert abs((found[0, -1, 0] - found[0, 0, 0]) - 100) <= 4  # half of the side
    assert abs((found[-1, 0, 1] - found[0, 0, 1]) - 100) <= 4


def test_random_resized_draws_areas_and_aspects_of_the_whole_range() -> None:
    fit = Fit((64, 64), "random_resized", area=(0.25, 0.64), aspect=(0.5, 2.0))
    batch = fit.batch([columns(200, 200)] * 500, drawn(fit, 500)).astype(int)
    width = (batch[:, 32, -1, 0] - batch[:, 32, 0, 0]) * 64 / 63
    height = (batch[:, -1, 32, 1] - batch[:, 0, 32, 1]) * 64 / 63
    area, aspect = width * height / 200**2, width / height
    assert [area.min(), area.max()] == pytest.approx([0.25, 0.64], abs=0.03)
    assert [aspect.min(), aspect.max()] == pytest.approx([0.5, 2.0], rel=0.06)
    assert np.median(aspect) == pytest.approx(1.0, abs=0.1)


def test_random_resized_takes_the_first_size_that_lies_within() -> None:
    fit = Fit((20, 20), "random_resized", area=(0.2, 1.0), aspect=(1.0, 1.0))
    draws = np.full((1, fit.draws), 0.999)
    draws[0, 3] = 0.375  # the fourth try: half of the area, a square of 100 x 100
    draws[0, -2:] = 0, 0.5
    found = fitted(fit, columns(100, 200), draws)
    assert found[0, 0].tolist()[:2] == pytest.approx([52, 2], abs=2)
    assert found[-1, -1].tolist()[:2] == pytest.approx([147, 97], abs=2)


def test_random_resized_of_a_strip_falls_back_to_its_middle() -> None:
    fit = Fit((20, 20), "random_resized", area=(0.9, 1.0), aspect=(1.0, 1.0))
    found = fitted(fit, columns(20, 200), drawn(fit, 1))
    np.testing.assert_array_equal(found[0, :, 0], np.arange(90, 110))


@pytest.mark.parametrize("crop", ["random", "random_resized"])
def test_random_crops_are_central_without_draws(crop: Crop) -> None:
    image = columns(40, 100)
    np.testing.assert_array_equal(
        fitted(Fit((40, 40), crop), image), fitted(Fit((40, 40), "center"), image)
    )


def test_parts_that_reach_the_edge_stay_within_the_image() -> None:
    fit = Fit((24, 24), "random_resized", area=(0.1, 1.0))
    rng = np.random.default_rng(0)
    images = [np.zeros((*shape, 3), np.uint8) for shape in rng.integers(3, 90, (500, 2))]
    draws = np.full((500, fit.draws), np.nextafter(1, 0))
    draws[:, :20] = rng.random((500, 20))
    assert not fit.batch(images, draws).any()


def test_letterbox_keeps_the_whole_picture_between_grey_bars() -> None:
    found = fitted(Fit((40, 40), "letterbox"), np.full((20, 40, 3), 255, np.uint8))
    assert (found[:10] == 128).all()
    assert (found[10:30] == 255).all()
    assert (found[30:] == 128).all()


@pytest.mark.parametrize("crop", ["stretch", "box"])
def test_stretch_shows_both_ends(crop: Crop) -> None:
    found = fitted(Fit((40, 40), crop, interpolation="nearest"), columns(40, 200))
    assert found[0, 0, 0] < 5
    assert found[0, -1, 0] > 194


def test_interpolation_is_the_one_that_was_chosen() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(image).resize((32, 32), Image.Resampling.LANCZOS))
    np.testing.assert_array_equal(fitted(Fit((32, 32), interpolation="lanczos"), image), expected)
    assert not np.array_equal(fitted(Fit((32, 32), interpolation="nearest"), image), expected)


def test_stores_leave_room_for_random_parts_alone() -> None:
    assert Fit((128, 256), "random").stored_side == 256
    for area in ((0.08, 1.0), (0.5, 1.0)):  # so that an ablation of the area changes nothing else
        fit = Fit((256, 256), "random_resized", area=area)
        assert fit.stored_side == 320
        assert fit.evaluated_side == 256


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
