"""From tests to verdicts, once it is known how many tests there are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from project.stats.inference import holm, verdict
from project.stats.planning import needed
from project.stats.results import Difference, Verdict
from project.stats.variance import Variance


@dataclass(frozen=True)
class Tested:
    """A difference before anything is adjusted and judged.

    Attributes:
        difference: With p-values as they are for this test alone.
        variance: Of the difference.
        images: Test images that the metric is about.
    """

    difference: Difference
    variance: Variance
    images: int


def judged(tested: Sequence[Tested], confidence: float, margin: float) -> list[Difference]:
    """Adjusts for everything that was tested, and says what may be said.

    Differences and equivalences are two families of tests, each adjusted by itself.

    Args:
        tested: Everything that was tested.
        confidence: One minus it is the level of the verdicts.
        margin: Differences up to this are of no interest.
    """
    p_values = holm([test.difference.p_value for test in tested])
    p_equivalences = holm([test.difference.p_equivalence for test in tested])
    level = (1 - confidence) / max(len(tested), 1)
    return [
        _judged(test, float(p), float(p_equivalence), confidence, margin, level)
        for test, p, p_equivalence in zip(tested, p_values, p_equivalences, strict=True)
    ]


def _judged(
    test: Tested, p: float, p_equivalence: float, confidence: float, margin: float, level: float
) -> Difference:
    found = test.difference
    said = verdict(found.difference, p, p_equivalence, confidence)
    return replace(
        found,
        p_adjusted=p,
        p_equivalence=p_equivalence,
        verdict=said,
        needed=needed(abs(found.difference), margin, test.variance, test.images, level)
        if said is Verdict.NOT_SHOWN
        else None,
    )
