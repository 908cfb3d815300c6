"""The jobs of a sweep as a table, for as many lines as there are."""

import math
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from project.report.metrics import title
from project.report.scores import percent
from project.report.sweeps.words import (
    best_value,
    decimals,
    epoch,
    how_far,
    labels,
    printable,
    reached,
    roughly,
    seconds_left,
    seconds_taken,
    span,
    tally,
    told_apart,
)
from project.runs.record import HEADLINE
from project.runs.sweeps import JobState, JobStatus

STYLES: dict[JobState, str] = {
    "waiting": "dim",
    "running": "bold",
    "finished": "green",
    "failed": "bold red",
    "interrupted": "yellow",
    "pruned": "cyan",
}
_MIN_NAME_WIDTH = 12
_MOST_HEADING_WIDTH = 20
_LINES_BESIDES_JOBS = 7  # name, counts, monitor, headings and their rule, the rest, the cursor
# Where not all fit: what people look for comes first.
_URGENCY: tuple[JobState, ...] = (
    "running", "failed", "interrupted", "waiting", "finished", "pruned"
)  # fmt: skip
_WORTH_A_ROW = 3  # of these


def jobs_view(
    name: str,
    jobs: Sequence[JobStatus],
    monitor: str,
    height: int | None = None,
    headline: str = HEADLINE,
) -> Group:
    """How far a sweep is: counts, then a row a job.

    Args:
        name: The sweep's name.
        jobs: In the order of the sweep.
        monitor: Metric that decides which epoch is best; may be empty.
        height: Lines that there are. Given, jobs that run or failed come before others, which are
            counted where there is no room, and no row takes more than a line.
        headline: Metric that is shown once a job has reached it.

    Returns:
        What rich can print.
    """
    shown = jobs if height is None else _chosen(jobs, max(height - _LINES_BESIDES_JOBS, 1))
    lines = [Text(printable(name), "bold"), Text(how_far(jobs))]
    if monitor:
        lines.append(Text(f"best: {monitor}", "dim"))
    for line in lines:
        line.no_wrap, line.overflow = height is not None, "ellipsis"
    parts: list[RenderableType] = [*lines]
    kept = {job.name for job in shown}
    parts.append(_table(jobs, kept, headline, one_line=height is not None))
    if len(shown) < len(jobs):
        rest = [job for job in jobs if job.name not in kept]
        more = Text(f"and {len(rest)} more: {tally(rest)}", "dim", no_wrap=True)
        parts.append(more)
    return Group(*parts)


def column(headline: str) -> Text:
    """Heading of the column of a metric; of a long name of a class its beginning."""
    heading = Text(printable(title(headline)))  # as text: brackets are no markup
    heading.truncate(_MOST_HEADING_WIDTH, overflow="ellipsis")
    return heading


def empty_table(*headings: str | Text) -> Table:
    """A table of jobs whose second column, of names, gets the room that the others leave.

    Args:
        headings: Of its columns. Numbers and words stand whole; names may be broken.
    """
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for place, heading in enumerate(headings):
        if place == 1:
            table.add_column(heading, min_width=_MIN_NAME_WIDTH, overflow="fold")
        else:
            table.add_column(heading, justify="left" if place == 2 else "right", no_wrap=True)
    return table


def _chosen(jobs: Sequence[JobStatus], room: int) -> list[JobStatus]:
    """Those that are shown, in the order of the sweep."""
    if len(jobs) <= room:
        return list(jobs)
    telling = [job for job in jobs if job.state in _URGENCY[:_WORTH_A_ROW]]
    # Of several that failed, the latest are of interest.
    telling.reverse()
    urgent = sorted(telling, key=lambda job: _URGENCY.index(job.state))[:room]
    kept = {job.name for job in urgent}
    return [job for job in jobs if job.name in kept]


def _table(jobs: Sequence[JobStatus], shown: set[str], headline: str, *, one_line: bool) -> Table:
    values = {job.name: reached(job, headline) for job in jobs}
    known = not all(map(math.isnan, values.values()))
    lead = [column(headline)] if known else []
    rest = ("place", "epoch", "best", "time", "left")
    table = empty_table("job", "overrides", "state", *lead, *rest)
    for label, overrides, job in zip(labels(jobs), told_apart(jobs), jobs, strict=True):
        if job.name not in shown:
            continue
        best, value = best_value(job), values[job.name]
        note = f"  {printable(job.note)}" if job.note else ""
        named = Text.assemble(overrides, (note, "dim"))  # as text: brackets are no markup
        if one_line:
            named.no_wrap, named.overflow = True, "ellipsis"
        table.add_row(
            label,
            named,
            Text(job.state, STYLES[job.state]),
            *(["" if math.isnan(value) else percent(value)] if known else []),
            Text(printable(job.place) if job.state == "running" else ""),
            epoch(job),
            "" if best is None else decimals(best),
            span(seconds_taken(job)),
            "" if (left := seconds_left(job)) is None else roughly(left),
        )
    return table
