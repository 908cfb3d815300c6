"""The page of the published cases, from what was measured and what a person says about it."""

import csv
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from benchmarks import case_diagnoses as diagnoses
from benchmarks.case_facts import Facts, Variant, Verdicts
from benchmarks.case_texts import Case
from project.report.comparison import cells
from project.report.comparison.files import escaped
from project.report.metrics import title
from project.stats.results import Interval, Verdict

Known = Mapping[str, Facts]
Row = Mapping[str, str]

_WIDTH = 96  # of a command's line
_LISTED = 5  # remarks
_BESIDE = 3  # variants that a page is wide enough for
_HEAD = """
# What the published cases show

Made by `make results` (`python benchmarks/cases.py`) from runs of this repository: no number in the
tables is written by hand. Each case says what was published, how it was run here, what came out,
and where the two part. Photos that cannot be passed on are drawn, and networks are small enough for
two cores: what can be held against the published story is which change helps, not how high a
score is.

**How to read the tables.** Percent and percent points. The baseline comes first, then its variants:
mean ± standard deviation over seeds; the baseline's interval, or a variant's difference to it
with the interval of that; the verdict. Photos and seeds both count as chance. Each interval stands
by itself, while verdicts follow p-values that are adjusted over the whole table (Holm). "Not shown"
is no evidence of equality. In brackets behind a metric: its test photos.
"""
_DIAGNOSES = """
Every training ends with what its numbers show to be wrong. *Expected* is what a variant is about,
with the runs in which it was said; *true besides* is what a person has found to be right of that
variant without being the point, for the reason that stands under the case; everything else is a
*false alarm*.
"""
_OF_CASE = ("variant", "runs", "expected", "true besides", "false alarms")
_OF_ALL = ("case", "runs", "said", "expected", "true besides", "false alarms")
_BY_KIND = ("diagnosis", "expected", "true besides", "false alarms", "where")
_SHOWN = (Verdict.BETTER, Verdict.WORSE)


def page(cases: Sequence[Case], known: Known) -> str:
    """Writes the page.

    Args:
        cases: In the order of their sections.
        known: What was measured, by the names of the cases; not all need to be there.

    Returns:
        Markdown.

    Raises:
        ConfigError: A case expects something of a variant that is not there.
    """
    return "\n".join(_page(cases, known)) + "\n"


def _page(cases: Sequence[Case], known: Known) -> Iterator[str]:
    yield from _HEAD.strip().splitlines()
    yield ""
    yield from (f"- [{case.title}](#{_anchor(case.title)}): {case.question}" for case in cases)
    yield "- [Diagnoses](#diagnoses): how often were they right?"
    for case in cases:
        yield from _section(case, known.get(case.name))
    measured = [(case, known[case.name]) for case in cases if case.name in known]
    yield from ("", "## Diagnoses", "", *_DIAGNOSES.strip().splitlines(), "")
    yield from _table(_OF_ALL, diagnoses.of_all(measured))
    kinds = list(diagnoses.by_kind(measured))
    if kinds:
        yield ""
        yield from _table(_BY_KIND, kinds)


