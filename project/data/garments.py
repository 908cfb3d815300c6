"""Shapes of generated garments: geometry alone, without pose, colour or light.

A garment is a list of parts in painting order. Coordinates are free of any image size: x grows to
the right, y downwards, and a garment is about two units high; whoever paints it brings it to scale.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

Points: TypeAlias = NDArray[np.float64]
Material: TypeAlias = Literal["cloth", "trim", "lining", "seam", "button"]


class Part(NamedTuple):
    """One piece of a garment.

    Args:
        material: ``cloth``, ``trim`` and ``lining`` are filled polygons, ``seam`` is an open line
            and ``button`` a set of dots. The garment's outline is the union of cloth and trim.
        points: Vertices, line points or centres of the dots, float, shape ``(N, 2)``.
    """

    material: Material
    points: Points


Garment: TypeAlias = list[Part]


def cloth(points: ArrayLike, *, soft: bool = True) -> Part:
    """A piece of the garment's own fabric, with its corners cut round if ``soft``."""
    outline = np.asarray(points, float)
    return Part("cloth", _rounded(outline) if soft else outline)


def trim(points: ArrayLike) -> Part:
    """A piece in a second colour: collar, cuff, sole, band."""
    return Part("trim", np.asarray(points, float))


def lining(points: ArrayLike) -> Part:
    """What is seen of the inside: the gap of an open coat, a neck hole."""
    return Part("lining", np.asarray(points, float))


def seam(points: ArrayLike) -> Part:
    """A line in or on the fabric."""
    return Part("seam", np.asarray(points, float))


def buttons(points: ArrayLike) -> Part:
    """A row of dots."""
    return Part("button", np.asarray(points, float))


def _rounded(points: Points, passes: int = 2) -> Points:
    """Chaikin's corner cutting: every pass replaces a corner by two points near it."""
    for _ in range(passes):
        following = np.concatenate([points[1:], points[:1]])
        pair = np.stack(
            [0.88 * points + 0.12 * following, 0.12 * points + 0.88 * following], axis=1
        )
        points = pair.reshape(-1, 2)
    return points


def _mirrored(right: ArrayLike) -> Points:
    """Closes an outline whose right half is given from top to bottom."""
    half = np.asarray(right, float)
    return np.concatenate([half, half[::-1] * (-1, 1)])


def _arc(x: float, y: float, rx: float, ry: float, start: float = 0.0, stop: float = 1.0) -> Points:
    """Points of an ellipse between two fractions of a clockwise turn that begins at the right."""
    angle = 2 * np.pi * np.linspace(start, stop, 25)
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], axis=1)


def _happens(rng: Generator, probability: float) -> bool:
    return bool(rng.random() < probability)


# ---------------------------------------------------------------------------------------------
# Hats
# ---------------------------------------------------------------------------------------------


def hat(rng: Generator) -> Garment:
    """A crown, flat or round, on a brim that droops or turns up; most have a band.

    All have a brim: the fewest pictures are of hats, and what few pictures share can be learned.
    """
    height, brim = rng.uniform(0.65, 0.95), rng.uniform(0.95, 1.25)
    droop, top = rng.uniform(-0.08, 0.12), rng.uniform(0.38, 0.52)
    edge = _mirrored([(0.3, 0.0), (brim, droop), (brim, droop + 0.08), (0.3, 0.2)])
    flat = _mirrored([(0.08, 0.08 - height), (top, -height), (0.56, 0.05)])
    crown = _arc(0, 0.05, 0.58, height, 0.5, 1.0) if _happens(rng, 0.4) else flat
    band = trim(_mirrored([(0.52, -0.2), (0.56, 0.03)]))
    return [cloth(edge), cloth(crown), *([band] if _happens(rng, 0.8) else [])]


# ---------------------------------------------------------------------------------------------
# Coats and tops: the same torso; what differs is how often and how much
# ---------------------------------------------------------------------------------------------

# Shares of outer and of top that are drawn alike. The first two keep outer the weak class: nothing
# but a small tendency in length tells them from tops, and tops have more of both.
ANORAKS, LIGHT_JACKETS = 0.08, 0.06
SHIRTS = 0.12


