"""A comparison as files that people and programs read: Markdown, CSV, JSON."""

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from project.report.comparison import cells, text
from project.report.comparison.cells import Side
from project.report.comparison.text import Compared
from project.runs.groups import Group
from project.stats.results import Comparison, Difference, Estimate

# Raised when a key changes its meaning or disappears, so that programs can tell.
FORMAT = 1
Headings = Sequence[str]
Rows = Sequence[Sequence[object]]

_HEADINGS = (
    "group", "metric", "runs", "images", "mean", "spread", "low", "high", "correct",
    "baseline", "difference", "difference_low", "difference_high",
    "p", "p_holm", "p_equivalence", "beats", "verdict", "about", "method",
    "needed_effect", "needed_runs", "needed_images", "needed_together",
)  # fmt: skip
# What would be read as markup: emphasis, code, tags, entities, table borders, formulas, links,
# headings and lists. Underscores within words and brackets of intervals would not.
_MARKUP = re.compile(r"[\\`*<>|&$~]|(?<!\w)_|_(?!\w)|\](?=\()|^\[|^[#+-](?= )")


def tables(compared: Compared) -> Mapping[str, tuple[Headings, Rows]]:
    """The numbers as plain tables, for programs.

    Args:
        compared: What was found.

    Returns:
        Headings and rows by name: ``comparison`` has a row for each group and metric, with the
        difference to the baseline, which is None for the baseline itself and where it is not
        defined; ``overview`` has a row a metric and a column a variant, in words.
    """
    comparison = compared.comparison
    differences = {(d.variant, d.metric): d for d in comparison.differences}
    rows = [
        _row(estimate, differences.get((estimate.group, estimate.metric)), comparison.baseline)
        for estimate in _ordered(comparison)
    ]
    overview = [
        [cells.title(metric), *(f"{c.difference} {cells.word(c.verdict)}" for c in row)]
        for metric, row in cells.overview(comparison).items()
    ]
    return {
        "comparison": (_HEADINGS, rows),
        "overview": (["metric", *comparison.variants], overview),
    }


def as_csv(compared: Compared) -> str:
    """The table ``comparison`` of `tables`: full precision, empty where there is no number."""
    headings, rows = tables(compared)["comparison"]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(headings)
    writer.writerows(rows)
    return stream.getvalue()


def as_json(compared: Compared) -> str:
    """Everything, groups with their runs and settings included; NaN is null."""
    comparison = compared.comparison
    plain = {
        "format": FORMAT,
        "name": compared.name,
        "command": compared.command,
        "baseline": comparison.baseline,
        "confidence": comparison.confidence,
        "headline": comparison.headline or None,
        "margin": comparison.margin,
        "classes": dict(zip(comparison.classes, comparison.images, strict=True)),
        "findings": [str(finding) for finding in text.findings(comparison)],
        "caution": text.caution(comparison),
        "notes": list(compared.notes),
        "groups": _groups(compared),
        "estimates": [asdict(estimate) for estimate in comparison.estimates],
        "differences": [asdict(difference) for difference in comparison.differences],
    }
    kept = _without_nan(plain)
    return json.dumps(kept, ensure_ascii=False, allow_nan=False, indent=2, default=str) + "\n"


def as_markdown(compared: Compared, pictures: Mapping[str, str]) -> str:
    """The answer, the tables and how to read them, for GitHub and its like.

    Args:
        compared: What was found.
        pictures: Caption of each figure by its path, relative to the file.

    Returns:
        The text of the file.
    """
    return "\n".join(_markdown(compared, pictures)) + "\n"


def escaped(name: str) -> str:
    r"""A name that Markdown shows as it is, also within a table.

    Args:
        name: What users called something.

    Example:
        >>> print(escaped("a|b <i> t_shirt"))
        a\|b \<i\> t_shirt
    """
    return _MARKUP.sub(r"\\\g<0>", " ".join(name.split()))


