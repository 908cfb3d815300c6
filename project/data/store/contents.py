"""Which images the file of a catalog holds: each different one once, in an order of their own."""

from dataclasses import dataclass

import numpy as np
import PIL
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from PIL import features

from project.data.catalog.catalog import Catalog
from project.data.catalog.manifest import digest
from project.data.store.policy import Policy


@dataclass(frozen=True, eq=False)
class Contents:
    """The different images of a catalog, in the order of their hashes.

    Another split, seed or naming of the classes leaves all but ``slots`` and ``rows`` as it is.

    Attributes:
        key: Digest of contents, boxes, policy and decoder: equal keys, equal images.
        slots: The image of each catalog row, -1 for those that are not needed, int32 (N,).
        rows: A catalog row of each image, int64 (M,).
        shapes: Height and width of each image, int64 (M, 2).
    """

    key: str
    slots: NDArray[np.int32]
    rows: NDArray[np.int64]
    shapes: NDArray[np.int64]

    @classmethod
    def of(
        cls, catalog: Catalog, policy: Policy, needed: NDArray[np.int64] | None = None
    ) -> "Contents":
        """Numbers the images of a catalog.

        Args:
            catalog: At least one photo.
            policy: How photos become images.
            needed: Rows whose images are wanted; None for all.
        """
        needed = np.arange(len(catalog)) if needed is None else needed
        names = _identities(catalog, policy).take(needed)
        # Ranks are computed without a Python object for each row.
        ranks = pc.rank(names, "ascending", tiebreaker="dense").to_numpy().astype(np.int32) - 1
        firsts = np.empty(ranks.max() + 1, np.int64)
        firsts[ranks[::-1]] = np.arange(len(ranks))[::-1]
        slots = np.full(len(catalog), -1, np.int32)
        slots[needed] = ranks
        parts = [repr(policy), _decoder(), *names.take(firsts).to_pylist()]
        key = digest(["\n".join(parts).encode()])
        rows = needed[firsts]
        return cls(key, slots, rows, policy.shapes(catalog.sizes[rows], catalog.boxes[rows]))


def _decoder() -> str:
    """What else pixels depend on: other versions may round differently."""
    jpeg, webp = features.version("jpg"), features.version("webp")
    return f"{PIL.__version__} {jpeg} {webp} {torch.__version__}"


def _identities(catalog: Catalog, policy: Policy) -> pa.Array:
    """What tells the images of a catalog apart, string (N,)."""
    if not policy.boxed:
        return catalog.content_hash
    boxes = [pa.array(column).cast(pa.string()) for column in catalog.boxes.T]
    return pc.binary_join_element_wise(catalog.content_hash, *boxes, " ")
