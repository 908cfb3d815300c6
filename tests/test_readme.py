"""Every command of the README runs, as it stands there, on small data and for one batch."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from project import train
from project.runs.directory import RunDirectory
from project.runs.sweeps import SweepDirectory, SweepFacts
from tests.conftest import REPOSITORY, Compose, command_environment

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
LINES = [
    line.partition("  #")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.strip() and not line.startswith("#")
]
COMMANDS = [line for line in LINES if line.startswith("python -m project.") and "key=" not in line]
TARGETS = [line for line in LINES if line.startswith("make ")]

# One batch of few photos; with the wardrobe, a fiftieth of it.
SMALL = ["debug=one_step", "data.batch_size=4", "trainer.enable_progress_bar=false"]
WARDROBE = ["data.source.scale=0.02"]
# Folders of conf/ that the tour leaves out.
NO_CHOICES = {"paths", "hydra", "debug", "experiment", "published"}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the small wardrobe lies, for all commands."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def finished_run(tiny: Compose, tmp_path: Path) -> Path:
    """A run for commands that need one; `hat` and `top` are among its classes."""
    cfg = tiny(f"paths.run={tmp_path}/finished", "oversampling=copy")
    train.run(cfg)
    return Path(cfg.paths.run)


@pytest.fixture
def stopped_run(tiny: Compose, tmp_path: Path) -> Path:
    """A run that was stopped between training and test."""
    cfg = tiny(f"paths.run={tmp_path}/stopped")
    record = train.run(cfg)
    run = RunDirectory(Path(cfg.paths.run))
    record.state = "interrupted"
    record.write(run)
    run.predictions("test").unlink()
    return run.path


@pytest.fixture
def left_sweep(measured: Callable[..., RunDirectory], tmp_path: Path) -> Path:
    """A sweep over samplers, for commands that compare or look at it."""
    facts = SweepFacts()
    for sampler in ("natural", "balanced"):
        measured(f"sweep/sampler={sampler}", sampler, 1)
        facts.overrides[f"sampler={sampler}"] = [f"sampler={sampler}"]
    facts.write(SweepDirectory(tmp_path / "sweep"))
    return tmp_path / "sweep"


@pytest.fixture
def own_photos(tmp_path: Path, photos: Path) -> Path:
    """Photos as the README supposes them: a person in each name, masks beside them."""
    root = tmp_path / "own"
    for split in photos.iterdir():
        for file in split.glob("*/*.jpg"):
            name = f"{file.parent.name}/{file.parent.name}_person{file.stem}_{split.name}.jpg"
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, root / name)
    shutil.copy(root / "hat" / "hat_person0_test.jpg", root / "hat" / "hat_person0_mask.png")
    return root


def test_readme_has_commands() -> None:
    assert len(COMMANDS) > 15
    assert {line.split()[1] for line in TARGETS} == {"train", "test"}


@pytest.mark.slow
@pytest.mark.parametrize("line", COMMANDS)
def test_command_of_the_readme_runs(
    line: str,
    tmp_path: Path,
    drawn: Path,
    own_photos: Path,
    finished_run: Path,
    stopped_run: Path,
    left_sweep: Path,
) -> None:
    line = line.replace("path/to/photos", str(own_photos))
    line = line.replace("path/to/run", str(finished_run))
    line = line.replace("path/to/sweep", str(left_sweep))
    line = line.replace("path/to/stopped", str(stopped_run))
    line = line.replace("path/to/prepared", str(tmp_path / "prepared"))
    for other in ("path/to/indoors", "path/to/outdoors"):
        line = line.replace(other, str(own_photos))
    arguments = shlex.split(line)[1:]
    if "project.train" in arguments and "resume=" not in line:
        known = any(argument.startswith("data=") for argument in arguments)
        arguments += SMALL if known else SMALL + WARDROBE
    if "data.split_file" in line:
        arguments[arguments.index(f"data.root={own_photos}")] = (
            f"data.root={split_root(finished_run)}"
        )
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=REPOSITORY,
        env=command_environment(tmp_path) | {"EVENHAND_DATA": str(drawn), "WANDB_SILENT": "true"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    if "project.sweep" in line:
        assert "sampler=balanced" in done.stdout or "2 finished" in done.stdout
        return
    if "project.cache" in line:
        assert "images" in done.stdout or "Kept:" in done.stdout
        return
    if "project.prepare" in line:
        assert (tmp_path / "prepared" / "splits.csv").exists()
        return
    if "resume=" in line:
        assert RunDirectory(stopped_run).predictions("test").exists()
        return
    left = "comparison.html" if "project.compare" in line or "compare=true" in line else "run.json"
    assert list((tmp_path / "outputs").rglob(left))


def split_root(run: Path) -> str:
    """Where the photos of a run lie: its split names files there."""
    found = re.search(r'"root": "(.*?)"', (run / "run.json").read_text(encoding="utf-8"))
    assert found is not None
    return found[1]


@pytest.mark.parametrize("target", ["help", "install", "train", "test", "test-all", "clean"])
def test_make_knows_the_targets(target: str) -> None:
    done = subprocess.run(
        ["make", "--dry-run", target], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_make_help_lists_every_target() -> None:
    done = subprocess.run(
        ["make", "help"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    for target in ("install", "train", "test", "test-all", "lint", "format", "typecheck"):
        assert re.search(rf"^{target}\s+\S", done.stdout, re.MULTILINE)


def test_tour_names_every_option() -> None:
    for group in sorted((REPOSITORY / "conf").iterdir()):
        if not group.is_dir() or group.name in NO_CHOICES:
            continue
        for file in group.glob("[a-z]*.yaml"):
            assert file.stem in README, f"{group.name}={file.stem}"


def test_ci_runs_the_command_of_the_readme() -> None:
    script = (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")
    assert "make test" in script
    assert os.access(REPOSITORY / ".ci" / "run", os.X_OK)
