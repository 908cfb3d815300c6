"""What diagnoses said of the cases: as the variant is about, true besides, or a false alarm."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.case_facts import Facts, Variant
from benchmarks.case_texts import EVERY, Case
from project.errors import ConfigError
from project.report.comparison.files import escaped

Row = Sequence[object]
_NONE = "–"


@dataclass(frozen=True)
class Sorted:
    """The diagnoses of some runs: in how many of them each was said.

    Attributes:
        runs: How many there are.
        expected: Those that the variant is about, said or not.
        true: Those that a person has found to be true besides.
        alarms: All others.
    """

    runs: int
    expected: Mapping[str, int]
    true: Mapping[str, int]
    alarms: Mapping[str, int]

    @property
    def said(self) -> int:
        """All together."""
        return sum(sum(kind.values()) for kind in (self.expected, self.true, self.alarms))


def sort_out(case: Case, variant: Variant) -> Sorted:
    """Sorts what was said of the runs of a variant.

    Args:
        case: Says what is expected, and what is true besides.
        variant: One of its variants.
    """
    names = [name for key, own in case.expected.items() if _is(variant, key) for name in own]
    known = dict(remarks_on(case, variant))
    said = variant.diagnoses
    others = {name: count for name, count in said.items() if name not in names}
    return Sorted(
        runs=len(variant.seeds),
        expected={name: said.get(name, 0) for name in names},
        true={name: count for name, count in others.items() if name in known},
        alarms={name: count for name, count in others.items() if name not in known},
    )


def remarks_on(case: Case, variant: Variant) -> Iterator[tuple[str, str]]:
    """What a person says of the diagnoses of a variant: name and reason.

    Args:
        case: Has the remarks.
        variant: One of its variants.
    """
    for key, own in case.remarks.items():
        if _is(variant, key):
            yield from ((name, why) for name, why in own.items() if name in variant.diagnoses)


def check_expected(case: Case, facts: Facts) -> None:
    """Refuses expectations of, and remarks on a variant that is not there.

    Args:
        case: Has them.
        facts: What was measured.

    Raises:
        ConfigError: No variant has such a name.
    """
    for key in (*case.expected, *case.remarks):
        if not any(_is(variant, key) for variant in facts.variants):
            names = "".join(f"\n  {variant.name}" for variant in facts.variants)
            raise ConfigError(
                f"expected, remarks of the case {case.name}: expected a variant or a part of its "
                f"name, got {key!r}. The variants are:{names}"
            )


def of_case(case: Case, facts: Facts) -> Iterator[Row]:
    """A row for each variant: name, runs, what was expected, true besides, false alarms."""
    for variant in facts.variants:
        found = sort_out(case, variant)
        expected = [f"{_words(n)} ({c} of {found.runs})" for n, c in found.expected.items()]
        yield [
            escaped(variant.name), found.runs, ", ".join(expected) or _NONE,
            _counted(found.true), _counted(found.alarms),
        ]  # fmt: skip


def of_all(measured: Sequence[tuple[Case, Facts]]) -> Iterator[Row]:
    """A row for each case and one for all: runs, said, expected, true besides, false alarms."""
    total: Counter[str] = Counter()
    for case, facts in measured:
        row = _sums([sort_out(case, variant) for variant in facts.variants])
        total += row
        yield [case.title, *_numbers(row)]
    yield ["**all**", *(f"**{number}**" for number in _numbers(total))]


def by_kind(measured: Sequence[tuple[Case, Facts]]) -> Iterator[Row]:
    """A row for each diagnosis that was said: expected, true besides, false alarms, and where."""
    found: dict[str, Counter[str]] = {}
    where: dict[str, Counter[str]] = {}
    for case, facts in measured:
        for variant in facts.variants:
            for column, counts in _columns(sort_out(case, variant)).items():
                for name, count in counts.items():
                    found.setdefault(name, Counter())[column] += count
                    where.setdefault(name, Counter())[case.title] += count
    for name in sorted(found):
        places = [f"{title} ({count})" for title, count in where[name].items() if count]
        if places:
            yield [_words(name), *(found[name][column] for column in _COLUMNS), ", ".join(places)]


_COLUMNS = ("expected", "true", "alarms")


def _columns(found: Sorted) -> dict[str, Mapping[str, int]]:
    return dict(zip(_COLUMNS, (found.expected, found.true, found.alarms), strict=True))


def _sums(found: Sequence[Sorted]) -> Counter[str]:
    sums: Counter[str] = Counter(runs=sum(one.runs for one in found))
    for one in found:
        sums["said"] += one.said
        for column, counts in _columns(one).items():
            sums[column] += sum(counts.values())
    return sums


def _numbers(sums: Counter[str]) -> list[int]:
    return [sums[column] for column in ("runs", "said", *_COLUMNS)]


def _is(variant: Variant, key: str) -> bool:
    """Whether a variant is meant, by its name or by overrides that it was made with."""
    parts = variant.name.split(",")
    return key in (EVERY, variant.name) or all(
        any(wanted == part or wanted.endswith(f".{part}") for part in parts)  # keys are shortened
        for wanted in key.split(",")
    )


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{_words(name)} ({count})" for name, count in counts.items()) or _NONE


def _words(name: str) -> str:
    return name.replace("_", " ")
