from dataclasses import replace

import pytest

from project.callbacks.diagnoses.generalizing import Drop, far_below

DROP = Drop("val", "test", 0.61, 0.93, low=0.2, high=0.44, images=300)


def test_a_test_far_below_validation_is_told_with_its_interval() -> None:
    found = far_below(DROP)
    assert found is not None
    assert found.name == "test_far_below_validation"
    assert "61 % on test (300 photos) and 93 % on val, a drop of 32 points [20, 44]" in (
        found.sentence
    )
    assert "data.resplit=true" in found.sentence
    assert found.evidence["drop_low"] == 0.2


def test_a_set_of_another_name_is_called_shifted() -> None:
    found = far_below(replace(DROP, usual="test", other="test_office"))
    assert found is not None
    assert found.name == "shifted_test_set"
    assert found.sentence.startswith("The test set office is shifted:")
    assert found.evidence["test_office"] == 0.61


@pytest.mark.parametrize("low", [0.03, 0.0, -0.2])
def test_what_may_be_a_small_drop_is_none(low: float) -> None:
    assert far_below(replace(DROP, low=low)) is None
