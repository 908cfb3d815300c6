from typing import Any

import pytest

from project.callbacks.diagnoses.answers import collapse, never_predicted
from project.callbacks.diagnoses.seen import Setup, Validation
from project.runs.record import Diagnosis

SETUP = Setup(("cat", "dog"), lr=0.01, epochs=5)


def validated(*predicted: tuple[int, ...], support: tuple[int, ...]) -> list[Validation]:
    return [Validation(epoch, answers, support) for epoch, answers in enumerate(predicted)]


def test_one_answer_to_two_balanced_classes_is_a_collapse() -> None:
    seen = validated((22, 18), (40, 0), (39, 1), (40, 0), support=(20, 20))
    found = collapse(seen, SETUP)
    assert found is not None
    assert found.name == "collapse"
    assert found.sentence.startswith(
        "Since epoch 1 the network has collapsed to one answer: 40 of 40 validation photos are "
        'taken for "cat", which 50 % of them are.'
    )
    assert "optimizer.lr=0.001 or sampler=balanced." in found.sentence
    assert found.evidence["since_epoch"] == 1
    assert found.evidence["share_of_answers"] == 1.0
    assert found.evidence["share_of_photos"] == 0.5


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (validated(*[(30, 10)] * 5, support=(20, 20)), "answers are of both classes"),
        (validated(*[(38, 2)] * 5, support=(20, 20)), "a twentieth is another answer"),
        (validated(*[(100, 0)] * 5, support=(95, 5)), "photos are nearly one class"),
        (validated(*[(6, 0)] * 5, support=(3, 3)), "too few photos"),
        (validated(*[(20, 0)] * 5, support=(16, 4)), "as many as this come by chance"),
        (validated(*[(40, 0)] * 2, support=(20, 20)), "too few epochs"),
        (validated((40, 0), support=(20, 20)), "one epoch"),
        (validated(*[(40, 0)] * 4, (22, 18), support=(20, 20)), "it has come back"),
        (validated(*[(0, 0)] * 4, support=(0, 0)), "no photo at all"),
        ([], "no validation"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_answers_are_none(seen: list[Validation], why: str) -> None:
    assert collapse(seen, SETUP) is None, why


def test_a_class_without_photos_that_gets_all_answers_is_a_collapse() -> None:
    assert collapse(validated(*[(0, 0, 40)] * 4, support=(20, 20, 0)), Setup(("a", "b", "c")))


def test_all_tops_among_unequal_classes_is_a_collapse_with_enough_photos() -> None:
    assert collapse(validated(*[(0, 200)] * 4, support=(40, 160)), SETUP) is not None


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        ("clamped_logits", "Its logits are clamped"),
        ("dead_units", "are dead"),
        ("learning_rate_too_low", "barely begun to learn. Try optimizer.lr=0.1."),
        ("loss_at_chance", "nothing but which answer is the most frequent"),
    ],
)
def test_what_explains_a_collapse_is_named(cause: str, said: str) -> None:
    seen = validated(*[(40, 0)] * 4, support=(20, 20))
    found = collapse(seen, SETUP, Diagnosis(cause, ""))
    assert found is not None
    assert said in found.sentence
    assert found.evidence["cause"] == cause


def test_balanced_sampling_is_not_advised_twice() -> None:
    seen = validated(*[(40, 0)] * 4, support=(20, 20))
    found = collapse(seen, Setup(("cat", "dog"), lr=0.01, epochs=5, balanced=True))
    assert found is not None
    assert "sampler" not in found.sentence


def missing(predicted: tuple[int, ...], support: tuple[int, ...], **more: Any) -> Diagnosis | None:
    classes = tuple("abcdefgh"[: len(support)])
    seen = validated(*[(3,) * len(support)] * 2, *[predicted] * 3, support=support)
    return never_predicted(predicted, support, seen, Setup(classes, **{"epochs": 5, **more}))


def test_a_class_that_is_never_answered_is_named() -> None:
    found = missing((30, 0, 30), (20, 10, 30))
    assert found is not None
    assert found.name == "class_never_predicted"
    assert 'taken for "b" (10 photos, last answered in epoch 1). Usually it is' in found.sentence
    assert "sampler=balanced" in found.sentence
    assert found.evidence == {"classes": "b", "photos": 10}


def test_a_class_that_was_never_answered_before_is_told_so() -> None:
    seen = validated(*[(40, 0)] * 3, support=(30, 10))
    found = never_predicted((40, 0), (30, 10), seen, SETUP)
    assert found is not None
    assert '"dog" (10 photos, never answered in validation)' in found.sentence


def test_each_class_has_its_own_last_epoch() -> None:
    seen = validated((9, 9, 9), (9, 9, 0), (27, 0, 0), (27, 0, 0), support=(10, 10, 10))
    found = never_predicted((27, 0, 0), (10, 10, 10), seen, Setup(("a", "b", "c"), epochs=5))
    assert found is not None
    assert '"b" (10 photos, last answered in epoch 1)' in found.sentence
    assert '"c" (10 photos, last answered in epoch 0). Usually they are' in found.sentence


@pytest.mark.parametrize(
    ("predicted", "support", "epochs"),
    [
        ((30, 1, 29), (20, 10, 30), 5),
        ((30, 0, 24), (20, 4, 30), 5),  # four photos are missed now and then
        ((30, 0, 30), (30, 0, 30), 5),  # there is none
        ((30, 0, 30), (20, 10, 30), 2),
        ((30, 0, 30), (20, 10, 30), 1),
    ],
)
def test_rare_classes_and_short_trainings_are_left_alone(
    predicted: tuple[int, ...], support: tuple[int, ...], epochs: int
) -> None:
    assert missing(predicted, support, epochs=epochs) is None


def test_many_missing_classes_are_counted() -> None:
    found = missing((100, 0, 0, 0, 0, 0, 0), (10,) * 7)
    assert found is not None
    assert '"e" (10 photos, last answered in epoch 1) and 2 more classes' in found.sentence
    assert found.evidence["photos"] == 60


def test_more_epochs_are_advised_where_classes_are_balanced_already() -> None:
    found = missing((30, 0, 30), (20, 10, 30), balanced=True)
    assert found is not None
    assert "trainer.max_epochs=10" in found.sentence
