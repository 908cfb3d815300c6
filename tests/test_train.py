import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from sklearn.metrics import balanced_accuracy_score, f1_score

from project.commands import training
from project.evaluate import run as evaluate
from project.runs.directory import RunDirectory
from project.runs.predictions import read_predictions
from project.runs.record import read_record
from project.train import run
from tests.conftest import COUNTS, Compose


def finished(cfg_run: str) -> RunDirectory:
    return RunDirectory.open(Path(cfg_run))


def test_run_directory_holds_all_that_it_should(tiny: Compose) -> None:
    cfg = tiny("trainer.max_epochs=2", "tags=[first]")
    run(cfg)
    directory = finished(cfg.paths.run)
    record = read_record(directory)
    assert record.state == "finished"
    assert record.counts == COUNTS
    assert record.draws == COUNTS["train"]
    assert record.classes == ["hat", "outer", "top"]
    assert record.best is not None
    assert record.best.monitor == "val/macro_recall"
    assert record.seconds.keys() >= {"scan", "build", "train", "test", "total"}
    for file in (
        directory.splits_file,
        directory.metrics_file,
        directory.report_file,
        directory.figure("curves"),
        directory.figure("confusion_test"),
        directory.predictions("val"),
        directory.predictions("test"),
        directory.checkpoint("best"),
        directory.checkpoint("last"),
    ):
        assert file.stat().st_size > 0
    assert not list(directory.path.rglob("*.tmp*"))


def test_model_learns_and_its_numbers_are_those_of_the_predictions(tiny: Compose) -> None:
    cfg = tiny("trainer.max_epochs=12", "sampler=balanced", "optimizer.lr=0.01")
    record = run(cfg)
    said = read_predictions(finished(cfg.paths.run), "test")
    assert record.metrics["test/macro_recall"] > 0.8
    expected = balanced_accuracy_score(said.labels, said.predicted)
    assert record.metrics["test/macro_recall"] == pytest.approx(expected)
    expected = f1_score(said.labels, said.predicted, average="macro")
    assert record.metrics["test/macro_f1"] == pytest.approx(expected)
    loss = torch.nn.functional.cross_entropy(torch.tensor(said.logits), torch.tensor(said.labels))
    assert record.metrics["test/loss"] == pytest.approx(float(loss), rel=1e-5)


def test_best_epoch_is_tested_and_not_the_last(tiny: Compose) -> None:
    cfg = tiny("trainer.max_epochs=4", "optimizer.lr=0.02", "monitor=val/accuracy")
    record = run(cfg)
    directory = finished(cfg.paths.run)
    with directory.metrics_file.open() as file:
        rows = [row for row in csv.DictReader(file) if row.get("val/accuracy")]
    by_epoch = [float(row["val/accuracy"]) for row in rows]
    assert len(rows) == cfg.trainer.max_epochs
    assert record.best is not None
    assert record.best.epoch == int(np.argmax(by_epoch))
    assert record.best.value == pytest.approx(max(by_epoch))
    assert record.metrics["val/accuracy"] == pytest.approx(max(by_epoch))


def test_checkpoint_holds_tensors_and_plain_values_only(tiny: Compose) -> None:
    cfg = tiny("callbacks=[default,ema,early_stopping]", "scheduler=plateau")
    run(cfg)
    directory = finished(cfg.paths.run)
    for which in ("best", "last"):
        file = torch.load(directory.existing_checkpoint(which), weights_only=True)
        assert file["evenhand"]["classes"] == ["hat", "outer", "top"]


def test_same_command_gives_the_same_numbers_and_another_seed_others(
    tiny: Compose, tmp_path: Path
) -> None:
    logits = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        cfg = tiny(f"paths.run={tmp_path}/{name}", f"seed={seed}", "augmentation=strong")
        run(cfg)
        logits.append(read_predictions(finished(cfg.paths.run), "test").logits)
    np.testing.assert_array_equal(logits[0], logits[1])
    assert not np.array_equal(logits[0], logits[2])


@pytest.mark.parametrize(
    "options",
    [
        ["mixing=mixup_cutmix", "loss=binary_cross_entropy"],
        ["loss=focal", "optimizer=sgd", "scheduler=one_cycle"],
        ["loss=logit_adjusted", "sampler=square_root", "scheduler=step"],
        ["oversampling=outer_color_x4", "sampler=effective_number", "augmentation=randaugment"],
        ["trainer.gradient_clip_val=1.0", "trainer.accumulate_grad_batches=2"],
        ["trainer.precision=bf16-mixed", "data.crop=random_resized"],
        ["callbacks=[default,ema]", "callbacks.ema.decay=0.9"],
        ["optimizer=timm", "optimizer.opt=lamb", "loss.class_weights=balanced"],
    ],
    ids=lambda options: options[0],
)
def test_options_train_together(tiny: Compose, options: list[str]) -> None:
    record = run(tiny(*options))
    assert record.state == "finished"
    assert 0 <= record.metrics["test/macro_recall"] <= 1


