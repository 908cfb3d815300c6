from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from project.callbacks.tracking.mistakes import confident_mistakes, small_picture
from project.runs.predictions import Predictions

# Softmax of (0, ln 3) is (1/4, 3/4), of (0, 0) is (1/2, 1/2).
PREDICTIONS = Predictions(
    index=np.arange(5),
    paths=["right.jpg", "unsure.jpg", "sure.jpg", "unlabeled.jpg", "surest.jpg"],
    labels=np.array([1, 1, 0, -1, 0]),
    logits=np.log(np.array([[1, 9], [1, 1], [1, 3], [9, 1], [1, 9]], dtype=np.float32)),
    classes=["hat", "top"],
)


def test_surest_mistakes_come_first_with_their_softmax() -> None:
    found = confident_mistakes(PREDICTIONS, most=9)
    assert [mistake.path for mistake in found] == ["surest.jpg", "sure.jpg", "unsure.jpg"]
    assert [mistake.confidence for mistake in found] == pytest.approx([0.9, 0.75, 0.5])
    assert (found[0].true, found[0].predicted) == ("hat", "top")
    assert (found[2].true, found[2].predicted) == ("top", "hat")


def test_no_more_mistakes_than_asked_for() -> None:
    assert [mistake.path for mistake in confident_mistakes(PREDICTIONS, most=1)] == ["surest.jpg"]
    assert confident_mistakes(PREDICTIONS, most=0) == []


def test_confidence_of_huge_logits_is_a_number() -> None:
    logits = np.array([[1e4, -1e4]], dtype=np.float32)
    said = Predictions(np.arange(1), ["a.jpg"], np.array([1]), logits, ["hat", "top"])
    assert confident_mistakes(said, most=1)[0].confidence == 1.0


def test_picture_is_small_upright_and_in_colour(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it by a quarter
    Image.new("L", (1000, 500)).save(tmp_path / "a.jpg", exif=exif)
    picture = small_picture(tmp_path / "a.jpg")
    assert picture is not None
    assert picture.size == (128, 256)
    assert picture.mode == "RGB"


def test_picture_of_16_bits_keeps_the_upper_byte_as_the_model_saw_it(tmp_path: Path) -> None:
    values = np.full((4, 4), 128 * 256 + 7, dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    picture = small_picture(tmp_path / "deep.png")
    assert picture is not None
    assert picture.getpixel((0, 0)) == (128, 128, 128)


def test_photo_that_pillow_thinks_dangerous_is_no_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (100, 100)).save(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(tmp_path / "large.png")
    assert small_picture(tmp_path / "large.png") is None


def test_photo_that_has_gone_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    assert small_picture(tmp_path / "gone.jpg") is None
    assert small_picture(tmp_path / "torn.jpg") is None
