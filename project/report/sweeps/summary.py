"""A sweep when it has ended: every job, why some failed, repeats in one row, what to do next."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from project.atomic import write_text
from project.errors import RunError
from project.report.scores import NOT_DEFINED, percent
from project.report.sweeps.table import STYLES, column, empty_table
from project.report.sweeps.words import (
    best_value,
    decimals,
    failure,
    how_far,
    labels,
    last_words,
    printable,
    reached,
    seconds_taken,
    span,
    told_apart,
)
from project.runs.sweeps import JobStatus, SweepDirectory, SweepFacts

if TYPE_CHECKING:
    from project.report.sweeps.recipes import RecipeResult

_MOST_FAILURES = 10  # of different kinds; the files name all


def summarize(
    sweep: SweepDirectory, facts: SweepFacts, jobs: Sequence[JobStatus], console: Console
) -> None:
    """Prints how a sweep went and writes ``summary.md``, ``.csv`` and ``.json`` into its folder.

    A run that is damaged, or a disk that is full, is said and costs the tables alone.

    Args:
        sweep: The sweep.
        facts: What it is.
        jobs: All jobs, in the order of the sweep.
        console: Where to print.
    """
    print_jobs(jobs, facts, console)
    print_failures(jobs, console)
    results: Sequence[RecipeResult] = []
    try:
        results = _with_repeats(sweep, facts, jobs, console)
    except RunError as error:  # how the sweep ended has been said, and must not be hidden
        console.print(Text(f"\nThe summary is not complete: {printable(str(error))}", "yellow"))
    console.print()
    for hint in hints(sweep, jobs, comparable=_are_comparable(results)):
        console.print(Text(hint), soft_wrap=True)  # a command that is broken cannot be copied


def _with_repeats(
    sweep: SweepDirectory, facts: SweepFacts, jobs: Sequence[JobStatus], console: Console
) -> "Sequence[RecipeResult]":
    """Prints repeats of recipes and writes the files."""
    # Heavy, and only needed once all jobs have ended.
    from project.report.sweeps.files import as_csv, as_json, as_markdown  # noqa: PLC0415
    from project.report.sweeps.recipe_table import print_recipes  # noqa: PLC0415
    from project.report.sweeps.recipes import recipe_results  # noqa: PLC0415

    results = recipe_results((job.run for job in jobs if _is_finished(job)), facts.headline)
    if results:
        print_recipes(results, console, facts.headline)
    write_text(sweep.path / "summary.md", as_markdown(sweep, facts, jobs, results))
    write_text(sweep.path / "summary.csv", as_csv(facts, results))
    write_text(sweep.path / "summary.json", as_json(facts, jobs, results))
    return results


def print_jobs(jobs: Sequence[JobStatus], facts: SweepFacts, console: Console) -> None:
    """Prints a row for each job.

    Args:
        jobs: In the order of the sweep.
        facts: What the sweep is.
        console: Where to print.
    """
    console.print(Text(how_far(jobs), "bold"))
    monitor = facts.monitor or "best"
    places = ["place"] if any(job.place for job in jobs) else []
    lead = column(facts.headline)
    table = empty_table("job", "overrides", "state", lead, monitor, "time", *places)
    for label, overrides, job in zip(labels(jobs), told_apart(jobs), jobs, strict=True):
        best = best_value(job)
        # What failed is told below.
        note = f"  {printable(job.note)}" if job.note and job.state != "failed" else ""
        table.add_row(
            label,
            Text.assemble(overrides, (note, "dim")),
            Text(job.state, STYLES[job.state]),
            percent(reached(job, facts.headline)),
            NOT_DEFINED if best is None else decimals(best),
            span(seconds_taken(job)),
            *([Text(printable(job.place))] if places else []),
        )
    console.print(table)


def print_failures(jobs: Sequence[JobStatus], console: Console) -> None:
    """Prints what went wrong: the error, the last lines that were printed and the directory.

    Args:
        jobs: In the order of the sweep. Those that failed alike are told once.
        console: Where to print.
    """
    kinds: dict[str, list[JobStatus]] = {}
    for job in jobs:
        if job.state == "failed":
            kinds.setdefault(failure(job), []).append(job)
    for told, alike in list(kinds.items())[:_MOST_FAILURES]:
        console.print()
        first = alike[0]
        more = f" and {len(alike) - 1} more" if len(alike) > 1 else ""
        head = Text(f"failed: {printable(first.name)}{more}", "bold red")
        console.print(head, soft_wrap=True)
        _print_below(told, "", console)
        _print_below(last_words(first), "dim", console)
        _print_below(str(first.run.path), "", console)
    if (rest := len(kinds) - _MOST_FAILURES) > 0:
        console.print(Text(f"\nand {rest} more kinds of failures, in summary.md"))


def hints(
    sweep: SweepDirectory, jobs: Sequence[JobStatus], *, comparable: bool = True
) -> list[str]:
    """Which commands go on from here.

    Args:
        sweep: The sweep.
        jobs: All jobs.
        comparable: Whether those that finished are of several recipes, tested on the same images.

    Returns:
        One line a command, its words fit to be pasted into a shell.
    """
    place = str(sweep.path)
    finished = sum(map(_is_finished, jobs))
    unfinished = [job for job in jobs if job.state not in ("finished", "pruned")]
    lines = []
    if finished >= 2 and comparable:
        command = shlex.join(["python", "-m", "project.compare", f"runs={place}"])
        lines.append(f"Which change helped: {command}")
    if unfinished:
        command = shlex.join(["python", "-m", "project.sweep", "retry", f"dir={place}"])
        lines.append(f"What is not finished: {command}")
    if (tables := Path(place) / "summary.md").is_file():
        lines.append(f"Tables: {tables}")
    return lines


def _are_comparable(results: Sequence["RecipeResult"]) -> bool:
    """No repeats at all means that each run is of a recipe of its own."""
    folds = {trained.fold for result in results for trained in result.repeats.runs}
    return len(results) != 1 and len(folds) <= 1


def _is_finished(job: JobStatus) -> bool:
    return job.state == "finished"


def _print_below(text: str, style: str, console: Console) -> None:
    for line in text.splitlines():
        console.print(Text(f"  {line}", style), soft_wrap=True)
