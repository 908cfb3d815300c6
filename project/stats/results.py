"""What a comparison found, as plain values."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What the data allow to say about a difference."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    NOT_SHOWN = "no difference shown"


class About(StrEnum):
    """What a verdict is about.

    One training a side tells two networks apart, and nothing of what training again would give.
    """

    RECIPES = "recipes"
    MODELS = "these trained models"


@dataclass(frozen=True)
class Interval:
    """From `low` to `high`, both NaN where there is none."""

    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """One metric of one group of runs.

    Attributes:
        group: Name of the group.
        metric: ``accuracy``, ``macro_recall``, ``macro_f1``, ``recall/<class>`` or
            ``precision/<class>``.
        mean: Mean over the runs, in [0, 1].
        spread: Standard deviation over the runs; NaN for one run.
        runs: Number of runs (seeds).
        images: Test images that the metric is about: of the class for a recall, all for others.
        correct: Images that were right, for accuracy and recalls of a single run; None elsewhere.
        interval: Confidence interval of the mean.
    """

    group: str
    metric: str
    mean: float
    spread: float
    runs: int
    images: int
    correct: int | None
    interval: Interval


@dataclass(frozen=True)
class Needed:
    """What would be likely to settle a difference that is not shown.

    Attributes:
        effect: How far the truth is from what must be ruled out, in (0, 1], if it is as seen: from
            0, to show a difference, or from the margin, to show equivalence, whichever is easier.
        runs: Runs of each group; None where more runs would not do, or nothing is known of runs.
        images: Test images (of the class, for a recall); None where more images would not do.
        together: Whether it takes both at once; otherwise either will do, the other one unchanged.
    """

    effect: float
    runs: int | None
    images: int | None
    together: bool = False


@dataclass(frozen=True)
class Difference:
    """One metric of a variant compared with the baseline.

    Attributes:
        variant: Name of the group.
        metric: As in `Estimate`.
        difference: Variant minus baseline, in [-1, 1].
        interval: Confidence interval of the difference, by itself (not adjusted).
        p_value: Of the null hypothesis of no difference.
        p_adjusted: The same after Holm, over everything that the comparison tests.
        p_equivalence: Of the null hypothesis of a difference beyond the margin, after Holm.
        beats: Chance in [0, 1] that a run of the variant beats one of the baseline; NaN where there
            are no predictions.
        verdict: What the data allow to say.
        about: What the verdict is about.
        method: The test, in a few words.
        needed: What would settle it, where nothing is shown.
    """

    variant: str
    metric: str
    difference: float
    interval: Interval
    p_value: float
    p_adjusted: float
    p_equivalence: float
    beats: float
    verdict: Verdict
    about: About
    method: str
    needed: Needed | None = None


@dataclass(frozen=True)
class Comparison:
    """Groups of runs, measured on the same images.

    Attributes:
        baseline: Name of the group that the others are compared with.
        groups: Names of all groups, the baseline first.
        classes: Class names.
        images: Test images of each class.
        confidence: Of the intervals, such as 0.95.
        margin: Differences up to this are of no interest, in [0, 1].
        estimates: One for each group and metric.
        differences: One for each variant and metric.
        headline: The metric, or kind of metrics, that matters most: it is shown before the others.
    """

    baseline: str
    groups: tuple[str, ...]
    classes: tuple[str, ...]
    images: tuple[int, ...]
    confidence: float
    margin: float
    estimates: tuple[Estimate, ...]
    differences: tuple[Difference, ...]
    headline: str = ""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics, in the order in which they were computed."""
        return tuple(e.metric for e in self.estimates if e.group == self.baseline)

    @property
    def variants(self) -> tuple[str, ...]:
        """Names of the groups besides the baseline."""
        return tuple(name for name in self.groups if name != self.baseline)

    def estimate(self, group: str, metric: str) -> Estimate:
        """The metric of a group."""
        return next(e for e in self.estimates if (e.group, e.metric) == (group, metric))

    def difference(self, variant: str, metric: str) -> Difference:
        """The difference of a variant to the baseline."""
        return next(d for d in self.differences if (d.variant, d.metric) == (variant, metric))
