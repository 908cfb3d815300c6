"""The summary of a sweep as files that people and programs read: Markdown, CSV, JSON."""

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from project.report.comparison.files import escaped
from project.report.metrics import title
from project.report.scores import percent
from project.report.sweeps.recipe_table import HOW_TO_READ
from project.report.sweeps.recipes import RecipeResult, counted, metric_names, shown
from project.report.sweeps.words import (
    best_value,
    decimals,
    failure,
    how_far,
    last_words,
    printable,
    reached,
    seconds_taken,
    span,
    told_apart,
)
from project.runs.sweeps import JobStatus, SweepDirectory, SweepFacts

# Raised when a key changes its meaning or disappears, so that programs can tell.
FORMAT = 1
_HEADINGS = (
    "recipe", "metric", "runs", "mean", "deviation", "correct", "tested", "images", "low", "high"
)  # fmt: skip


def as_markdown(
    sweep: SweepDirectory,
    facts: SweepFacts,
    jobs: Sequence[JobStatus],
    results: Sequence[RecipeResult],
) -> str:
    """Jobs, repeats and failures, for GitHub and its like."""
    lines = [f"# {escaped(sweep.path.name)}", "", f"{how_far(jobs)}.", ""]
    lines += [*_repeats(facts, results), *_jobs(facts, jobs), *_failures(jobs)]
    return "\n".join(lines) + "\n"


def as_csv(facts: SweepFacts, results: Sequence[RecipeResult]) -> str:
    """A row for each recipe and metric: full precision, empty where there is no number."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_HEADINGS)
    for result in results:
        name, runs = result.repeats.name, len(result.repeats.runs)
        for metric in metric_names([result], facts.headline):
            writer.writerow([name, metric, runs, *_numbers(result, metric)])
    return stream.getvalue()


def as_json(facts: SweepFacts, jobs: Sequence[JobStatus], results: Sequence[RecipeResult]) -> str:
    """Everything, with the metrics of each job; what is not defined is null."""
    plain = {
        "format": FORMAT,
        "command": facts.command,
        "monitor": facts.monitor,
        "monitor_mode": facts.monitor_mode,
        "headline": facts.headline,
        "jobs": [_job(job) for job in jobs],
        "recipes": [_recipe(result) for result in results],
    }
    return json.dumps(_defined(plain), ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def _repeats(facts: SweepFacts, results: Sequence[RecipeResult]) -> Iterator[str]:
    if not results:
        return
    metrics = metric_names(results, facts.headline)
    yield from (f"## Repeats, {results[0].split} images", "")
    headings = ["recipe", "runs", *map(title, metrics)]
    rows = [
        [result.repeats.name, result.runs, *(shown(result, metric) for metric in metrics)]
        for result in results
    ]
    yield from _table(headings, rows)
    remarks = dict.fromkeys(remark for result in results for remark in result.remarks)
    yield from ("", *(f"- {escaped(line)}" for line in [*remarks, HOW_TO_READ]), "")


def _jobs(facts: SweepFacts, jobs: Sequence[JobStatus]) -> Iterator[str]:
    yield from ("## Jobs", "")
    lead, best = title(facts.headline), facts.monitor or "best"
    headings = ["job", "state", lead, best, "time", "directory"]
    rows = [
        [
            overrides, job.state, percent(reached(job, facts.headline)),
            decimals(best_value(job)), span(seconds_taken(job)), job.run.path.name,
        ]
        for overrides, job in zip(told_apart(jobs), jobs, strict=True)
    ]  # fmt: skip
    yield from _table(headings, rows)


def _failures(jobs: Sequence[JobStatus]) -> Iterator[str]:
    failed = [job for job in jobs if job.state == "failed"]
    if failed:
        yield from ("", "## Failures")
    for job in failed:
        yield from ("", f"### {escaped(printable(job.name))}", "", escaped(failure(job)))
        if words := last_words(job):
            fence = "~" * (3 + words.count("~"))  # longer than any in the words
            yield from ("", f"{fence}text", words, fence)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(map(escaped, headings))} |"
    yield f"|{' --- |' * len(headings)}"
    yield from (f"| {' | '.join(map(escaped, row))} |" for row in rows)


def _job(job: JobStatus) -> dict[str, Any]:
    record = job.record
    return {
        "name": job.name,
        "directory": str(job.run.path),
        "overrides": list(job.overrides),
        "state": job.state,
        "seed": record.seed if record else None,
        "best": asdict(record.best) if record and record.best else None,
        "metrics": record.metrics if record else {},
        "seconds": record.seconds if record else {},
        "error": asdict(record.error) if record and record.error else None,
    }


def _recipe(result: RecipeResult) -> dict[str, Any]:
    return {
        "name": result.repeats.name,
        "split": result.split,
        "runs": [
            {"directory": str(trained.run.path), "seed": trained.seed, "fold": trained.fold}
            for trained in result.repeats.runs
        ],
        "metrics": {name: asdict(spread) for name, spread in result.metrics.items()},
        "recalls": [asdict(recall) for recall in result.recalls],
        "remarks": list(result.remarks),
    }


def _numbers(result: RecipeResult, metric: str) -> list[float | None]:
    """What stands in the columns from ``mean`` on."""
    recall = counted(result, metric)
    if recall is None:
        spread = result.metrics[metric]
        return [_number(spread.mean), _number(spread.deviation), *[None] * 5]
    share = _number(recall.correct / recall.tested if recall.tested else math.nan)
    low, high = _number(recall.interval.low), _number(recall.interval.high)
    return [share, None, recall.correct, recall.tested, recall.images, low, high]


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _defined(value: Any) -> Any:
    """JSON knows neither NaN nor infinity."""
    if isinstance(value, dict):
        return {str(key): _defined(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_defined(entry) for entry in value]
    return _number(value) if isinstance(value, float) else value
