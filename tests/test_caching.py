"""What caches promise to whole runs."""

import subprocess
import sys
from pathlib import Path

import pytest

from project import train
from project.runs.directory import RunDirectory
from tests.conftest import REPOSITORY, TINY, TINY_MODEL, Compose, command_environment


def predictions(tiny: Compose, folder: Path, *overrides: str) -> bytes:
    """Trains anew and returns all that was predicted, to the last bit."""
    words = ["data.crop=random_resized", "augmentation=color"]
    train.run(tiny(f"paths.run={folder}", *words, *overrides))
    return RunDirectory(folder).predictions("test").read_bytes()


@pytest.mark.slow
def test_predictions_are_the_same_with_every_cache_and_number_of_workers(
    tiny: Compose, tmp_path: Path
) -> None:
    expected = predictions(tiny, tmp_path / "none", "data.cache=none")
    for number, overrides in enumerate(
        [
            ["data.cache=disk"],
            ["data.cache=disk", "data.num_workers=2"],
            ["data.cache=ram", "data.num_workers=1"],
            ["data.cache=none", "data.num_workers=2", "data.augment_in=workers"],
            ["data.cache_limit_gb=0"],
        ]
    ):
        assert predictions(tiny, tmp_path / str(number), *overrides) == expected


@pytest.mark.slow
def test_two_commands_that_start_together_make_one_cache(photos: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "project.train", *TINY, *TINY_MODEL, f"data.root={photos}"]
    both = [
        subprocess.Popen(
            [*words, f"seed={seed}"],
            cwd=REPOSITORY,
            env=command_environment(tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for seed in (1, 2)
    ]
    said = [one.communicate(timeout=600)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    assert "".join(said).count("Image cache: ") == 1
    files = [file.suffix for file in (tmp_path / "outputs" / "cache" / "images").iterdir()]
    assert sorted(files) in (["", ".images"], [".images"], [".images", ".lock"])
