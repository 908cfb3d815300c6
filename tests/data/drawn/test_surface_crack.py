"""Drawn concrete, in the layout of the public data set."""

from pathlib import Path

import numpy as np

from project.data.drawn.surface_crack import SurfaceCrack


def test_folders_are_named_as_in_the_public_data_set(tmp_path: Path) -> None:
    source = SurfaceCrack(tmp_path / "concrete", image_size=24, scale=0.005)
    assert source.listing()["path"].to_pylist() == [
        "Negative/00001.jpg",
        "Negative/00002.jpg",
        "Positive/00001.jpg",
        "Positive/00002.jpg",
    ]


def test_a_crack_is_dark(tmp_path: Path) -> None:
    source = SurfaceCrack(tmp_path, image_size=64)
    depth = {}
    for label in source.counts:
        pictures = [source.draw(label, np.random.default_rng(seed)) for seed in range(60)]
        greys = [picture.mean(axis=2) for picture in pictures]
        depth[label] = np.median([np.median(grey) - np.quantile(grey, 0.01) for grey in greys])
    assert depth["Positive"] > 1.3 * depth["Negative"]
