import numpy as np
import pytest

from project.data.decode import reduced_size
from project.data.store.policy import Policy
from project.errors import ConfigError


def test_shapes_are_those_that_the_decoder_makes() -> None:
    sizes = np.random.default_rng(0).integers(1, 400, (500, 2)).astype(np.int32)
    boxes = np.full((500, 4), -1, np.int32)
    for side in (1, 100, 101, 255):
        shapes = Policy(side, "bilinear", boxed=True).shapes(sizes, boxes)
        expected = [reduced_size(height, width, side) for height, width in sizes.tolist()]
        assert list(map(tuple, shapes.tolist())) == expected


def test_boxes_count_where_they_are_cut_out() -> None:
    sizes = np.array([[300, 400]] * 2, np.int32)
    boxes = np.array([[5, 6, 40, 20], [-1] * 4], np.int32)
    boxed, whole = (Policy(10, "bilinear", boxed=b).shapes(sizes, boxes) for b in (True, False))
    assert boxed.tolist() == [[10, 20], [10, 13]]
    assert whole.tolist() == [[10, 13], [10, 13]]


def test_side_that_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"data\.store_side: expected auto or pixels .*, got 0"):
        Policy(0, "bilinear", boxed=False)