def outer(rng: Generator) -> Garment:
    """A coat, open or closed; or something that could as well be a shirt or a longsleeve."""
    kind = rng.choice(
        ["anorak", "jacket", "coat"], p=[ANORAKS, LIGHT_JACKETS, 1 - ANORAKS - LIGHT_JACKETS]
    )
    if kind == "anorak":
        return _pulled_over(rng, length=rng.uniform(0.75, 1.1), sleeve=rng.uniform(0.85, 1.05))
    if kind == "jacket":
        return _buttoned(rng, length=rng.uniform(0.85, 1.25))
    length = rng.uniform(1.2, 1.75)
    coat = _torso(rng, length, sleeve=rng.uniform(0.85, 1.05), flare=rng.uniform(0.0, 0.22))
    coat += _open_front(rng, length) if _happens(rng, 0.8) else _closed_front(rng, length)
    if _happens(rng, 0.85):
        coat += _lapels(rng)
    return coat + (_pockets(0.35 * length) if _happens(rng, 0.5) else [])


def top(rng: Generator) -> Garment:
    """A T-shirt, a longsleeve or a shirt; some are as long as a coat."""
    if _happens(rng, SHIRTS):
        return _buttoned(rng, length=rng.uniform(0.75, 1.15))
    length = rng.uniform(1.05, 1.4) if _happens(rng, 0.12) else rng.uniform(0.65, 1.05)
    sleeve = rng.uniform(0.8, 1.05) if _happens(rng, 0.5) else rng.uniform(0.15, 0.5)
    return _pulled_over(rng, length, sleeve)


def _pulled_over(rng: Generator, length: float, sleeve: float) -> Garment:
    """What goes over the head; a few have a short row of buttons at the neck."""
    garment = _torso(rng, length, sleeve, flare=rng.uniform(-0.04, 0.12)) + _neck_hole(rng)
    return garment + (_closed_front(rng, 0.1) if _happens(rng, 0.1) else [])


def _buttoned(rng: Generator, length: float) -> Garment:
    """What a shirt and a light jacket share: long sleeves, a button line, a collar, pockets."""
    garment = _torso(rng, length, rng.uniform(0.8, 1.05), flare=rng.uniform(-0.02, 0.1))
    garment += _closed_front(rng, length)
    garment += _collar(rng) if _happens(rng, 0.7) else _neck_hole(rng)
    return garment + (_pockets(0.0) if _happens(rng, 0.3) else [])


def _torso(rng: Generator, length: float, sleeve: float, flare: float) -> Garment:
    """A body that is ``length`` long from the armpits, with two arms that lie as they fell."""
    waist = rng.uniform(0.38, 0.46)
    body = _mirrored([(0.16, -0.62), (0.46, -0.52), (waist, -0.1), (waist + flare, length - 0.3)])
    return [*_arm(rng, sleeve, side=1), *_arm(rng, sleeve, side=-1), cloth(body)]


def _arm(rng: Generator, length: float, side: int) -> Garment:
    """One sleeve, hanging from the shoulder at an angle to the vertical."""
    angle, width, cuff = np.radians(rng.uniform(8, 60)), 0.17, rng.uniform(0.1, 0.14)
    along = np.array([np.sin(angle), np.cos(angle)])
    across = np.array([np.cos(angle), -np.sin(angle)])
    shoulder = np.array([0.34, -0.44])
    end = shoulder + length * along
    upper = [shoulder - width * across, shoulder + width * across]
    wrist = np.array([end + cuff * across, end - cuff * across])
    flip = (side, 1)
    return [cloth(np.array([*upper, *wrist]) * flip), seam((wrist - 0.06 * along) * flip)]


def _open_front(rng: Generator, length: float) -> Garment:
    """The lining, seen through a gap that widens towards the hem."""
    neck, hem = rng.uniform(0.04, 0.12), rng.uniform(0.1, 0.3)
    return [lining(_mirrored([(neck, -0.6), (hem, length - 0.32)]))]


def _closed_front(rng: Generator, length: float) -> Garment:
    """The edge that overlaps, and the buttons beside it, if it has no zip."""
    x = rng.uniform(-0.05, 0.08)
    rows = np.linspace(-0.4, length - 0.45, max(3, round(6 * length)))
    edge = seam([(x, -0.55), (x, length - 0.32)])
    dots = buttons([(x - 0.06, row) for row in rows])
    return [edge, dots] if _happens(rng, 0.75) else [edge]


