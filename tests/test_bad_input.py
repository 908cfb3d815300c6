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
import errno, torch
def save(checkpoint, path):
    raise OSError(errno.ENOSPC, "No space left on device", str(path))
torch.save = save
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


# A shell's background jobs ignore Ctrl-C, and so do the tests that are one, and their children.
LISTENING = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("project.train", run_name="__main__", alter_sys=True)
"""


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
        [sys.executable, "-c", LISTENING, *overrides],
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


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["+epochs=3"], r"epochs: nothing reads this key"),
        (["+optimiser.lr=5"], r'optimiser: nothing reads this key.*Did you mean "optimizer"\?'),
        (["+callbacks.early_stopping.patience=3"], r"callbacks=\[default,early_stopping\]"),
        (["monitor=val/loss"], r"the best val/loss is the minimum. Add monitor_mode=min"),
        (["monitor_mode=min"], r"the best val/macro_recall is the maximum"),
        (["trainer.limit_val_batches=0"], r"expected validation batches"),
        (["trainer.check_val_every_n_epoch=5"], r"expected at most 1, which is"),
        (["trainer.limit_train_batches=1.5"], r"trainer: pytorch_lightning\.Trainer cannot be bu"),
        (["data.num_workers=-1"], r"data\.num_workers: expected 0 or more, got -1"),
        (["data.crop_area=[0.1,0.2]"], r"only random_resized uses them"),
        (["data.folds=3"], r"data\.folds=3: choose the fold"),
        (["oversampling=copy", "oversampling.variants=fresh"], r"mean nothing for exact copies"),
        (
            ["callbacks=[default,early_stopping]", "callbacks.early_stopping.monitor=val/los"],
            r'Did you mean "val/loss"\?',
        ),
        (
            ["model=vit_tiny", "data.size=100"],
            r"VisionTransformer cannot take pictures of 3 channels and 100 x 100 pixels",
        ),
        (["model=alexnet", "data.size=24"], r"AlexNet cannot take pictures .* 24 x 24 pixels"),
        (["logger=wandb", "logger.wandb.mode=online"], r"nobody has logged in to W&B here"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_settings_that_could_not_work_or_would_do_nothing(
    tiny: Compose, overrides: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", "/nowhere")
    with pytest.raises(EvenhandError, match=message):
        run(tiny(*overrides))


@pytest.mark.filterwarnings("ignore:.*could not find the monitored key")
def test_training_that_ends_before_its_first_validation_says_so(tiny: Compose) -> None:
    with pytest.raises(TrainingError, match=r"at least one validation.*Raise trainer\.max_steps"):
        run(tiny("trainer.max_steps=1", "scheduler=none"))


@pytest.mark.slow  # three whole commands
def test_refused_run_leaves_the_finished_one_untouched(
    command: Command, photos: Path, tmp_path: Path
) -> None:
    overrides = [*TINY, *TINY_MODEL, f"data.root={photos}", f"hydra.run.dir={tmp_path}/a=1,b"]
    assert command("train", *overrides).returncode == 0
    directory = RunDirectory(tmp_path / "a=1,b")
    before = directory.config_file.read_bytes()
    again = command("train", *overrides, "seed=9")
    assert again.returncode == 1
    assert "would overwrite it" in again.stderr
    assert directory.config_file.read_bytes() == before
    done = command("evaluate", f"run={directory.path}", "data.split=test")  # as it was printed
    assert done.returncode == 0, done.stderr[-2000:]


def test_interrupted_run_has_a_page_and_knows_its_classes(tiny: Compose) -> None:
    cfg = tiny("+callbacks.poison._target_=tests.test_bad_input.Poison", "trainer.max_epochs=3")
    with pytest.raises(TrainingError):
        run(cfg)
    directory = RunDirectory(Path(cfg.paths.run))
    assert read_record(directory).classes == ["hat", "outer", "top"]
    assert "TrainingError" in directory.report_file.read_text(encoding="utf-8")


def test_nothing_of_an_unfinished_attempt_passes_as_new(tiny: Compose) -> None:
    poisoned = tiny(
        "+callbacks.poison._target_=tests.test_bad_input.Poison", "trainer.max_epochs=3"
    )
    with pytest.raises(TrainingError):
        run(poisoned)
    directory = RunDirectory(Path(poisoned.paths.run))
    assert directory.checkpoint("best").exists()
    with pytest.raises(ConfigError):
        run(tiny("sampler.q=7"))
    assert not directory.checkpoint("best").exists()


def test_run_without_a_test_split_is_measured_on_validation(tiny: Compose, photos: Path) -> None:
    record = run(tiny(f"data.root={photos}/train", "data.test_fraction=0"))
    assert record.state == "finished"
    assert not any(name.startswith("test/") for name in record.metrics)
    assert "val/macro_recall" in record.metrics
