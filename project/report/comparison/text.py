"""What a comparison says in words, for all of its outputs alike."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from project.report.comparison import cells
from project.runs.groups import Group
from project.stats.results import About, Comparison, Difference, Needed, Verdict

_LISTED_METRICS = 5
_LISTED_SETTINGS = 4
_LONGEST_VALUE = 40
_HOW_TO_READ = """
Differences are variant minus baseline, in percent points; ± is the standard deviation over the
runs (n).

Intervals have {confidence} confidence, each by itself. p is adjusted over all {tests} tests (Holm)
and the verdicts follow it: of many intervals, some leave zero out by chance.

Equivalent: shown to lie within ±{margin} points, by tests that are adjusted among themselves. No
difference shown: neither is shown, which is no evidence of equality.

Beats: how often a run of the variant is above one of the baseline on resampled test images; a
description without an error bar.

To settle: what would be likely to show a difference, or equivalence, if the truth is as seen here.

Tests: {methods}.
"""


@dataclass(frozen=True)
class Compared:
    """What the outputs show.

    Attributes:
        comparison: The numbers and verdicts.
        groups: The groups of runs, named as in `comparison`; empty when published counts are
            compared.
        notes: Remarks that a reader should know, such as which images were left out.
        command: The command line, fit to be pasted into a shell.
        name: The comparison's name.
        split: The split whose images they are.
    """

    comparison: Comparison
    groups: Sequence[Group]
    notes: Sequence[str]
    command: str
    name: str
    split: str = "test"


class Finding(NamedTuple):
    """The answer about one variant: what is being compared, then what was found by verdict."""

    subject: str
    parts: tuple[tuple[Verdict, str], ...]

    def __str__(self) -> str:
        return f"{self.subject}: {'; '.join(text for _, text in self.parts)}."


class Described(NamedTuple):
    """One group: how many runs, their seeds, and where its settings leave the baseline's."""

    name: str
    runs: str
    settings: str


def findings(comparison: Comparison) -> list[Finding]:
    """The answer, one or two plain sentences a variant.

    Args:
        comparison: All groups.

    Returns:
        One finding a variant, in the order of the groups.
    """
    return [
        Finding(_subject(comparison, variant), tuple(_parts(comparison, variant)))
        for variant in comparison.variants
    ]


def about_models(comparison: Comparison, variant: str) -> bool:
    """Whether what is said of a variant holds for the trained networks only."""
    return any(d.about is About.MODELS for d in comparison.differences if d.variant == variant)


def caution(comparison: Comparison) -> str:
    """A warning where groups have one run only, or an empty text."""
    variants = comparison.variants
    single = [variant for variant in variants if about_models(comparison, variant)]
    if not single:
        return ""
    whose = "" if len(single) == len(variants) else f" in {_and_more(single)}"
    which = "two trained networks" if len(single) == 1 else "trained networks"
    return (
        f"One run a side{whose}: this is about these {which}, not about the recipes; training "
        "again may turn it around. Train at least 3 seeds each (seed=1,2,3)."
    )


def open_questions(comparison: Comparison, variant: str) -> list[str]:
    """What would settle what is not shown.

    Args:
        comparison: All groups.
        variant: Name of the group.

    Returns:
        One sentence a metric that can be settled at all: the headline, metrics of all images,
        those of a class; the largest differences first.
    """
    unsettled = [d for d in _by_weight(comparison, variant) if _is_open(d)]
    return [f"To settle {settling(comparison, difference)}" for difference in unsettled]


def settling(comparison: Comparison, difference: Difference) -> str:
    """How one difference could be settled, or an empty text where it is or nothing is known.

    Args:
        comparison: All groups.
        difference: One of its differences.

    Returns:
        As in "recall of outer (+2.6 points): 9 runs a group instead of 3, or ...".
    """
    if not _is_open(difference) or difference.needed is None:
        return ""
    seen = f"{cells.points(difference.difference)} points"
    # Otherwise the distance is that to the margin.
    if not math.isclose(difference.needed.effect, abs(difference.difference), abs_tol=1e-9):
        seen += ", as equivalent"
    ways = _ways(comparison, difference, difference.needed)
    return f"{cells.title(difference.metric, ' of ')} ({seen}): {ways}."


def described(compared: Compared) -> list[Described]:
    """The groups in the order of the comparison, the baseline first."""
    groups = {group.name: group for group in compared.groups}
    baseline = groups.get(compared.comparison.baseline)
    counts = cells.runs(compared.comparison)
    return [
        Described(
            name,
            _runs(counts[name], groups[name].seeds if name in groups else ()),
            _settings(groups[name], baseline) if name in groups else "",
        )
        for name in compared.comparison.groups
    ]


def size(compared: Compared) -> str:
    """How much was compared, in one line."""
    comparison = compared.comparison
    parts = [
        f"{len(comparison.groups)} groups",
        _count(sum(cells.runs(comparison).values()), "run"),
        f"{sum(comparison.images)} {compared.split} images of {len(comparison.classes)} classes",
    ]
    return ", ".join(parts)


