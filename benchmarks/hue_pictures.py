"""Shows hue turned by a matrix beside hue turned in HSV, and measures how far they are apart.

    python benchmarks/hue_pictures.py --output docs/hue.png

Draws photos of the wardrobe, turns their hue both ways, prints mean differences over all pixels and
writes a picture. Takes a few seconds.
"""

import argparse
import io
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from project.data.augmentation import ColorJitter
from project.data.augmentation.color import LUMA
from project.data.augmentation.transform import apply
from project.data.garments import GARMENTS
from project.data.wardrobe import Identity, draw_photo

Floats = NDArray[np.float32]

SHIFTS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5)  # turns of the colour circle
SHOWN = (("outer", 4), ("top", 5))
HEADINGS = (
    "turn", "HSV from the photo", "matrix from the photo", "matrix from HSV",
    "grey moved by HSV", "grey moved by matrix", "values cut off by matrix",
)  # fmt: skip
SIDE, GAP, MARGIN = 56, 4, 58  # pixels of the picture


def main() -> None:
    """Reads the command line, prints the table and writes the picture."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, required=True, help="the PNG file")
    parser.add_argument("--photos", type=int, default=40, help="of each class, to be measured")
    given = parser.parse_args()
    photos = [photo(kind, n) for kind in GARMENTS for n in range(given.photos)]
    print(table(np.stack(photos)))
    rows = [circle(), *(photo(kind, number) for kind, number in SHOWN)]
    picture(rows).save(given.output, optimize=True)
    print(f"{given.output}: {given.output.stat().st_size / 1000:.0f} kB")


def by_matrix(images: Floats, turn: float) -> Floats:
    """Turns the hue of images (N, H, W, 3) in [0, 1] as the augmentation does."""
    transform = ColorJitter((1, 1), (1, 1), (1, 1), (turn, turn))
    draws = torch.from_numpy(transform.draw(np.zeros((len(images), 5)))).float()
    turned = apply([transform], torch.from_numpy(images).permute(0, 3, 1, 2), draws)
    return turned.permute(0, 2, 3, 1).numpy()


def by_hsv(images: Floats, turn: float) -> Floats:
    """Turns the hue of images (N, H, W, 3) in [0, 1] in HSV, as most libraries do."""
    return np.stack([_turned(image, turn) for image in images])


def table(photos: Floats) -> str:
    """Mean differences of both ways, as a Markdown table."""
    lines = [
        f"| {' | '.join(HEADINGS)} |",
        "| ---: " * len(HEADINGS) + "|",
    ]
    for turn in SHIFTS:
        hsv, matrix = by_hsv(photos, turn), by_matrix(photos, turn)
        apart = [_difference(*pair) for pair in ((hsv, photos), (matrix, photos), (matrix, hsv))]
        grey = [100 * np.abs((turned - photos) @ LUMA).mean() for turned in (hsv, matrix)]
        cut = 100 * np.isin(matrix[(photos > 0) & (photos < 1)], (0, 1)).mean()
        cells = [f"{turn:g}", *(f"{d:.1f}" for d in apart), *(f"{g:.1f} %" for g in (*grey, cut))]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def picture(rows: list[Floats]) -> Image.Image:
    """Each image in two rows, turned in HSV above and by matrix below; turns are the columns."""
    turns = (0.0, *SHIFTS)
    size = (MARGIN + len(turns) * (SIDE + GAP), 16 + len(rows) * (2 * SIDE + 3 * GAP))
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    for column, turn in enumerate(turns):
        left = MARGIN + column * (SIDE + GAP)
        pen.text((left + SIDE // 2, 2), f"{turn:g}", fill="black", anchor="ma")
        for row, image in enumerate(rows):
            for below, way in enumerate((by_hsv, by_matrix)):
                top = 16 + row * (2 * SIDE + 3 * GAP) + below * (SIDE + GAP)
                pen.text((4, top + SIDE // 2), ("HSV", "matrix")[below], fill="black", anchor="lm")
                pixels = (way(image[None], turn)[0] * 255).round().astype(np.uint8)
                sheet.paste(Image.fromarray(pixels).resize((SIDE, SIDE)), (left, top))
    return sheet


def photo(kind: str, number: int) -> Floats:
    """A photo of the wardrobe, (H, W, 3) in [0, 1]."""
    data = draw_photo(0, Identity("train", kind, number), 96)
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.float32)
    return pixels / np.float32(255)


def circle() -> Floats:
    """All hues around the centre, paler towards it, (H, W, 3) in [0, 1]."""
    y, x = np.mgrid[-1:1:96j, -1:1:96j]
    hue = np.degrees(np.arctan2(y, x)) % 360
    saturation = np.minimum(np.hypot(x, y), 1)
    hsv = np.stack([hue, saturation, np.full_like(hue, 0.85)], axis=-1).astype(np.float32)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))


def _turned(image: Floats, turn: float) -> Floats:
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0] + 360 * turn) % 360
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))


def _difference(one: Floats, other: Floats) -> float:
    """Mean distance of two sets of images in CIELAB, where about 2 can just be seen."""
    labs = [
        np.stack([cv2.cvtColor(image, cv2.COLOR_RGB2Lab) for image in images])
        for images in (one, other)
    ]
    return float(np.linalg.norm(labs[0] - labs[1], axis=-1).mean())


if __name__ == "__main__":
    main()
