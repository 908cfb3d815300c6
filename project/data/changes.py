"""All that is random about a training batch besides its order and its crops."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from project.data.augmentation.chain import Augmentation, Chain, Samples
from project.data.augmentation.transform import apply, columns
from project.data.mixing import Mixing, mix
from project.data.oversampling import Oversampling
from project.data.randomness import Stream


class Batch(NamedTuple):
    """What leaves the loader.

    Attributes:
        image: uint8 (B, 3, H, W), channels last in memory; float32 in [0, 1] once mixed or changed.
        label: int64 (B,); shares of the classes, float32 (B, C), once mixed.
        row: Catalog rows, int64 (B,); -1 marks a row that only fills up the batch.
        copy: Copy numbers, int64 (B,).
        draws: What is still to be applied to the images, (B, D); see `Changes.draw`.
    """

    image: Tensor
    label: Tensor
    row: Tensor
    copy: Tensor
    draws: Tensor | None = None


class Changes:
    """Oversampling, augmentation and mixing, in this order.

    Their transforms make one chain. Up to the last one that runs image by image, it is applied
    where the batch is made; the rest waits, as numbers that travel with the batch, until the batch
    is on the device. The numbers are the same wherever they are applied, and so are the pixels on
    the CPU, in a worker or not; elsewhere they are not rounded to bytes.

    Args:
        oversampling: Makes the variants of an image.
        augmentation: Changes every image.
        mixing: Mixes the images of a batch.
        classes: Class names in label order.
        seed: Seed of the run.

    Raises:
        ConfigError: If oversampling names a class that there is not.
    """

    def __init__(
        self,
        *,
        oversampling: Oversampling,
        augmentation: Augmentation,
        mixing: Mixing,
        classes: Sequence[str],
        seed: int,
    ) -> None:
        self._oversampling = oversampling
        self._factors = oversampling.class_factors(classes)
        self._mixing = mixing
        self._seed = seed
        variants = Chain(oversampling.transforms.transforms, Stream.OVERSAMPLING, seed)
        every = Chain(augmentation.transforms, Stream.AUGMENTATION, seed)
        early_variants, late_variants = variants.split(followed=every.runs_by_sample)
        early, late = every.split()
        self._early, self._late = (early_variants, early), (late_variants, late)

    def samplewise(
        self, images: Tensor, keys: NDArray[np.int64], labels: NDArray[np.int64]
    ) -> Tensor:
        """Applies what cannot wait: up to the last transform that runs image by image.

        Args:
            images: uint8 (B, 3, H, W), channels last.
            keys: Epoch, row and copy number of the samples, int64 (B, 3).
            labels: int64 (B,).

        Returns:
            The same shape and type.

        Raises:
            DataError: If a transform changes the size of an image.
        """
        for chain, samples in zip(self._early, self._samples(keys, labels), strict=True):
            images = chain(images, samples)
        return images

    def draw(self, keys: NDArray[np.int64], labels: NDArray[np.int64]) -> Tensor | None:
        """Draws what is left to be applied.

        Args:
            keys: Epoch, row and copy number of the samples, int64 (B, 3).
            labels: int64 (B,).

        Returns:
            float32 (B, D) seen as int32, because training in half precision rounds all floats of a
            batch: for each transform its parameters, the first of which tells whether the image is
            changed; then those of mixing, where it is on. None if nothing is left.
        """
        samples = self._samples(keys, labels)
        parts = [
            chain.draw(s) for chain, s in zip(self._late, samples, strict=True) if chain.batchwise
        ]
        parts += [self._mixing.draw(keys, self._seed)] if self._mixing else []
        return torch.cat(parts, dim=1).view(torch.int32) if parts else None

    def __call__(self, batch: Batch) -> Batch:
        """Applies the draws, on whatever device the batch is.

        Args:
            batch: With draws.

        Returns:
            The batch without draws. Images are float32 once mixed, and away from the CPU once a
            transform made them so.
        """
        assert batch.draws is not None, "a batch without draws needs no changes"
        image, label, draws = batch.image, batch.label, batch.draws.view(torch.float32)
        transforms = [t for chain in self._late for t in chain.batchwise]
        width = columns(transforms)
        if transforms:
            image = apply(transforms, image, draws[:, :width])
        if self._mixing:
            image, label = mix(image, label, draws[:, width:], len(self._factors))
        return batch._replace(image=image, label=label, draws=None)

    def _samples(
        self, keys: NDArray[np.int64], labels: NDArray[np.int64]
    ) -> tuple[Samples, Samples]:
        variants = self._oversampling.samples(keys, self._factors[labels])
        return variants, Samples(keys, np.ones(len(keys), bool))
