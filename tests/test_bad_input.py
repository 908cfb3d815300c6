"""Each mistake that a user can make gets its answer before, or instead of, a wasted training."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from project.errors import ConfigError, DataError, EvenhandError, ModelError, TrainingError
from project.runs.directory import RunDirectory
from project.runs.record import read_record
from project.train import run
from tests.conftest import (
    COLORS,
    REPOSITORY,
    TINY,
    TINY_MODEL,
    Command,
    Compose,
    command_environment,
    draw_photo,
)

Layout = dict[str, int]


def photos_at(root: Path, layout: Layout) -> Path:
    rng = np.random.default_rng(1)
    for folder, count in layout.items():
        (root / folder).mkdir(parents=True)
        for number in range(count):
            color = COLORS.get(Path(folder).name, (9, 9, 9))
            draw_photo(color, rng).save(root / folder / f"{number}.png")
    return root


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ({}, r"nowhere"),
        ({"hat": 0, "top": 0}, r"(?i)no images"),
        ({"hat": 9}, r"(?i)(one|single) class|at least two classes"),
        ({"hat": 2, "top": 9}, r'"hat"'),
        (
            {"train/hat": 3, "train/top": 3, "val/hat": 3, "val/top": 3, "val/outer": 2},
            r'"outer"',
        ),
    ],
    ids=["missing_folder", "no_images", "one_class", "too_few_of_a_class", "class_only_in_val"],
)
def test_photos_that_cannot_be_used(
    tiny: Compose, tmp_path: Path, layout: Layout, message: str
) -> None:
    root = photos_at(tmp_path / "mine", layout) if layout else tmp_path / "nowhere"
    with pytest.raises(DataError, match=message):
        run(tiny(f"data.root={root}"))


def test_all_bad_photos_are_listed_at_once(tiny: Compose, tmp_path: Path) -> None:
    root = photos_at(tmp_path / "mine", {"hat": 9, "top": 9})
    (root / "hat" / "empty.jpg").touch()
    (root / "top" / "text.png").write_text("not an image")
    with pytest.raises(DataError, match=r"(?s)2 of 20 images.*hat/empty\.jpg: empty.*top/text"):
        run(tiny(f"data.root={root}"))


@pytest.mark.parametrize(
    ("override", "error", "message"),
    [
        ("data.batch_size=abc", ConfigError, r"data\.batch_size: expected int, got 'abc' \(str\)"),
        ("data.size=[1,2,3]", ConfigError, r"expected one number or \[height, width\]"),
        ("data.crop=middle", ConfigError, r"data\.crop: expected .*center.* got 'middle'"),
        ("trainer.max_epochs=many", ConfigError, r"trainer\.max_epochs: expected .* got 'many'"),
        ("optimizer.lr=fast", ConfigError, r"optimizer\.lr: expected .*float.* got 'fast'"),
        ("+model.depht=3", ConfigError, r'model\.depht: .* Did you mean "depth"\?'),
        (
            "+augmentation.transforms.flip.prob=1",
            ConfigError,
            r"augmentation\.transforms\.flip\.prob: HorizontalFlip has no such argument; .*p",
        ),
        (
            "augmentation.transforms.flip._target_=albumentations.HorizontalFlop",
            ConfigError,
            r"(?s)cannot be imported .*Did you mean \"HorizontalFlip\"\?",
        ),
        ("oversampling.factors={hatt: 2}", ConfigError, r"no class is called 'hatt'.*\"hat\""),
        ("seed=-1", ConfigError, r"seed: expected a number from 0 to 2\^32 - 1, got -1"),
        ("sampler.q=7", ConfigError, r"sampler\.q: expected a power from 0 .* got 7"),
        ("trainer.accelerator=auto trainer.devices=4", ConfigError, r"trainer\.devices=4: "),
        ("trainer.devices=4096", ConfigError, r"devices=4096: expected at most \d+, the cores"),
        ("model=timm model.name=resnet81", ModelError, r'"resnet81".*Did you mean "resnet'),
        ("monitor=val/macro_recal", ConfigError, r"monitor.*Did you mean \"val/macro_recall\"\?"),
        ("callbacks=[early_stopping]", ConfigError, r"callbacks: .*default"),
    ],
)
def test_values_that_cannot_be_used(
    tiny: Compose, override: str, error: type[EvenhandError], message: str
) -> None:
    with pytest.raises(error, match=message):
        run(tiny(*re.split(r" (?=trainer|model)", override)))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["data.batchsize=3"],
            "data.batchsize: there is no such key. Did you mean data.batch_size?",
        ),
        (["max_epochs=3"], "max_epochs: there is no such key. Did you mean trainer.max_epochs?"),
        (["modle=resnet18"], "modle: there is no such key. Did you mean model?"),
        (["model=resnet81"], 'Did you mean "resnet18"?'),
        (["data=foldr"], 'Did you mean "folder"?'),
        (["--multirun", "sede=1,2"], "sede: there is no such key. Did you mean seed?"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_typo_is_answered_in_a_moment_with_what_was_meant(
    command: Command, overrides: list[str], message: str
) -> None:
    done = command("train", *overrides)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_value_is_named(tiny: Compose) -> None:
    with pytest.raises(ConfigError, match=r"data\.root: a value is needed .* data\.root=<value>"):
        run(tiny("data.root=???"))


class Poison(pl.Callback):
    """Ruins the weights when the second epoch begins, as a diverging step would."""

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch == 1:
            next(pl_module.parameters()).data.fill_(float("nan"))


def test_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_weights(
    tiny: Compose,
) -> None:
    cfg = tiny("+callbacks.poison._target_=tests.test_bad_input.Poison", "trainer.max_epochs=3")
    with pytest.raises(TrainingError, match=r"got nan at epoch 1, global step 4.*optimizer\.lr"):
        run(cfg)
    directory = RunDirectory(Path(cfg.paths.run))
    record = read_record(directory)
    assert record.state == "failed"
    assert record.error is not None
    assert record.error.type == "TrainingError"
    for which in ("best", "last"):
        weights = torch.load(directory.existing_checkpoint(which), weights_only=True)
        assert all(torch.isfinite(value).all() for value in weights["state_dict"].values())


def test_output_folder_that_cannot_be_written_is_named(command: Command, tmp_path: Path) -> None:
    blocked = tmp_path / "a_file"
    blocked.touch()
    done = command("train", f"paths.output={blocked}/outputs")
    assert done.returncode == 1
    assert "a_file" in done.stderr
    assert "paths.output=<folder>" in done.stderr
    assert "Traceback" not in done.stderr


FULL_DISK = """
import errno, sys
from pytorch_lightning.plugins.io import TorchCheckpointIO
def save_checkpoint(self, checkpoint, path, storage_options=None):
    raise OSError(errno.ENOSPC, "No space left on device", str(path))
