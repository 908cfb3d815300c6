"""The directory of a comparison: its files, its figures and the page about it."""

from pathlib import Path
from typing import Any

from project.atomic import write_bytes
from project.report.comparison import cells, text
from project.report.comparison import figures as draw
from project.report.comparison.files import as_csv, as_json, as_markdown
from project.report.comparison.text import Compared
from project.report.figures import save
from project.report.standalone import picture, rendered

__all__ = ["Compared", "write_comparison"]

_MOST_OPEN_LINES = 60  # of all tables together; with more, tables wait to be opened
_DIFFERENCES = "Differences to the baseline. Bars are intervals; the shaded band is the margin."
_RECALLS = "Recall by class, with intervals"
_CURVES = "Learning curves: means over the runs, and what the runs span"


def write_comparison(compared: Compared, directory: Path) -> list[Path]:
    """Writes ``comparison.{md,csv,json,html}`` and the figures.

    Args:
        compared: What was found.
        directory: Where to; made if need be. Earlier files are replaced.

    Returns:
        The files, the page last: whoever sees it finds everything else.

    Raises:
        RunError: The disk is full, or the place cannot be written.
    """
    figures = _write_figures(compared, directory)
    relative = {
        path.relative_to(directory).as_posix(): caption for path, caption in figures.items()
    }
    contents = {
        "csv": as_csv(compared),
        "json": as_json(compared),
        "md": as_markdown(compared, relative),
        "html": _page(compared, figures),
    }
    files = [directory / f"comparison.{suffix}" for suffix in contents]
    for file, content in zip(files, contents.values(), strict=True):
        # Bytes of a file name that are no valid text become escapes, and survive.
        write_bytes(file, content.encode("utf-8", errors="backslashreplace"))
    return [*figures, *files]


def _write_figures(compared: Compared, directory: Path) -> dict[Path, str]:
    """Caption of each figure that there was something to draw for, by its path."""
    comparison = compared.comparison
    drawn = {
        "forest": (draw.forest(comparison), _DIFFERENCES),
        "recall": (draw.recalls(comparison), _RECALLS),
        "curves": (
            draw.learning(compared.groups, comparison.headline),
            _curves_caption(len(compared.groups)),
        ),
    }
    captions = {}
    for name, (figure, caption) in drawn.items():
        path = directory / "figures" / f"{name}.png"
        if figure is None:
            path.unlink(missing_ok=True)  # of an earlier comparison of the same name
            continue
        save(figure, path)
        captions[path] = caption
    return captions


def _curves_caption(groups: int) -> str:
    if groups <= draw.MOST_CURVES:
        return _CURVES
    return f"{_CURVES} (the first {draw.MOST_CURVES} of {groups} groups)"


def _page(compared: Compared, figures: dict[Path, str]) -> str:
    comparison = compared.comparison
    lines = {variant: cells.lines(comparison, variant) for variant in comparison.variants}
    context: dict[str, Any] = {
        "compared": compared,
        "comparison": comparison,
        "cells": cells,
        "text": text,
        "lines": lines,
        "open": sum(map(len, lines.values())) <= _MOST_OPEN_LINES,
        "counted": any(e.correct is not None for e in comparison.estimates),
        "pictures": {path.stem: picture(path, caption) for path, caption in figures.items()},
        "runs": {group.name: group for group in compared.groups},
    }
    return rendered("comparison.html.j2", context)
