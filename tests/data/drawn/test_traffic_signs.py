"""Drawn traffic signs: the layout, the classes and the imbalance of GTSRB."""

from pathlib import Path

import numpy as np

from project.data.catalog.catalog import build_catalog
from project.data.drawn.signs import SIGNS
from project.data.drawn.traffic_signs import TrafficSigns


def test_43_classes_lie_in_the_folders_of_gtsrb(tmp_path: Path) -> None:
    photos = TrafficSigns(tmp_path / "signs", image_size=16, scale=0.02).listing().to_pylist()
    assert {photo["label"] for photo in photos} == {f"{number:05d}" for number in range(43)}
    assert photos[0]["path"] == "Train/00000/00000_00000_00000.png"


def test_classes_are_as_unevenly_frequent_as_in_gtsrb() -> None:
    """39,209 photos there, thirty of each sign but for one that lacks a photo; here two of each."""
    assert sum(TrafficSigns.counts.values()) == 2 * 1307
    assert (min(TrafficSigns.counts.values()), max(TrafficSigns.counts.values())) == (14, 150)


def test_every_class_is_in_every_split(tmp_path: Path) -> None:
    source = TrafficSigns(tmp_path / "signs", image_size=8, scale=0.25)
    catalog = build_catalog(source, cache_dir=tmp_path, seed=0)
    for split in range(3):
        assert len(np.unique(catalog.labels[catalog.splits == split])) == 43


def test_no_two_classes_look_the_same(tmp_path: Path) -> None:
    source = TrafficSigns(tmp_path, image_size=64)
    plain = [source.draw(label, np.random.default_rng(5)).astype(int) for label in SIGNS]
    for first in range(43):
        for other in range(first):
            assert np.abs(plain[first] - plain[other]).max() > 15
