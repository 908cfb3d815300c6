"""A comparison on the terminal: the answer first, then the numbers behind it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from project.report.comparison import cells, text
from project.report.comparison.cells import Cell, Line, Side
from project.report.comparison.text import Compared
from project.stats.results import Comparison, Difference, Verdict

STYLES: Mapping[Verdict, str] = {
    Verdict.BETTER: "bold green",
    Verdict.WORSE: "bold red",
    Verdict.EQUIVALENT: "cyan",
    Verdict.NOT_SHOWN: "dim",
}
_GAP = 2  # between two columns
_MIN_NAME_WIDTH = 12  # longer names continue on a second line
# Beyond these all but the largest differences that are shown are left to the files.
_MOST_ROWS_OF_OVERVIEW = 100
_MOST_ROWS_OF_VARIANTS = 200  # of all their tables together
_MOST_SHOWN_IN_OVERVIEW = 30
_MOST_SHOWN_OF_A_VARIANT = 10
_MOST_QUESTIONS = 4


class _Layout(NamedTuple):
    """What a table has room for.

    Attributes:
        images: A column of images, and verdicts in full.
        beats: A column of chances.
        gap: What stands between a number and its interval: narrow tables put it below.
    """

    images: bool
    beats: bool
    gap: str


_LAYOUTS = (
    _Layout(True, True, " "),
    _Layout(False, True, " "),
    _Layout(False, False, " "),
    _Layout(False, False, "\n"),
)


def print_comparison(compared: Compared, console: Console) -> None:
    """Prints the answer, an overview, a table for each variant and how to read them.

    Args:
        compared: What was found.
        console: Where to print.
    """
    comparison = compared.comparison
    _print_head(compared, console)
    _print_findings(compared, console)
    if len(comparison.variants) > 1:
        _print_overview(comparison, console)
    for variant in comparison.variants:
        _print_variant(comparison, variant, console)
        _print_questions(comparison, variant, console)
    console.print()
    for line in text.how_to_read(comparison):
        _print_item(Text(line, "dim"), console)


def overview_tables(comparison: Comparison, metrics: Sequence[str], width: int) -> list[Table]:
    """Differences of all variants, as many side by side as there is room for.

    Args:
        comparison: All groups.
        metrics: The rows.
        width: Columns of the terminal.

    Returns:
        Tables with a row a metric and a column a variant.
    """
    every = cells.overview(comparison)
    rows = {metric: every[metric] for metric in metrics}
    names = max(_MIN_NAME_WIDTH, *(cell_len(cells.title(metric)) for metric in rows))
    each = max(1, (width - min(names, width // 4)) // (_widest(rows) + _GAP))
    count = len(comparison.variants)
    return [
        _overview_table(comparison, rows, range(start, min(start + each, count)))
        for start in range(0, count, each)
    ]


def variant_table(lines: Sequence[Line], width: int) -> Table:
    """One variant beside the baseline.

    Args:
        lines: What is known of the variant.
        width: Columns of the terminal. Narrow ones get shorter words and fewer columns.

    Returns:
        A table with a row a metric.
    """
    for layout in _LAYOUTS:
        counted = any(line.baseline.correct or line.variant.correct for line in lines)
        headings = _headings(layout, counted)
        rows = [_entries(line, layout, counted) for line in lines]
        if _needed_width([headings, *rows]) <= width:
            break
    table = _table(headings[0])
    for heading in headings[1:-1]:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column(headings[-1], no_wrap=True)
    for line, row in zip(lines, rows, strict=True):
        table.add_row(*map(Text, row[:-1]), Text(row[-1], STYLES[line.verdict]))
    return table


def _print_head(compared: Compared, console: Console) -> None:
    console.print(Text.assemble((compared.name, "bold"), f": {text.size(compared)}"))
    for place, group in enumerate(text.described(compared)):
        role = "baseline" if place == 0 else "variant "
        line = Text.assemble((role, "dim"), f" {group.name}  ", (group.runs, "dim"))
        room = console.width - 4 - line.cell_len
        if group.settings and room > _MIN_NAME_WIDTH:
            settings = Text(f" · {group.settings}", "dim")
            settings.truncate(room, overflow="ellipsis")
            line += settings
        _print_item(line, console)


def _print_findings(compared: Compared, console: Console) -> None:
    """Sentences that are broken where the verdict changes, so that the eye finds them."""
    for finding in text.findings(compared.comparison):
        console.print()
        console.print(Text(f"{finding.subject}:", "bold"))
        for verdict, words in finding.parts:
            _print_item(Text(f"{cells.MARKS[verdict]} {words}", STYLES[verdict]), console)
    remarks = list(filter(None, [text.caution(compared.comparison), *compared.notes]))
    if remarks:
        console.print()
    for remark in remarks:
        _print_item(Text(remark, "yellow"), console)


def _print_overview(comparison: Comparison, console: Console) -> None:
    metrics = cells.ordered_metrics(comparison)
    if len(metrics) > _MOST_ROWS_OF_OVERVIEW:
        metrics = _telling(comparison, comparison.differences, _MOST_SHOWN_IN_OVERVIEW)
    for table in overview_tables(comparison, metrics, console.width):
        console.print()
        console.print(Text(f"Difference to {comparison.baseline}, percent points", "bold"))
        console.print(table)
    _print_left_out(comparison, metrics, console)


def _print_variant(comparison: Comparison, variant: str, console: Console) -> None:
    differences = [d for d in comparison.differences if d.variant == variant]
    metrics = cells.ordered_metrics(comparison)
    if len(metrics) * len(comparison.variants) > _MOST_ROWS_OF_VARIANTS:
        metrics = _telling(comparison, differences, _MOST_SHOWN_OF_A_VARIANT)
    titles = {cells.title(metric) for metric in metrics}
    lines = [line for line in cells.lines(comparison, variant) if line.metric in titles]
    runs = cells.runs(comparison)
    about = " - these trained models" if text.about_models(comparison, variant) else ""
    sides = (f"{name} (n={runs[name]})" for name in (variant, comparison.baseline))
    console.print()
    console.print(Text(" against ".join(sides) + about, "bold"))
    console.print(variant_table(lines, console.width))
    _print_left_out(comparison, metrics, console)


def _print_left_out(comparison: Comparison, metrics: Sequence[str], console: Console) -> None:
    if left_out := len(comparison.metrics) - len(metrics):
        _print_item(Text(f"{left_out} more metrics are in the files", "dim"), console)


def _print_questions(comparison: Comparison, variant: str, console: Console) -> None:
    questions = text.open_questions(comparison, variant)
    if questions:
        console.print()
    for question in questions[:_MOST_QUESTIONS]:
        _print_item(Text(question), console)
    if len(questions) > _MOST_QUESTIONS:
        more = f"{len(questions) - _MOST_QUESTIONS} more such sentences are in the files"
        _print_item(Text(more, "dim"), console)


def _print_item(item: Text, console: Console) -> None:
    """A sentence whose continuation lines are indented."""
    for place, line in enumerate(item.wrap(console, max(console.width - 4, 20))):
        line.rstrip()
        console.print(Padding(line, (0, 0, 0, 2 if place == 0 else 4), expand=False))


def _telling(comparison: Comparison, differences: Sequence[Difference], most: int) -> list[str]:
    """The headline, the metrics of all images, and those of the largest differences shown."""
    shown = [d for d in differences if d.verdict in (Verdict.BETTER, Verdict.WORSE)]
    largest = sorted(shown, key=lambda d: -abs(d.difference))
    kept = list(dict.fromkeys(d.metric for d in largest))[:most]
    kept.append(comparison.headline)
    metrics = cells.ordered_metrics(comparison)
    return [metric for metric in metrics if metric in kept or "/" not in metric]


def _overview_table(
    comparison: Comparison, rows: Mapping[str, Sequence[Cell]], columns: range
) -> Table:
    table = _table("metric")
    for column in columns:
        name = comparison.variants[column]
        if cell_len(name) > _widest(rows):
            name = name.replace(",", ",\n")  # between overrides rather than within them
        table.add_column(Text(name), overflow="fold", min_width=_widest(rows))
    for metric, row in rows.items():
        shown = [Text(cells.marked(row[column]), STYLES[row[column].verdict]) for column in columns]
        table.add_row(Text(cells.title(metric)), *shown)
    return table


def _widest(rows: Mapping[str, Sequence[Cell]]) -> int:
    return max(cell_len(cells.marked(cell)) for row in rows.values() for cell in row)


def _table(first: str) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(first, min_width=_MIN_NAME_WIDTH, overflow="fold")
    return table


def _headings(layout: _Layout, counted: bool) -> list[str]:
    images = ["images"] if layout.images and not counted else []
    p_heading = "p (Holm)" if layout.images else "p"
    beats = ["beats"] if layout.beats else []
    numbers = ["baseline %", "variant %", "difference", p_heading]
    return ["metric", *images, *numbers, *beats, "verdict"]


def _entries(line: Line, layout: _Layout, counted: bool) -> list[str]:
    """What a row shows; counts tell the images already."""
    images = [line.images] if layout.images and not counted else []
    sides = (_side(side, counted, layout.gap) for side in (line.baseline, line.variant))
    difference = f"{line.difference}{layout.gap}{line.interval}".rstrip()
    beats = [line.beats] if layout.beats else []
    verdict = line.verdict.value if layout.images else cells.word(line.verdict)
    return [line.metric, *images, *sides, difference, line.p_value, *beats, verdict]


def _side(side: Side, counted: bool, gap: str) -> str:
    """Mean and spread; where images were counted, the count with its interval instead."""
    if not counted:
        return side.mean
    return f"{side.correct or side.mean}{gap}{side.interval}".rstrip()


def _needed_width(rows: Sequence[Sequence[str]]) -> int:
    """Columns of the terminal that a table takes with the shortest names."""
    columns = list(zip(*rows, strict=True))[1:]
    widths = (max(cell_len(part) for e in column for part in e.split("\n")) for column in columns)
    return _MIN_NAME_WIDTH + sum(width + _GAP for width in widths)
