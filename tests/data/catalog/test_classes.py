import unicodedata

import numpy as np
import pyarrow as pa
import pytest

from project.data.catalog.classes import apply_class_map, check_known, class_codes, class_list
from project.errors import DataError

LABELS = pa.chunked_array([["shirt", "dress"], ["t-shirt", "hat"]])


def test_classes_are_renamed_merged_and_dropped() -> None:
    mapped = apply_class_map(LABELS, {"shirt": "top", "t-shirt": "top", "dress": None})

    assert mapped.to_pylist() == ["top", None, "top", "hat"]


def test_classes_can_change_places() -> None:
    mapped = apply_class_map(LABELS, {"shirt": "hat", "hat": "shirt"})

    assert mapped.to_pylist() == ["hat", "dress", "t-shirt", "shirt"]


def test_no_map_changes_nothing() -> None:
    assert apply_class_map(LABELS, {}).to_pylist() == LABELS.to_pylist()


def test_map_is_understood_in_either_unicode_form() -> None:
    labels = pa.chunked_array([["모자", "a"]])
    decomposed = unicodedata.normalize("NFD", "모자")

    assert apply_class_map(labels, {decomposed: "hat"}).to_pylist() == ["hat", "a"]
    assert apply_class_map(labels, {"a": decomposed}).to_pylist() == ["모자", "모자"]


def test_key_that_does_not_occur_is_refused_with_a_suggestion() -> None:
    with pytest.raises(DataError, match=r'class_map names "tshirt", .*Did you mean "t-shirt"\?'):
        apply_class_map(LABELS, {"tshirt": "top"})


def test_key_that_does_not_occur_is_allowed_on_request() -> None:
    mapped = apply_class_map(LABELS, {"trousers": None}, every_key=False)

    assert mapped.to_pylist() == LABELS.to_pylist()


def test_dropping_everything_is_refused() -> None:
    with pytest.raises(DataError, match="drops every class"):
        apply_class_map(pa.chunked_array([["a", "b"]]), {"a": None, "b": None})


def test_class_list_is_sorted_or_as_given() -> None:
    assert class_list(["top", "모자", "hat", "top"]) == ("hat", "top", "모자")
    assert class_list(["top", "hat"], ["top", "hat"]) == ("top", "hat")


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["hat", "topp"], r'classes names "topp", .*Did you mean "top"\?'),
        (["hat"], r'has the classes "top", which are not among "hat"\. .*class_map=\{top: null\}'),
        (["hat", "top", "hat"], "names a class twice"),
    ],
)
def test_class_list_must_be_that_of_the_data(classes: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        class_list(["hat", "top"], classes)


def test_one_class_is_refused() -> None:
    with pytest.raises(DataError, match=r'two classes, got only "images"\..*one level too high'):
        class_list(["images", "images"])


def test_known_labels_pass() -> None:
    check_known(["hat"], ["hat", "top"])


def test_codes_are_places_in_the_list() -> None:
    codes = class_codes(LABELS, ["dress", "hat", "shirt", "t-shirt"])

    assert codes.dtype == np.int64
    assert codes.tolist() == [2, 0, 3, 1]
