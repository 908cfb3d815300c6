"""The 43 classes of GTSRB: what is painted on which plate, and how often each is seen."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from project.data.drawn.painting import box, oval
from project.data.drawn.plates import BLACK, GREY, RED, WHITE, YELLOW, Plate

Symbol = Callable[[Plate], None]

# Seven strokes of a digit, as on a pocket calculator, by their ends in a box of 1 x 2.
STROKES = [
    [(0, 0), (1, 0)], [(1, 0), (1, 1)], [(1, 1), (1, 2)], [(0, 2), (1, 2)],
    [(0, 1), (0, 2)], [(0, 0), (0, 1)], [(0, 1), (1, 1)],
]  # fmt: skip
DIGITS = {
    "0": (0, 1, 2, 3, 4, 5), "1": (1, 2), "2": (0, 1, 6, 4, 3), "3": (0, 1, 6, 2, 3),
    "5": (0, 5, 6, 2, 3), "6": (0, 5, 4, 3, 2, 6), "7": (0, 1, 2), "8": (0, 1, 2, 3, 4, 5, 6),
}  # fmt: skip


def _number(text: str, color: tuple[float, ...] = BLACK) -> Symbol:
    def paint(plate: Plate) -> None:
        width = 0.9 / len(text)
        for place, digit in enumerate(text):
            left = (place - (len(text) - 1) / 2) * 1.25 * width - width * 0.35
            for number in DIGITS[digit]:
                ends = np.array(STROKES[number], float) * (0.7 * width, 0.36) + (left, -0.36)
                plate.line(ends, color, 0.12)

    return paint


def _drawn(
    *lines: ArrayLike, color: tuple[float, ...] = BLACK, width: float = 0.16, dot: bool = False
) -> Symbol:
    """Some lines, and on request a dot below them."""

    def paint(plate: Plate) -> None:
        for line in lines:
            plate.line(line, color, width)
        if dot:
            plate.fill(oval((0, 0.55), 0.1, 0.1), color)

    return paint


def _filled(*shapes: ArrayLike, color: tuple[float, ...] = BLACK) -> Symbol:
    def paint(plate: Plate) -> None:
        for shape in shapes:
            plate.fill(shape, color)

    return paint


def _arrow(*ways: float) -> Symbol:
    """Arrows from below the middle, each turned by so many degrees to the right."""

    def paint(plate: Plate) -> None:
        plate.line([(0, 0.65), (0, 0.05)], WHITE, 0.2)
        for way in ways:
            angle = np.radians(way)
            tip = 0.65 * np.array([np.sin(angle), -np.cos(angle)])
            across = 0.28 * np.array([np.cos(angle), np.sin(angle)])
            plate.line([np.array([0, 0.05]), 0.7 * tip], WHITE, 0.2)
            plate.fill([tip, 0.55 * tip + across, 0.55 * tip - across], WHITE)

    return paint


def _car(x: float, color: tuple[float, ...]) -> Symbol:
    roof = [(x - 0.12, -0.05), (x - 0.08, -0.22), (x + 0.08, -0.22), (x + 0.12, -0.05)]
    return _filled(box(x - 0.2, -0.05, x + 0.2, 0.2), roof, color=color)


def _truck(x: float, color: tuple[float, ...]) -> Symbol:
    return _filled(
        box(x - 0.3, -0.3, x + 0.1, 0.2), box(x + 0.13, -0.1, x + 0.32, 0.2), color=color
    )


def _walker(y: float, *, small: bool = False) -> Symbol:
    unit = 0.7 if small else 1.0
    spots = np.array([(0, -0.42), (0, -0.05), (-0.2, 0.4), (0.22, 0.4), (-0.22, 0.1), (0.22, 0.05)])
    head, hip, left, right, one, other = unit * spots + (0, y)
    neck = head + np.array([0, 0.12])

    def paint(plate: Plate) -> None:
        plate.fill(oval(head, 0.1, 0.1), BLACK)
        for line in ((neck, hip), (left, hip, right), (one, neck + np.array([0, 0.08]), other)):
            plate.line(np.array(line), BLACK, 0.13)

    return paint


class Sign(NamedTuple):
    """What a class looks like, and how frequent it is.

    Args:
        shape: A key of ``SHAPES``.
        signs: How many there are in GTSRB's training photos, each photographed thirty times.
        symbols: What is on the plate, in painting order.
    """

    shape: str
    signs: int
    symbols: tuple[Symbol, ...] = ()


_RING = 2 * np.pi * np.linspace(0.05, 0.95, 12)
_CROSS = _drawn([(-0.3, -0.1), (0.3, 0.5)], [(0.3, -0.1), (-0.3, 0.5)])
_STRIKE = _drawn([(-0.6, 0.65), (0.6, -0.65)], color=GREY, width=0.14)

_TABLE = [
    Sign("prohibition", 7, (_number("20"),)),
    Sign("prohibition", 74, (_number("30"),)),
    Sign("prohibition", 75, (_number("50"),)),
    Sign("prohibition", 47, (_number("60"),)),
    Sign("prohibition", 66, (_number("70"),)),
    Sign("prohibition", 62, (_number("80"),)),
    Sign("end", 14, (_number("80", GREY),)),
    Sign("prohibition", 48, (_number("100"),)),
    Sign("prohibition", 47, (_number("120"),)),
    Sign("prohibition", 49, (_car(-0.3, RED), _car(0.3, BLACK))),  # no passing
    Sign("prohibition", 67, (_truck(-0.3, RED), _car(0.35, BLACK))),  # no passing for trucks
    Sign("warning", 44, (_drawn([(0, -0.5), (0, 0.6)], [(-0.35, 0.15), (0.35, 0.15)]),)),
    Sign("priority", 70),
    Sign("giving_way", 72),
    Sign("octagon", 26, (_drawn([(-0.6, 0), (0.6, 0)], color=WHITE, width=0.45),)),
    Sign("prohibition", 21),
    Sign("prohibition", 14, (_truck(0.0, BLACK),)),
    Sign("red_disc", 37, (_filled(box(-0.7, -0.18, 0.7, 0.18), color=WHITE),)),  # no entry
    Sign("warning", 40, (_drawn([(0, -0.4), (0, 0.25)], dot=True),)),  # danger
    Sign("warning", 7, (_drawn([(0.2, 0.6), (0.2, 0.1), (-0.2, -0.1), (-0.1, -0.4)]),)),
    Sign("warning", 12, (_drawn([(-0.2, 0.6), (-0.2, 0.1), (0.2, -0.1), (0.1, -0.4)]),)),
    Sign("warning", 11, (_drawn([(-0.2, 0.6), (0.2, 0.3), (-0.2, 0.0), (0.15, -0.35)]),)),
    Sign(
        "warning", 13, (_filled(oval((-0.25, 0.45), 0.25, 0.15), oval((0.25, 0.45), 0.25, 0.15)),)
    ),
    Sign(
        "warning",
        17,
        (
            _car(0.0, BLACK),
            _drawn([(-0.25, 0.3), (-0.1, 0.6)], [(0.1, 0.3), (0.25, 0.6)], width=0.1),
        ),
    ),
    Sign(
        "warning",
        9,
        (_drawn([(-0.2, 0.6), (-0.2, -0.3)], [(0.3, 0.6), (0.05, 0.1), (0.05, -0.3)]),),
    ),
    Sign("warning", 50, (_walker(0.1), _filled([(0.15, 0.6), (0.5, 0.6), (0.32, 0.3)]))),  # works
    Sign(
        "warning",
        20,
        (
            _filled(oval((0, -0.25), 0.15, 0.15), color=RED),
            _filled(oval((0, 0.1), 0.15, 0.15), color=YELLOW),
            _filled(oval((0, 0.45), 0.15, 0.15), color=(30.0, 150, 60)),
        ),
    ),  # lights
    Sign("warning", 8, (_walker(0.15), _drawn([(-0.5, 0.65), (0.5, 0.65)], width=0.1))),
    Sign(
        "warning",
        18,
        (
            _drawn(
                [(-0.3, -0.05), (-0.3, 0.3)], [(-0.42, 0.6), (-0.3, 0.3), (-0.18, 0.6)], width=0.12
            ),
            _drawn(
                [(0.25, -0.2), (0.25, 0.25)], [(0.1, 0.6), (0.25, 0.25), (0.4, 0.6)], width=0.14
            ),
            _filled(oval((-0.3, -0.1), 0.1, 0.1), oval((0.25, -0.25), 0.1, 0.1)),
        ),
    ),  # children
    Sign(
        "warning",
        9,
        (
            _drawn(oval((-0.3, 0.4), 0.2, 0.2), oval((0.3, 0.4), 0.2, 0.2), width=0.08),
            _drawn([(-0.3, 0.4), (-0.1, 0.05), (0.2, 0.05), (0.3, 0.4)], width=0.1),
        ),
    ),  # bicycles
    Sign(
        "warning",
        15,
        (
            _drawn(
                [(0, -0.3), (0, 0.6)],
                [(-0.4, -0.08), (0.4, 0.4)],
                [(0.4, -0.08), (-0.4, 0.4)],
                width=0.11,
            ),
        ),
    ),
    Sign(
        "warning",
        26,
        (
            _filled([(-0.45, 0.3), (-0.1, 0.0), (0.4, -0.2), (0.3, 0.3)]),
            _drawn([(-0.2, 0.3), (-0.3, 0.6)], [(0.25, 0.3), (0.3, 0.6)], width=0.1),
        ),
    ),
    Sign("end", 8),
    Sign("command", 23, (_arrow(80),)),
    Sign("command", 14, (_arrow(-80),)),
    Sign("command", 40, (_arrow(0),)),
    Sign("command", 13, (_arrow(0, 75),)),
    Sign("command", 7, (_arrow(0, -75),)),
    Sign(
        "command",
        69,
        (
            _drawn([(-0.45, -0.45), (0.3, 0.3)], color=WHITE, width=0.2),
            _filled([(0.55, 0.55), (0.0, 0.5), (0.5, 0.0)], color=WHITE),
        ),
    ),
    Sign(
        "command",
        10,
        (
            _drawn([(0.45, -0.45), (-0.3, 0.3)], color=WHITE, width=0.2),
            _filled([(-0.55, 0.55), (0.0, 0.5), (-0.5, 0.0)], color=WHITE),
        ),
    ),
    Sign(
        "command",
        12,
        (_drawn(0.5 * np.stack([np.cos(_RING), np.sin(_RING)], axis=1), color=WHITE, width=0.2),),
    ),
    Sign("end", 8, (_car(-0.3, GREY), _car(0.3, GREY))),
    Sign("end", 8, (_truck(-0.3, GREY), _car(0.35, GREY))),
]
SIGNS = {f"{number:05d}": sign for number, sign in enumerate(_TABLE)}
