"""The page about a run, one file that needs nothing else."""

from pathlib import Path

from project.atomic import write_text
from project.report import figures, scores
from project.report.metrics import heading, leading
from project.report.standalone import picture, rendered
from project.runs.directory import RunDirectory
from project.runs.predictions import read_predictions
from project.runs.record import RunRecord, read_record


def write_report(run: RunDirectory) -> Path:
    """Draws the figures of a run and writes its page.

    Works on any run that has begun: what a failed run lacks is left out.

    Args:
        run: The run.

    Returns:
        The page's path.

    Raises:
        RunError: There is no record, something has been damaged, or it cannot be written.
    """
    record = read_record(run)
    names = write_figures(run, record)
    context = {
        "record": record,
        "scores": scores,
        "heading": heading,
        "leading": leading(record),
        "split": scores.measured_split(record),
        "figures": [picture(run.figure(name), _caption(name)) for name in names],
        "config": _text(run.config_file),
    }
    write_text(run.report_file, rendered("page.html.j2", context))
    return run.report_file


def write_figures(run: RunDirectory, record: RunRecord) -> list[str]:
    """Draws the curves, and a confusion matrix for each split with predictions.

    Args:
        run: The run.
        record: Its record.

    Returns:
        The names of the figures that there was something to draw for.

    Raises:
        RunError: Predictions have been damaged, or a figure cannot be written.
    """
    drawn = []
    if run.metrics_file.is_file():
        best_epoch = record.best.epoch if record.best else None
        figures.save(figures.curves(run.metrics_file, best_epoch), run.figure("curves"))
        drawn.append("curves")
    for split in run.predicted_splits:
        said = read_predictions(run, split)
        matrix = figures.confusion_matrix(said.labels, said.predicted, len(said.classes))
        name = f"confusion_{split}"
        figures.save(figures.confusion(matrix, said.classes), run.figure(name))
        drawn.append(name)
    return drawn


def _caption(name: str) -> str:
    if name == "curves":
        return "Over the epochs, counted from 0"
    split = name.removeprefix("confusion_")
    what = "split" if split in ("train", "val", "test") else "set"
    return f"Confusion matrix of the {split} {what}"


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.is_file() else ""