def how_to_read(comparison: Comparison) -> list[str]:
    """What the numbers mean, for whoever did not compute them."""
    methods = list(dict.fromkeys(d.method for d in comparison.differences))
    said = _HOW_TO_READ.format(
        confidence=_confidence(comparison),
        tests=sum(not math.isnan(d.p_adjusted) for d in comparison.differences),
        margin=cells.number(comparison.margin),
        methods="; ".join(methods),
    )
    return [" ".join(paragraph.split()) for paragraph in said.split("\n\n")]


def _subject(comparison: Comparison, variant: str) -> str:
    scope = f" ({About.MODELS})" if about_models(comparison, variant) else ""
    return f"{variant} against {comparison.baseline}{scope}"


def _parts(comparison: Comparison, variant: str) -> Iterable[tuple[Verdict, str]]:
    found = _by_weight(comparison, variant)
    confidence = _confidence(comparison)
    for verdict in (Verdict.BETTER, Verdict.WORSE):
        shown = [d for d in found if d.verdict is verdict]
        if shown:
            # The units once, at the first number.
            said = [_with_interval(shown[0], " points", f"{confidence} interval ")]
            said += [_with_interval(difference) for difference in shown[1:]]
            yield verdict, f"{verdict} {_and_more(said)}"
    equal = [cells.title(d.metric, " of ") for d in found if d.verdict is Verdict.EQUIVALENT]
    if equal:
        margin = cells.number(comparison.margin)
        yield Verdict.EQUIVALENT, f"equivalent within ±{margin} points: {_and_more(equal)}"
    unknown = sum(d.verdict is Verdict.NOT_SHOWN for d in found)
    if unknown == len(found):
        yield Verdict.NOT_SHOWN, f"no difference shown in any of {_count(unknown, 'metric')}"
    elif unknown:
        yield Verdict.NOT_SHOWN, "everything else: no difference shown"


def _by_weight(comparison: Comparison, variant: str) -> list[Difference]:
    """A variant's differences, so that lists can be cut.

    The headline first, then metrics of all images, then the largest differences.
    """

    def weight(found: Difference) -> tuple[bool, bool, bool, float]:
        unknown, size = math.isnan(found.difference), abs(found.difference)
        return not cells.is_headline(comparison, found.metric), "/" in found.metric, unknown, -size

    of_variant = (d for d in comparison.differences if d.variant == variant)
    return sorted(of_variant, key=weight)


def _with_interval(difference: Difference, unit: str = "", what: str = "") -> str:
    interval = cells.between(difference.interval, f", {what}{{}} to {{}}")
    name = cells.title(difference.metric, " of ")
    return f"{name} ({cells.points(difference.difference)}{unit}{interval})"


def _is_open(difference: Difference) -> bool:
    known = not math.isnan(difference.difference)
    return difference.verdict is Verdict.NOT_SHOWN and difference.needed is not None and known


def _ways(comparison: Comparison, difference: Difference, needed: Needed) -> str:
    metric = difference.metric
    sides = [
        comparison.estimate(name, metric) for name in (comparison.baseline, difference.variant)
    ]
    of_class = f" of {cells.class_of(metric)}" if metric.startswith("recall/") else ""
    counts = " and ".join(dict.fromkeys(str(side.runs) for side in sides))
    more_runs = f"{_count(needed.runs or 0, 'run')} a group instead of {counts}"
    more_images = f"{needed.images} test images{of_class} instead of {sides[1].images}"
    unknown = all(side.runs == 1 for side in sides)  # one run tells nothing about seeds
    if needed.runs is None and needed.images is None:
        seeds = "" if unknown else "neither more seeds nor "
        return f"{seeds}more test images alone {'cannot' if unknown else 'can'}"
    if needed.runs is None:
        return more_images if unknown else f"{more_images}; more seeds alone cannot"
    if needed.images is None:
        return f"{more_runs}; more test images alone cannot"
    return f"{more_runs}, {'and' if needed.together else 'or'} {more_images}"


def _runs(count: int, seeds: Sequence[int]) -> str:
    if not seeds:
        return _count(count, "run")
    noun = "seed" if len(seeds) == 1 else "seeds"
    return f"{_count(count, 'run')} ({noun} {', '.join(map(str, seeds))})"


def _settings(group: Group, baseline: Group | None) -> str:
    """Where the group leaves the baseline; the baseline shows all that differs anywhere."""
    usual = baseline.settings if baseline is not None and group is not baseline else {}
    own = [
        f"{key}={_shortened(value)}"
        for key, value in group.settings.items()
        if key not in usual or usual[key] != value
    ]
    return _and_more(own, _LISTED_SETTINGS)


def _shortened(value: object) -> str:
    text = "null" if value is None else str(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def _confidence(comparison: Comparison) -> str:
    return f"{100 * comparison.confidence:g} %"


def _and_more(texts: Sequence[str], listed: int = _LISTED_METRICS) -> str:
    more = len(texts) - listed
    rest = [f"and {more} more"] if more > 0 else []
    return ", ".join([*texts[:listed], *rest])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
