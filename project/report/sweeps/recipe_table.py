"""Repeats of recipes on the terminal."""

import math
from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from project.report.metrics import title
from project.report.sweeps.recipes import (
    RecipeResult,
    metric_names,
    recall_names,
    recall_of,
    shown,
)
from project.report.sweeps.words import printable
from project.runs.record import HEADLINE

HOW_TO_READ = (
    "Percent; mean ± standard deviation over the runs. Recalls count each test once, their 95 % "
    "intervals each image once: they are about images alone, not about training again."
)
_GAP = 2  # between two columns
_NAME_WIDTH = 24  # longer names continue on a second line, where there is no room
_MOST_CLASSES = 12  # beyond these only the lowest recalls are shown; the files have all

_Column = tuple[str, list[str]]


def print_recipes(
    results: Sequence[RecipeResult], console: Console, headline: str = HEADLINE
) -> None:
    """Prints a row for each recipe, in as many tables as the width of the terminal asks for.

    Args:
        results: The recipes.
        console: Where to print.
        headline: The metric that comes first.
    """
    console.print()
    console.print(Text(f"Repeats, {results[0].split} images", "bold"))
    names = [printable(result.repeats.name) for result in results]
    widest = min(max(map(cell_len, names)), max(_NAME_WIDTH, console.width // 4))
    columns = list(_columns(results, headline))
    for part in _fitting(columns, console.width - widest):
        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
        table.add_column("recipe", min_width=widest, overflow="fold")
        for heading, _ in part:
            table.add_column(Text(heading), justify="right", no_wrap=True)
        for row, name in enumerate(names):
            table.add_row(Text(name), *(Text(entries[row]) for _, entries in part))
        console.print(table)
    hidden = len(metric_names(results, headline)) - len(columns) + 1  # which has the runs, too
    if hidden:
        console.print(Text(f"{hidden} more classes, with higher recalls, are in the files", "dim"))
    for remark in dict.fromkeys(remark for result in results for remark in result.remarks):
        console.print(Text(remark, "yellow"))
    console.print(Text(HOW_TO_READ, "dim"))


def _columns(results: Sequence[RecipeResult], headline: str) -> Iterator[_Column]:
    yield "runs", [result.runs for result in results]
    lowest = sorted(recall_names(results), key=lambda name: _lowest(results, name))
    hidden = {f"recall/{name}" for name in lowest[_MOST_CLASSES:]} - {headline}
    for metric in metric_names(results, headline):
        if metric not in hidden:
            yield printable(title(metric)), [shown(result, metric) for result in results]


def _lowest(results: Sequence[RecipeResult], name: str) -> float:
    found = [recall_of(result, name) for result in results]
    shares = (recall.correct / recall.tested for recall in found if recall and recall.tested)
    return min(shares, default=math.inf)  # nothing was tested: nothing is weak


def _fitting(columns: Sequence[_Column], room: int) -> Iterator[list[_Column]]:
    """As many columns side by side as there is room for beside the names."""
    part: list[_Column] = []
    used = 0
    for heading, entries in columns:
        needed = _GAP + max(map(cell_len, [heading, *entries]))
        if part and used + needed > room:
            yield part
            part, used = [], 0
        part.append((heading, entries))
        used += needed
    yield part
