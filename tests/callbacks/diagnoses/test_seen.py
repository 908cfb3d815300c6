import pytest

from project.callbacks.diagnoses.seen import Setup, Validation, begin, percent


def validated(*ill: bool, first: int = 0) -> list[Validation]:
    return [
        Validation(first + place, (int(bad), int(not bad)), (1, 0)) for place, bad in enumerate(ill)
    ]


def is_ill(validation: Validation) -> bool:
    return validation.predicted[0] == 1


@pytest.mark.parametrize(
    ("ill", "since"),
    [
        ([True, True, True], 0),
        ([False, True, True], 1),
        ([True, True, False, True, True], 3),  # what was cured does not count
        ([True, True, False, True], None),  # one validation is too few
        ([True, True, True, False], None),
        ([True, True], None),  # so is a training of two epochs
        ([], None),
    ],
)
def test_an_illness_begins_after_the_last_good_validation(
    ill: list[bool], since: int | None
) -> None:
    assert begin(validated(*ill), is_ill) == since


def test_epochs_count_and_not_validations() -> None:
    rare = [Validation(1, (1, 0), (1, 0)), Validation(3, (1, 0), (1, 0))]
    assert begin(rare, is_ill) == 1
    often = [Validation(0, (1, 0), (1, 0))] * 8
    assert begin(often, is_ill) is None


@pytest.mark.parametrize(
    ("lr", "said"),
    [
        (0.001, "optimizer.lr=0.0001"),
        (3e-4, "optimizer.lr=3e-05"),
        (0.0, "optimizer.lr=0.001"),
        (None, "0.1 times the learning rate"),
    ],
)
def test_another_rate_can_be_pasted(lr: float | None, said: str) -> None:
    assert Setup(("a", "b"), lr=lr).rate(0.1) == said


def test_the_same_advice_is_given_once() -> None:
    assert Setup(("a", "b"), lr=0.0).rates() == "optimizer.lr=0.001"
    assert Setup(("a", "b"), lr=0.1).rates() == "optimizer.lr=0.01 or optimizer.lr=1"


def test_shares_are_said_in_percent() -> None:
    assert percent(0.126) == "13 %"
