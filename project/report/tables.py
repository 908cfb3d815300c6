"""The result of a run on the terminal."""

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from project.report.metrics import leading, title
from project.report.scores import (
    best_epoch,
    class_scores,
    measured_split,
    measured_tests,
    percent,
    side_by_side,
    skipped,
    started_from,
    value_of,
    worst_text,
)
from project.runs.directory import RunDirectory
from project.runs.record import RunRecord

# Names are wrapped to what the numbers leave, but not below this: narrower is no longer a name.
_MIN_NAME_WIDTH = 12


def class_table(record: RunRecord, split: str = "test") -> Table:
    """Tabulates how well each class was recognised.

    Args:
        record: The run.
        split: Where the classes were measured.

    Returns:
        A table with a row a class. Longer names continue on a second line.
    """
    widest = max((Text(name).cell_len for name in record.classes), default=0)
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("class", min_width=min(widest, _MIN_NAME_WIDTH), overflow="fold")
    for heading in ("train\nimages", f"{split}\nimages", "recall", "correct", "precision", "F1"):
        table.add_column(heading, justify="right", no_wrap=True)
    for score in class_scores(record, split):
        table.add_row(
            Text(score.name),  # as text: brackets in a name are no markup
            str(score.train_images),
            str(score.images),
            percent(score.recall),
            score.correct,
            percent(score.precision),
            percent(score.f1),
        )
    return table


def side_by_side_table(record: RunRecord) -> Table | None:
    """Tabulates what was reached in each test, side by side.

    Args:
        record: The run.

    Returns:
        A table with a column a test; None where there is only one.
    """
    rows = side_by_side(record)
    if not rows:
        return None
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("test set", min_width=_MIN_NAME_WIDTH, overflow="fold")
    for split in measured_tests(record):
        table.add_column(Text(split, overflow="fold"), justify="right", overflow="fold")
    for heading, cells in rows:
        table.add_row(Text(heading), *cells)
    return table


def summary(record: RunRecord, run: RunDirectory, split: str = "test") -> list[tuple[str, str]]:
    """Says in a few lines how the run went.

    Args:
        record: The run.
        run: Where it is kept.
        split: Where it was measured.

    Returns:
        Pairs of a heading and what there is to say; the headline comes first, the run directory
        last.
    """
    lines = [
        (title(metric, " of "), percent(value_of(record, split, metric)))
        for metric in leading(record)
    ]
    lines += [("worst test", worst_text(record))]
    lines += [("best epoch", best_epoch(record)), ("skipped", skipped(record))]
    lines += [("started from", started_from(record))]
    lines += [("warning", message) for message in record.messages]
    lines += [("diagnosis", found.sentence) for found in record.diagnoses]
    if record.state != "finished":
        lines.append(("state", f"{record.state}: what is above may be incomplete"))
    lines.append(("run directory", str(run.path)))
    return [(heading, text) for heading, text in lines if text]


def print_result(record: RunRecord, run: RunDirectory, console: Console) -> None:
    """Prints the tables and the summary.

    Args:
        record: The run.
        run: Where it is kept.
        console: Where to print.
    """
    split = measured_split(record)
    console.print(class_table(record, split))
    console.print()
    if (table := side_by_side_table(record)) is not None:
        console.print(table)
        console.print()
    lines = summary(record, run, split)
    width = max(cell_len(heading) for heading, _ in lines)
    for heading, text in lines:
        # Soft: a path that is broken into lines cannot be copied.
        gap = " " * (width - cell_len(heading) + 2)
        console.print(Text(f"{heading}{gap}{text}"), soft_wrap=True)
