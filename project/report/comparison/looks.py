"""How groups look in the figures of a comparison, and what names them there.

Groups differ in colour and marker, curves in colour and line style: colour is never alone.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from project.report.figures import shortened
from project.report.fonts import families_for

Dashes = Literal["-", "--", "-.", ":"]
Fill = Literal["full", "bottom", "none"]
Place = Literal["outside upper left", "outside lower left"]

GREY = "#666666"
# Okabe and Ito's palette without yellow, which is too light for thin lines. Black is the baseline.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
_DASHES: tuple[Dashes, ...] = ("-", "--", "-.", ":")
_LIMITS = (28, 44, 60)  # characters of a name
_LINE_WIDTH = 110  # characters of the legend's font that a figure is wide


class Look(NamedTuple):
    """How a group is drawn."""

    colour: str
    marker: str
    dashes: Dashes

    def marked(self, x: Sequence[float], y: Sequence[float], fill: Fill) -> Line2D:
        """Markers on a line of the group's colour; half full ones have their lower half full."""
        return Line2D(
            x, y, color=self.colour, marker=self.marker, markersize=6, linewidth=1.4,
            fillstyle="full" if fill == "none" else fill, markerfacecoloralt="white",
            markerfacecolor="white" if fill == "none" else self.colour,
        )  # fmt: skip


def look_at(place: int) -> Look:
    """The look of a group.

    Args:
        place: Of the group; 0 is the baseline. After 30 variants, a pair of colour and marker
            returns.
    """
    if place == 0:
        return Look("#000000", "o", "-")
    colour = _COLOURS[(place - 1) % len(_COLOURS)]
    return Look(colour, _MARKERS[place % len(_MARKERS)], _DASHES[place % len(_DASHES)])


def legend(
    figure: Figure,
    handles: Sequence[Line2D],
    names: Sequence[str],
    place: Place = "outside upper left",
) -> None:
    """Names what was drawn, above or below the axes.

    Args:
        figure: Where.
        handles: What was drawn.
        names: One a handle, in any script.
        place: Above or below.
    """
    shown = told_apart(names)
    columns = max(1, min(4, _LINE_WIDTH // (max(map(len, shown)) + 8)))
    drawn = figure.legend(
        handles, [str(number) for number in range(len(handles))], loc=place,
        ncols=columns, frameon=False, fontsize="small",
    )  # fmt: skip
    # Set afterwards: matplotlib takes a name that starts with an underscore for one to leave out,
    # and dollars for formulas.
    families = families_for(shown)
    for text, name in zip(drawn.get_texts(), shown, strict=True):
        text.set(parse_math=False, fontfamily=families)
        text.set_text(name)


def told_apart(names: Sequence[str]) -> list[str]:
    """Shortens names, but not so far that two become one: variants often differ in the middle.

    Args:
        names: What must be told apart.

    Example:
        >>> told_apart(["outer", "a very long name of a class of photos"])
        ['outer', 'a very long n…ass of photos']
    """
    short = (list(dict.fromkeys(shortened(name, limit) for name in names)) for limit in _LIMITS)
    return next((texts for texts in short if len(texts) == len(names)), list(names))
