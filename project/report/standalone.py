"""Pages that are one file and need nothing else."""

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from project.report import scores
from project.report.figures import DOTS_PER_INCH

_CSS_DOTS_PER_INCH = 96


class Picture(NamedTuple):
    """A figure as part of the page: its caption, its content and its width in CSS pixels."""

    caption: str
    source: str
    width: int


def picture(path: Path, caption: str) -> Picture:
    """Takes a figure into a page.

    Args:
        path: A PNG file of `project.report.figures.save`.
        caption: What it shows.

    Returns:
        The figure with its content as a data URI.
    """
    data = path.read_bytes()
    with Image.open(io.BytesIO(data)) as image:
        width = round(image.width * _CSS_DOTS_PER_INCH / DOTS_PER_INCH)
    source = "data:image/png;base64," + base64.b64encode(data).decode("ascii")
    return Picture(caption, source, width)


def breakable(text: str) -> Markup:
    """Lets a name that is made of overrides continue on the next line after each of them.

    Args:
        text: Any text; it is escaped.

    Example:
        >>> breakable("sampler=natural,seed=<1>")
        Markup('sampler=natural,<wbr>seed=&lt;1&gt;')
    """
    return Markup(",<wbr>").join(text.split(","))


def rendered(template: str, context: Mapping[str, Any]) -> str:
    """Fills in a page.

    Args:
        template: Name of a file beside this module.
        context: What it shows. Text is escaped.

    Returns:
        The page.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,  # class names and messages hold what users typed
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = scores.percent
    environment.filters["duration"] = scores.duration
    environment.filters["breakable"] = breakable
    return environment.get_template(template).render(context)
