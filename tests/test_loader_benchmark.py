"""The loaders of ``benchmarks/loader.py`` all do what they are compared for."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.loader import LOADERS, SIDE, Task, images_per_second
from benchmarks.measuring import Times, interleaved
from project.data.catalog.catalog import build_catalog
from project.data.sources import ClassFolders


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bool], Task]:
    folder = tmp_path_factory.mktemp("benchmark")
    rng = np.random.default_rng(0)
    for name in ("hat", "top"):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(8):
            pixels = rng.integers(0, 256, (300, 280, 3), np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / name / f"{number}.jpg")
    catalog = build_catalog(ClassFolders(folder / "photos"), cache_dir=folder, progress=False)
    return lambda jitter: Task(folder / "photos", catalog, folder, 4, 0, jitter)


@pytest.mark.filterwarnings("ignore:The image decoding and encoding capabilities")  # torchvision's
@pytest.mark.filterwarnings("ignore:unclosed file", "ignore:Exception ignored in")  # timm's
@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize("jitter", [False, True], ids=["plain", "jitter"])
def test_loader_gives_whole_batches_of_the_size(
    task: Callable[[bool], Task], name: str, jitter: bool
) -> None:
    batches = [_image(batch) for batch in LOADERS[name](task(jitter))]
    assert [tuple(batch.shape) for batch in batches] == [(4, 3, SIDE, SIDE)] * 4
    floats = batches[0].is_floating_point()
    assert floats == ("bytes" not in name)
    assert not floats or batches[0].min() < -1  # normalised


def test_speed_counts_images(task: Callable[[bool], Task]) -> None:
    assert images_per_second(lambda _: [[[None] * 4]], task(False), 0.01) > 1000


def test_cases_are_measured_in_turn() -> None:
    said: list[str] = []

    def case(name: str) -> float:
        said.append(name)
        return 2.0

    found = interleaved({name: partial(case, name) for name in "ab"}, 2)
    assert said == ["a", "b", "a", "b"]
    assert found["a"].shown() == "2.00 (2.00 to 2.00)"
    assert Times((3.0, 1.0, 2000.0)).shown(0) == "3 (1 to 2,000)"


def _image(batch: Any) -> Any:
    return batch[0] if isinstance(batch, list | tuple) else batch
