"""The photos about which a model was most sure, and wrong."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from project.runs.predictions import Predictions

_SIDE = 256  # pixels of the longer side


@dataclass(frozen=True)
class Mistake:
    """A photo that was taken for another class.

    Attributes:
        path: Of the photo, relative to the root of the data.
        true: Its class.
        predicted: The class it was taken for.
        confidence: Softmax of the logits for that class, in (0, 1].
    """

    path: str
    true: str
    predicted: str
    confidence: float


def confident_mistakes(predictions: Predictions, most: int) -> list[Mistake]:
    """The mistakes that the model was most sure of, the surest first.

    Args:
        predictions: Of one split.
        most: How many at most.

    Returns:
        Photos with a label other than the predicted one.
    """
    labels, predicted = predictions.labels, predictions.predicted
    wrong = np.flatnonzero((labels >= 0) & (labels != predicted))
    # The predicted class has the largest logit m, so its softmax is 1 / sum(exp(z - m)).
    logits = predictions.logits[wrong].astype(np.float64)
    confidence = 1 / np.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1)
    surest = np.argsort(-confidence, kind="stable")[:most]
    classes = predictions.classes
    return [
        Mistake(
            predictions.paths[row],
            classes[labels[row]],
            classes[predicted[row]],
            float(sure),
        )
        for row, sure in zip(wrong[surest], confidence[surest], strict=True)
    ]


def small_picture(file: Path) -> Image.Image | None:
    """A photo, upright and small.

    Args:
        file: The photo.

    Returns:
        RGB with a longer side of at most 256 pixels, or None if the file has gone since or cannot
        be read.
    """
    try:
        with Image.open(file) as image:
            image.draft("RGB", (_SIDE, _SIDE))  # decodes a large JPEG at a fraction of its size
            small = _rgb(ImageOps.exif_transpose(image))
    except Exception:  # noqa: BLE001 - Pillow's readers raise whatever damage makes them
        return None
    small.thumbnail((_SIDE, _SIDE))
    return small


def _rgb(image: Image.Image) -> Image.Image:
    """As the model saw it: of 16-bit values the upper byte, where Pillow would clip at 255."""
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("RGB")