TorchCheckpointIO.save_checkpoint = save_checkpoint
from project.train import main
main()
"""


def test_full_disk_is_named_and_recorded(tmp_path: Path, photos: Path) -> None:
    output = tmp_path / "run"
    overrides = [*TINY, *TINY_MODEL, f"data.root={photos}", f"hydra.run.dir={output}"]
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, *overrides],
        cwd=REPOSITORY,
        env=command_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 1
    assert "best.ckpt: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads((output / "run.json").read_text())["state"] == "failed"


def wait_for(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_ctrl_c_keeps_what_was_reached_and_marks_the_run(tmp_path: Path, photos: Path) -> None:
    output = tmp_path / "run"
    overrides = [
        *TINY,
        *TINY_MODEL,
        f"data.root={photos}",
        f"hydra.run.dir={output}",
        "trainer.max_epochs=9999",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "project.train", *overrides],
        cwd=REPOSITORY,
        env=command_environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    directory = RunDirectory(output)
    wait_for(lambda: directory.checkpoint("last").exists(), process)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Interrupted." in errors
    assert "Traceback" not in errors
    assert read_record(directory).state == "interrupted"
    assert directory.metrics_file.stat().st_size > 0
    assert torch.load(directory.checkpoint("best"), weights_only=True)["epoch"] >= 0


def test_finished_run_is_not_overwritten(tiny: Compose) -> None:
    cfg = tiny()
    run(cfg)
    with pytest.raises(EvenhandError, match=r"holds a run that finished at .* would overwrite it"):
        run(cfg)