def _markdown(compared: Compared, pictures: Mapping[str, str]) -> Iterator[str]:
    comparison = compared.comparison
    yield from (f"# {escaped(compared.name)}", "", f"{text.size(compared)}.", "")
    yield from (f"- {escaped(str(finding))}" for finding in text.findings(comparison))
    if said := text.caution(comparison):
        yield from ("", f"**{said}**")
    yield from ("", f"## Differences to {escaped(comparison.baseline)}, percent points", "")
    yield from _table(*tables(compared)["overview"])
    for path, caption in pictures.items():
        yield from ("", f"![{escaped(caption)}]({path})")
    for variant in comparison.variants:
        yield from ("", f"## {escaped(variant)} against {escaped(comparison.baseline)}", "")
        yield from _variant(comparison, variant)
    yield from ("", "## What was compared", "")
    rows = [[*group, _paths(compared, group.name)] for group in text.described(compared)]
    yield from _table(["group", "runs", "settings", "paths"], rows)
    yield from ("", "## How to read this", "")
    yield from (f"- {escaped(line)}" for line in [*compared.notes, *text.how_to_read(comparison)])
    yield from ("", "```sh", compared.command, "```")


def _variant(comparison: Comparison, variant: str) -> Iterator[str]:
    runs = cells.runs(comparison)
    headings = [
        "metric", "images", f"baseline, % (n={runs[comparison.baseline]})",
        f"variant, % (n={runs[variant]})", "difference", "p (Holm)", "beats", "verdict",
    ]  # fmt: skip
    rows = [
        [
            line.metric, line.images, _side(line.baseline), _side(line.variant),
            f"{line.difference} {line.interval}".rstrip(), line.p_value, line.beats, line.verdict,
        ]
        for line in cells.lines(comparison, variant)
    ]  # fmt: skip
    yield from _table(headings, rows)
    questions = text.open_questions(comparison, variant)
    if questions:
        yield ""
    yield from (f"- {escaped(question)}" for question in questions)


def _side(side: Side) -> str:
    return " ".join(part for part in (side.mean, side.correct, side.interval) if part)


def _table(headings: Sequence[object], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    rule = ["---", *("---:" for _ in headings[1:])]
    yield _table_row(headings)
    yield _table_row(rule)
    yield from map(_table_row, rows)


def _table_row(entries: Sequence[object]) -> str:
    shown = (str(e) if set(str(e)) <= {"-", ":"} else escaped(str(e)) for e in entries)
    return f"| {' | '.join(shown)} |"


def _ordered(comparison: Comparison) -> list[Estimate]:
    """By group, then by metric, each in the order in which the outputs show them."""
    places = {name: place for place, name in enumerate(comparison.groups)}
    metrics = {name: place for place, name in enumerate(cells.ordered_metrics(comparison))}
    return sorted(comparison.estimates, key=lambda e: (places[e.group], metrics[e.metric]))


def _row(estimate: Estimate, difference: Difference | None, baseline: str) -> list[object]:
    row: list[object] = [
        estimate.group, estimate.metric, estimate.runs, estimate.images, estimate.mean,
        estimate.spread, estimate.interval.low, estimate.interval.high, estimate.correct, baseline,
    ]  # fmt: skip
    if difference is not None:
        needed = difference.needed
        row += [
            difference.difference, difference.interval.low, difference.interval.high,
            difference.p_value, difference.p_adjusted, difference.p_equivalence, difference.beats,
            difference.verdict.value, difference.about.value, difference.method,
        ]  # fmt: skip
        if needed is not None:
            row += [needed.effect, needed.runs, needed.images, needed.together]
    row += [None] * (len(_HEADINGS) - len(row))
    return [_without_nan(entry) for entry in row]


def _groups(compared: Compared) -> list[dict[str, Any]]:
    known = {group.name: group for group in compared.groups}
    return [
        {"name": name, **(_group(known[name]) if name in known else {})}
        for name in compared.comparison.groups
    ]


def _group(group: Group) -> dict[str, Any]:
    runs = [
        {"path": str(run.path), "seed": seed}
        for run, seed in zip(group.runs, group.seeds, strict=True)
    ]
    return {"recipe": group.recipe, "settings": group.settings, "runs": runs}


def _paths(compared: Compared, name: str) -> str:
    return ", ".join(
        str(run.path) for group in compared.groups if group.name == name for run in group.runs
    )


def _without_nan(value: Any) -> Any:
    """JSON knows neither NaN nor infinity."""
    if isinstance(value, dict):
        return {str(key): _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