def _anchor(title: str) -> str:
    """As GitHub makes it of a heading."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def _section(case: Case, facts: Facts | None) -> Iterator[str]:
    yield from ("", f"## {case.title}", "", f"*{case.question}*", "")
    yield f"**Published.** {case.published}"
    if facts is None:
        yield from ("", f"**Measured.** Not yet.{_why(case)}")
    else:
        diagnoses.check_expected(case, facts)
        yield from _measured(case, facts)
    yield from ("", f"**Different from the published story.** {case.different}")


def _why(case: Case) -> str:
    if not case.needs_photos:
        return ""
    return (
        " It needs the photos, which are not part of this repository: "
        f"`python benchmarks/cases.py {case.name} --clothing path/to/photos`"
    )


def _measured(case: Case, facts: Facts) -> Iterator[str]:
    yield from ("", "**Command.**", "", "```sh")
    yield from (line for command in facts.commands for line in broken(command))
    yield from ("```", "", "**Measured.**", "")
    yield from (f"- {heading}: {text}" for heading, text in facts.measured.items())
    for verdicts in facts.verdicts:
        yield from ("", *_verdicts(verdicts))
    if case.scores:
        yield from ("", "Mean over the seeds, and in brackets the lowest and the highest:", "")
        yield from _table(["", *map(_score, case.scores)], _scores(facts.variants, case.scores))
    yield from ("", "**Diagnoses** in these runs:", "")
    yield from _table(_OF_CASE, diagnoses.of_case(case, facts))
    remarks = [remark for v in facts.variants for remark in diagnoses.remarks_on(case, v)]
    if remarks:
        yield ""
    yield from (f"- {name.replace('_', ' ')}: {why}" for name, why in dict.fromkeys(remarks))


def broken(command: str) -> list[str]:
    """A command on as many lines as it takes, fit to be pasted into a shell.

    Args:
        command: In one line.

    Example:
        >>> broken("python -m project.train seed=1")
        ['python -m project.train seed=1']
    """
    lines = [""]
    for word in re.findall(r"(?:'[^']*'|\S)+", command):
        if lines[-1] and len(lines[-1]) + len(word) > _WIDTH:
            lines.append("   ")
        lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return [f"{line} \\" for line in lines[:-1]] + lines[-1:]


def _verdicts(verdicts: Verdicts) -> Iterator[str]:
    name = "Verdicts" if verdicts.baseline else "Result"
    yield f"**{name}** on `{verdicts.split}`:"
    more = len(verdicts.notes) - _LISTED
    said = [*verdicts.findings, *verdicts.notes[:_LISTED]]
    said += [f"{more} more remarks are in the comparison's own page."] if more > 0 else []
    if said:
        yield ""
    yield from (f"- {escaped(sentence)}" for sentence in said)
    rows = list(csv.DictReader(verdicts.table))
    groups = list(dict.fromkeys(row["group"] for row in rows))
    found = {(row["group"], row["metric"]): row for row in rows}
    baseline, variants = groups[0], groups[1:]
    for start in range(0, max(len(variants), 1), _BESIDE):
        shown = [baseline, *variants[start : start + _BESIDE]]
        headings = [f"{100 * verdicts.confidence:g} % intervals", *map(_headed, shown)]
        yield from ("", *_table(headings, _verdict_rows(found, shown)))


def _headed(group: str) -> str:
    """A group's name above a column: narrow, as browsers break no line within it."""
    return escaped(group).replace("=", "=<br>").replace(",", ",<br>")


def _verdict_rows(
    found: Mapping[tuple[str, str], Row], groups: Sequence[str]
) -> Iterator[list[str]]:
    for metric in dict.fromkeys(metric for _, metric in found):
        row = [found[group, metric] for group in groups]
        name = escaped(f"{title(metric)} ({row[0]['images']})")
        yield [name, *(_variant(one) if one["verdict"] else _mean(one) for one in row)]


def _mean(row: Row) -> str:
    """Mean, spread and interval."""
    return f"{_share(row)}<br>{_between(row, 'low', 'high')}"


def _variant(row: Row) -> str:
    """Mean and spread, difference with interval, verdict."""
    verdict = Verdict(row["verdict"])
    difference = cells.points(_number(row["difference"]))
    said = f"{difference} {_between(row, 'difference_low', 'difference_high')}".rstrip()
    word = f"{cells.MARKS[verdict]} {cells.word(verdict)}"
    return f"{_share(row)}<br>{said}<br>{f'**{word}**' if verdict in _SHOWN else word}"


def _share(row: Row) -> str:
    spread = _number(row["spread"])
    mean = cells.number(_number(row["mean"]))
    return mean if math.isnan(spread) else f"{mean} ± {cells.number(spread)}"


def _between(row: Row, low: str, high: str) -> str:
    return cells.between(Interval(_number(row[low]), _number(row[high])))


def _number(text: str) -> float:
    return float(text) if text else math.nan


def _score(metric: str) -> str:
    """A metric of a run in words: the split, then the metric."""
    split, _, name = metric.partition("/")
    return escaped(f"{split}: {title(name)}")


def _scores(variants: Sequence[Variant], metrics: Sequence[str]) -> Iterator[list[str]]:
    for variant in variants:
        yield [escaped(variant.name), *(_spanned(variant.scores.get(m, [])) for m in metrics)]


def _spanned(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    mean = cells.number(sum(known) / len(known))
    return f"{mean} ({cells.number(min(known))} to {cells.number(max(known))})"


def _table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield f"| --- |{' ---: |' * (len(headings) - 1)}"
    yield from (f"| {' | '.join(map(str, row))} |" for row in rows)
