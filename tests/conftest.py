"""Photos, configurations and commands for tests that go through the whole."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_module
from omegaconf import DictConfig, OmegaConf, open_dict
from PIL import Image

from project.launch.cli.hydra_versions import version_options
from project.launch.cli.resolvers import register_resolvers

pytest_plugins = ["tests.left_runs"]

REPOSITORY = Path(__file__).parent.parent

# A class is the colour of a square, so that even a tiny network can learn it.
COLORS = {"hat": (220, 60, 60), "outer": (60, 200, 60), "top": (70, 70, 230)}
COUNTS = {
    "train": {"hat": 8, "outer": 16, "top": 32},
    "val": {"hat": 4, "outer": 4, "top": 6},
    "test": {"hat": 5, "outer": 6, "top": 8},
}

# Small enough to train in a second.
TINY = (
    "data=folder",
    "data.size=24",
    "data.batch_size=16",
    "data.num_workers=0",
    "trainer=cpu",
    "trainer.max_epochs=1",
    "trainer.enable_progress_bar=false",
)

TINY_MODEL = ("model.width=8", "model.depth=2")

Compose = Callable[..., DictConfig]
Command = Callable[..., "subprocess.CompletedProcess[str]"]


def draw_photo(color: tuple[int, int, int], rng: np.random.Generator) -> Image.Image:
    """A noisy picture of 30 x 26 pixels with a coloured square somewhere."""
    pixels = rng.integers(0, 180, (26, 30, 3))
    top, left = rng.integers(0, 12, 2)
    pixels[top : top + 13, left : left + 13] = color + rng.integers(-30, 25, 3)
    return Image.fromarray(pixels.astype(np.uint8))


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """For tensors this small, waiting for a second thread costs more than it brings."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of three imbalanced classes in split and class folders; not to be changed."""
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for split, counts in COUNTS.items():
        for name, count in counts.items():
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                draw_photo(COLORS[name], rng).save(folder / f"{number}.jpg", quality=95)
    return root


@pytest.fixture
def compose_config(tmp_path: Path) -> Iterator[Compose]:
    """``compose_config("train", *overrides)`` composes as the command line would."""
    register_resolvers()

    def composed(name: str, *overrides: str) -> DictConfig:
        cfg = compose(name, [f"paths.output={tmp_path}/outputs", *overrides])
        if OmegaConf.is_interpolation(cfg.paths, "run"):  # Hydra itself knows only when it runs
            with open_dict(cfg):
                cfg.paths.run = str(tmp_path / "outputs" / "run")
        return cfg

    with initialize_config_module("conf", **version_options()):
        yield composed


@pytest.fixture
def tiny(compose_config: Compose, photos: Path) -> Compose:
    """``tiny(*overrides)`` composes a training run of a second on the photos."""

    def composed(*overrides: str) -> DictConfig:
        model = () if any(o.startswith("model=") for o in overrides) else TINY_MODEL
        return compose_config("train", *TINY, *model, f"data.root={photos}", *overrides)

    return composed


def command_environment(tmp_path: Path) -> dict[str, str]:
    """Variables for a command of a test: its output goes to the test's folder.

    Sweeps of other tests, which run at the same time, do not wait for it nor it for them.
    """
    own = {"EVENHAND_OUTPUT": str(tmp_path / "outputs"), "OMP_NUM_THREADS": "1"}
    return {**os.environ, **own, "EVENHAND_SLOTS": str(tmp_path / "slots")}


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """``command("train", *overrides)`` runs ``python -m project.train`` as a user would."""

    def run(name: str, *overrides: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", f"project.{name}", *overrides],
            cwd=REPOSITORY,
            env=command_environment(tmp_path) | environment,
            capture_output=True,
            text=True,
            timeout=1200,
            check=False,
        )

    return run