def _lapels(rng: Generator) -> Garment:
    width, depth = rng.uniform(0.18, 0.28), rng.uniform(0.35, 0.7)
    right = np.array([(0.08, -0.66), (width, -0.5), (0.03, depth - 0.62)])
    return [trim(right), trim(right * (-1, 1))]


def _collar(rng: Generator) -> Garment:
    width, depth = rng.uniform(0.18, 0.24), rng.uniform(0.14, 0.24)
    right = np.array([(0.06, -0.68), (width, -0.56), (0.8 * width, depth - 0.6), (0.0, -0.52)])
    return [trim(right), trim(right * (-1, 1))]


def _neck_hole(rng: Generator) -> Garment:
    """Round or pointed, the back of the neck shows in it."""
    width, depth = rng.uniform(0.14, 0.22), rng.uniform(0.1, 0.3)
    if _happens(rng, 0.3):
        return [lining([(-width, -0.63), (width, -0.63), (0, depth - 0.63)])]
    return [lining(_arc(0, -0.63, width, depth, 0.0, 0.5))]


def _pockets(y: float) -> Garment:
    right = np.array([(0.12, y), (0.3, y), (0.3, y + 0.16), (0.12, y + 0.16), (0.12, y)])
    return [seam(right), seam(right * (-1, 1))]


# ---------------------------------------------------------------------------------------------
# Bottoms and shoes
# ---------------------------------------------------------------------------------------------


def bottom(rng: Generator) -> Garment:
    """Trousers, shorts or a skirt, with a waistband."""
    if _happens(rng, 0.2):
        return _skirt(rng)
    length = rng.uniform(1.2, 1.9) if _happens(rng, 0.7) else rng.uniform(0.6, 0.9)
    spread, ankle, crotch = rng.uniform(0.05, 0.35), rng.uniform(0.12, 0.26), rng.uniform(0.3, 0.45)
    leg = [(0.0, 0.0), (0.42, 0.0), (0.5, crotch), (spread + 2 * ankle, length), (spread, length)]
    right = np.array([*leg, (0.02, crotch)])
    fly = seam([(0.02, 0.05), (0.02, crotch)])
    return [cloth(right), cloth(right * (-1, 1)), *_waistband(rng, 0.42), fly]


def _skirt(rng: Generator) -> Garment:
    length, waist = rng.uniform(0.6, 1.2), rng.uniform(0.32, 0.42)
    hem = waist + rng.uniform(0.05, 0.5)
    pleats = np.linspace(-0.6, 0.6, rng.integers(2, 6))
    folds = [seam([(x * waist, 0.15), (x * hem, length)]) for x in pleats]
    panel = cloth(_mirrored([(waist, 0), (waist * 1.1, 0.2), (hem, length)]))
    return [panel, *folds, *_waistband(rng, waist)]


def _waistband(rng: Generator, width: float) -> Garment:
    band = _mirrored([(width, -0.02), (width + 0.01, 0.1)])
    return [trim(band)] if _happens(rng, 0.4) else [cloth(band), seam(band[[1, 2]])]


def shoes(rng: Generator) -> Garment:
    """A low shoe or a boot from the side, on a sole with or without a heel."""
    shaft = rng.uniform(0.9, 1.3) if _happens(rng, 0.45) else rng.uniform(0.46, 0.6)
    heel = rng.uniform(0.12, 0.35) if _happens(rng, 0.4) else 0.0
    toe, ankle = rng.uniform(0.18, 0.3), rng.uniform(-0.1, 0.1)
    back, front = [(-0.8, 0), (-0.82, -shaft)], [(ankle + 0.12, -0.42), (0.7, -toe), (0.95, 0)]
    sole = [(-0.84, -0.04), (0.98, -0.04), (0.96, 0.1), (-0.2, 0.1)]
    raised = [(-0.35, 0.1 + heel), (-0.82, 0.1 + heel)]
    laces = [seam([(ankle + x, -0.5 + x), (ankle + x + 0.2, -0.42 + x)]) for x in (0.0, 0.1, 0.2)]
    shoe = [cloth([*back, (ankle, -shaft), *front]), trim([*sole, *raised])]
    return shoe + (laces if _happens(rng, 0.6) else [])


GARMENTS: dict[str, Callable[[Generator], Garment]] = {
    "hat": hat,
    "outer": outer,
    "top": top,
    "bottom": bottom,
    "shoes": shoes,
}
