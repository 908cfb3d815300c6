"""Random changes of training images: what a configuration can name as a transform."""

import os

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else every import asks a server for news

from project.data.augmentation.affine import Affine
from project.data.augmentation.chain import Augmentation
from project.data.augmentation.color import ColorJitter
from project.data.augmentation.erasing import Erasing
from project.data.augmentation.flips import HorizontalFlip, VerticalFlip
from project.data.augmentation.operations import rand_augment

__all__ = [
    "Affine",
    "Augmentation",
    "ColorJitter",
    "Erasing",
    "HorizontalFlip",
    "VerticalFlip",
    "rand_augment",
]
