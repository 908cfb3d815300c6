"""Brushes, layers and files of drawn photos."""

import cv2
import numpy as np
import pytest

from project.data.drawn.painting import Layer, box, jpeg, oval, png

GREY = np.full((40, 40, 3), 100, np.uint8)


@pytest.mark.parametrize("size", [20, 40])
def test_coordinates_are_fractions_of_the_picture(size: int) -> None:
    layer = Layer(np.zeros((size, size, 3), np.uint8))
    layer.fill(box(0.0, 0.0, 0.5, 1.0), (200.0, 0, 0))
    red = (layer.surface[..., 0] > 100).mean()
    assert red == pytest.approx(0.5, abs=0.06)


def test_a_layer_is_lit_apart_from_its_background() -> None:
    layer = Layer(GREY)
    layer.fill(oval((0.5, 0.5), 0.2, 0.2), (100.0, 100, 100))
    light = layer.over(behind=0.5, before=2.0)
    assert light[20, 20] == pytest.approx([200, 200, 200])
    assert light[0, 0] == pytest.approx([50, 50, 50])
    assert (layer.background == GREY).all()


def test_an_ellipse_has_the_half_axes_asked_for() -> None:
    points = oval((0.3, 0.6), 0.1, 0.2)
    assert np.ptp(points, axis=0) == pytest.approx([0.2, 0.4])
    assert points.mean(axis=0) == pytest.approx([0.3, 0.6])
    assert np.ptp(oval((0, 0), 0.1, 0.2, np.pi / 2), axis=0) == pytest.approx([0.4, 0.2])


def test_files_hold_the_picture() -> None:
    picture = np.zeros((16, 16, 3), np.uint8)
    picture[:, :8] = (200, 40, 90)
    exact = cv2.imdecode(np.frombuffer(png(picture), np.uint8), cv2.IMREAD_COLOR)
    assert exact is not None
    assert (exact[..., ::-1] == picture).all()
    data = jpeg(picture, np.random.default_rng(0))
    near = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert near is not None
    assert np.abs(near[..., ::-1].astype(int) - picture).mean() < 10