def test_draws_of_the_log_are_those_of_sampler_and_oversampling(
    tiny: Compose, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    record = run(tiny("oversampling=outer_copy_x4", "sampler=balanced"))
    assert record.draws == {"hat": 35, "outer": 35, "top": 34}  # 8 + 4 x 16 + 32 in equal parts
    table = [line.split() for line in caplog.text.splitlines()]
    assert ["outer", "16", "4", "6", "4", "35", "2.19"] in table


def test_ema_is_what_is_saved_and_tested(
    tiny: Compose, compose_config: Compose, tmp_path: Path
) -> None:
    ema = ("callbacks=[default,ema]", "callbacks.ema.decay=0.9")
    averaged, plain = (
        run(tiny(f"paths.run={tmp_path}/{name}", "trainer.max_epochs=2", *options))
        for name, options in (("averaged", ema), ("plain", ()))
    )
    file = torch.load(tmp_path / "averaged" / "checkpoints" / "best.ckpt", weights_only=True)
    weights = {k: v for k, v in file["state_dict"].items() if k.endswith("weight")}
    assert any(not torch.equal(v, file["current_model_state"][k]) for k, v in weights.items())
    assert averaged.metrics["test/loss"] != plain.metrics["test/loss"]
    again = evaluate(compose_config("evaluate", f"run={tmp_path}/averaged"))
    assert again.metrics["test/loss"] == averaged.metrics["test/loss"]


def test_early_stopping_ends_training(tiny: Compose) -> None:
    cfg = tiny(
        "callbacks=[default,early_stopping]",
        "callbacks.early_stopping.patience=1",
        "optimizer.lr=0.0",
        "trainer.max_epochs=9",
    )
    run(cfg)
    last = torch.load(finished(cfg.paths.run).checkpoint("last"), weights_only=True)
    assert last["epoch"] == 1


def test_skipped_photos_are_counted_everywhere(
    tiny: Compose, tmp_path: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "some"
    shutil.copytree(photos, root)
    (root / "train" / "top" / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    cfg = tiny(f"data.root={root}", "data.on_bad_image=skip")
    record = run(cfg)
    assert list(record.data.skipped) == ["train/top/torn.jpg"]
    assert "skipped        1" in capsys.readouterr().out
    assert "torn.jpg" in finished(cfg.paths.run).record_file.read_text()


def test_photos_of_test_that_are_also_in_train_are_told(
    tiny: Compose, tmp_path: Path, photos: Path
) -> None:
    root = tmp_path / "leaky"
    shutil.copytree(photos, root)
    shutil.copy(root / "train" / "hat" / "0.jpg", root / "test" / "hat" / "again.jpg")
    record = run(tiny(f"data.root={root}"))
    assert record.data.leaks == 1
    assert "also in train, byte for byte" in record.messages[0]


def test_record_is_json_that_anyone_can_read(tiny: Compose) -> None:
    cfg = tiny()
    run(cfg)
    plain = json.loads(finished(cfg.paths.run).record_file.read_text())
    assert plain["state"] == "finished"


def test_class_names_and_folders_of_any_script_come_through(
    tiny: Compose, tmp_path: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"hat": "모자", "outer": "외투", "top": 't-shirt "old"'}
    root = tmp_path / "옷 사진 [2024] 'mine'"
    for split in COUNTS:
        for name, own in names.items():
            shutil.copytree(photos / split / name, root / split / own)
    cfg = tiny(f"data.root='{str(root).replace(chr(39), chr(92) + chr(39))}'", "logger=tensorboard")
    record = run(cfg)
    directory = finished(cfg.paths.run)
    assert record.classes == ['t-shirt "old"', "모자", "외투"]
    assert 0 <= record.metrics["test/recall/외투"] <= 1
    said = read_predictions(directory, "test")
    assert {path.split("/")[1] for path in said.paths} == set(names.values())
    printed, page = capsys.readouterr().out, directory.report_file.read_text(encoding="utf-8")
    for name in names.values():
        assert name in printed
        assert name.replace('"', "&#34;") in page
    assert "외투" in directory.splits_file.read_text(encoding="utf-8")


def test_milliseconds_that_cannot_be_measured_do_not_fail_a_trained_run(
    tiny: Compose, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any) -> float:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(training, "milliseconds_per_image", full)
    model: Any = None
    assert training._latency(pl.Trainer(), model, tiny()) is None
    assert "for an image could not be measured: CUDA out of memory" in caplog.text
