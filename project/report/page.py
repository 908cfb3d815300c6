"""The page about a run, one file that needs nothing else."""

import base64
import io
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from project.report import figures, scores
from project.runs.atomic import write_text
from project.runs.directory import RunDirectory
from project.runs.predictions import read_predictions
from project.runs.record import RunRecord, read_record

_CSS_DOTS_PER_INCH = 96


class Picture(NamedTuple):
    """A figure as part of the page: its caption, its content and its width in CSS pixels."""

    caption: str
    source: str
    width: int


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
    page = _environment().get_template("page.html.j2").render(
        record=record,
        scores=scores,
        split=scores.measured_split(record),
        figures=[_picture(run, name) for name in names],
        config=_text(run.config_file),
    )  # fmt: skip
    write_text(run.report_file, page)
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


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,  # class names and messages hold what users typed
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = scores.percent
    environment.filters["duration"] = scores.duration
    return environment


def _picture(run: RunDirectory, name: str) -> Picture:
    data = run.figure(name).read_bytes()
    with Image.open(io.BytesIO(data)) as image:
        width = round(image.width * _CSS_DOTS_PER_INCH / figures.DOTS_PER_INCH)
    source = "data:image/png;base64," + base64.b64encode(data).decode("ascii")
    return Picture(_caption(name), source, width)


def _caption(name: str) -> str:
    if name == "curves":
        return "Over the epochs, counted from 0"
    return f"Confusion matrix of the {name.removeprefix('confusion_')} split"


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.is_file() else ""
