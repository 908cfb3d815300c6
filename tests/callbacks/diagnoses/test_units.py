import pytest

from project.callbacks.diagnoses.seen import Setup, Validation
from project.callbacks.diagnoses.units import dead_units

SETUP = Setup(("cat", "dog"), lr=0.1, epochs=5)


def validated(*dead: int, units: int = 50, photos: int = 40) -> list[Validation]:
    each = photos // 2
    return [
        Validation(epoch, (each, each), (each, each), units, count)
        for epoch, count in enumerate(dead)
    ]


def test_dead_units_are_counted_from_when_they_died() -> None:
    found = dead_units(validated(3, 20, 46, 47), SETUP)
    assert found is not None
    assert found.name == "dead_units"
    assert found.sentence.startswith("Since epoch 2 ")
    assert "47 of 50 are 0 for every validation photo" in found.sentence
    assert "optimizer.lr=0.01" in found.sentence
    assert found.evidence["share"] == pytest.approx(0.94)


@pytest.mark.parametrize(
    "seen",
    [
        validated(25, 25, 25, 25),  # as many as begin silent
        validated(44, 44, 44, 44),
        validated(50, 50, 50, 10),
        validated(50, 50),
        validated(50),
        validated(50, 50, 50, 50, photos=20),
        validated(0, 0, 0, 0, units=0),  # the layer was not found
        [],
    ],
)
def test_living_units_few_photos_and_short_trainings_are_left_alone(
    seen: list[Validation],
) -> None:
    assert dead_units(seen, SETUP) is None
