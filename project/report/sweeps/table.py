"""The jobs of a sweep as a table, for as many lines as there are."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from project.report.sweeps.words import (
    best_value,
    decimals,
    epoch,
    headline,
    labels,
    printable,
    roughly,
    seconds_left,
    seconds_taken,
    span,
    tally,
    told_apart,
)
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
_LINES_BESIDES_JOBS = 7  # name, counts, monitor, headings and their rule, the rest, the cursor
# Where not all fit: what people look for comes first.
_URGENCY: tuple[JobState, ...] = (
    "running", "failed", "interrupted", "waiting", "finished", "pruned"
)  # fmt: skip
_WORTH_A_ROW = 3  # of these


def jobs_view(
    name: str, jobs: Sequence[JobStatus], monitor: str, height: int | None = None
) -> Group:
    """How far a sweep is: counts, then a row a job.

    Args:
        name: The sweep's name.
        jobs: In the order of the sweep.
        monitor: Metric that decides which epoch is best; may be empty.
        height: Lines that there are. Given, jobs that run or failed come before others, which are
            counted where there is no room, and no row takes more than a line.

    Returns:
        What rich can print.
    """
    shown = jobs if height is None else _chosen(jobs, max(height - _LINES_BESIDES_JOBS, 1))
    lines = [Text(printable(name), "bold"), Text(headline(jobs))]
    if monitor:
        lines.append(Text(f"best: {monitor}", "dim"))
    for line in lines:
        line.no_wrap, line.overflow = height is not None, "ellipsis"
    parts: list[RenderableType] = [*lines]
    parts.append(_table(jobs, {job.name for job in shown}, one_line=height is not None))
    if len(shown) < len(jobs):
        names = {job.name for job in shown}
        rest = [job for job in jobs if job.name not in names]
        more = Text(f"and {len(rest)} more: {tally(rest)}", "dim", no_wrap=True)
        parts.append(more)
    return Group(*parts)


def empty_table(*headings: str) -> Table:
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


def _table(jobs: Sequence[JobStatus], shown: set[str], *, one_line: bool) -> Table:
    table = empty_table("job", "overrides", "state", "place", "epoch", "best", "time", "left")
    for label, overrides, job in zip(labels(jobs), told_apart(jobs), jobs, strict=True):
        if job.name not in shown:
            continue
        best = best_value(job)
        note = f"  {printable(job.note)}" if job.note else ""
        named = Text.assemble(overrides, (note, "dim"))  # as text: brackets are no markup
        if one_line:
            named.no_wrap, named.overflow = True, "ellipsis"
        table.add_row(
            label,
            named,
            Text(job.state, STYLES[job.state]),
            Text(printable(job.place) if job.state == "running" else ""),
            epoch(job),
            "" if best is None else decimals(best),
            span(seconds_taken(job)),
            "" if (left := seconds_left(job)) is None else roughly(left),
        )
    return table
