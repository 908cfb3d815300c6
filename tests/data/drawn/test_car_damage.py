"""Drawn cars, in the imbalance of the case."""

from pathlib import Path

import numpy as np

from project.data.drawn.car_damage import CarDamage


def test_about_600_cars_of_which_a_third_is_damaged(tmp_path: Path) -> None:
    assert sum(CarDamage.counts.values()) == 600
    assert CarDamage.counts["abnormal"] / 600 == 0.35
    photos = CarDamage(tmp_path / "cars", image_size=24, scale=0.05).listing().to_pylist()
    assert [photo["label"] for photo in photos] == ["abnormal"] * 10 + ["normal"] * 20


def test_damage_is_all_that_differs_between_two_drawings_of_one_car(tmp_path: Path) -> None:
    source = CarDamage(tmp_path, image_size=48)
    sky, car = [], []
    for seed in range(20):
        sound, damaged = (
            source.draw(label, np.random.default_rng(seed)).astype(int)
            for label in ("normal", "abnormal")
        )
        changed = np.abs(sound - damaged).max(axis=2)
        sky.append(changed[:4].mean())
        car.append(np.quantile(changed[16:40], 0.98))
    assert np.median(sky) < 40  # light and noise alone
    assert np.median(car) > 2 * np.median(sky)
