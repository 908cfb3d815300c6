"""How splits compare that should be alike."""

from dataclasses import dataclass

from project.callbacks.diagnoses.seen import percent
from project.runs.metric_names import NAMED_TEST
from project.runs.record import Diagnosis

_FAR = 0.03  # of macro recall; what lies within is of no interest, however certain


@dataclass(frozen=True)
class Drop:
    """How much worse a split is recognised than another, over the classes that both have.

    Attributes:
        usual: Name of the split that sets the expectation.
        other: Name of the split that is compared with it.
        macro_recall: Of `other`, in [0, 1].
        expected: Of `usual`.
        low: Lower end of the interval of `expected` minus `macro_recall`.
        high: Its upper end.
        images: Photos of `other`.
    """

    usual: str
    other: str
    macro_recall: float
    expected: float
    low: float
    high: float
    images: int


def far_below(drop: Drop) -> Diagnosis | None:
    """Notices that a split is recognised far worse, by more than few photos differ by chance.

    Args:
        drop: Between two splits.
    """
    if drop.low <= _FAR:
        return None
    between = f"[{100 * drop.low:.0f}, {100 * drop.high:.0f}]"
    seen = (
        f"macro recall is {percent(drop.macro_recall)} on {drop.other} "
        f"({drop.images} photos) and {percent(drop.expected)} on {drop.usual}, a drop of "
        f"{100 * (drop.expected - drop.macro_recall):.0f} points {between}, which the number of "
        "photos does not explain"
    )
    evidence: dict[str, float | str] = {
        drop.other: drop.macro_recall,
        drop.usual: drop.expected,
        "drop_low": drop.low,
        "drop_high": drop.high,
        "images": drop.images,
    }
    if drop.other == "test":
        return Diagnosis(
            "test_far_below_validation",
            f"Validation promises too much: {seen}. Usually photos of one person, place or session "
            "are in train and validation but not in test, or test was taken otherwise. Try "
            "data.resplit=true with data.source.group_pattern=<pattern>.",
            evidence,
        )
    return Diagnosis(
        "shifted_test_set",
        f"The test set {drop.other.removeprefix(NAMED_TEST)} is shifted: {seen}. Usually it was "
        "taken elsewhere, and the network leans on background, light or camera. Train on photos of "
        "more places, or try augmentation=strong.",
        evidence,
    )
