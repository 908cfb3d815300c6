"""The published cases, as experiments that a reader runs and changes by one key."""

import json
from pathlib import Path

import pytest
import pytorch_lightning as pl

from project import build
from project.checking import check
from project.errors import ConfigError
from tests.conftest import Command, Compose

CASES = (
    "clothing",
    "head_direction",
    "cats_dogs",
    "car_damage",
    "traffic_signs",
    "surface_crack",
    "transfer",
)
ABLATIONS = {
    "clothing": "oversampling=outer_color_x4",
    "head_direction": "data.background=varied",
    "cats_dogs": "head=published_clamped",
    "car_damage": "augmentation=car_damage",
    "traffic_signs": "optimizer.lr=1e-2",
    "surface_crack": "augmentation=none",
    "transfer": "pretrain=null",
}


@pytest.mark.parametrize("scale", ["published", "small"])
@pytest.mark.parametrize("case", CASES)
def test_experiment_takes_its_ablation_and_other_choices_by_one_key(
    compose_config: Compose, case: str, scale: str
) -> None:
    words = [f"experiment={case}", f"scale={scale}"]
    for more in ([], [ABLATIONS[case]], ["model=resnet18", "head=own", "pretrain=null"]):
        check(compose_config("train", *words, *more))
    for choice in (
        "augmentation=light",
        "optimizer=adamw",
        "scheduler=cosine",
        "callbacks=[default]",
    ):
        check(compose_config("train", *words, choice))


@pytest.mark.parametrize("case", CASES)
def test_small_scale_is_smaller_than_the_published(compose_config: Compose, case: str) -> None:
    published = compose_config("train", f"experiment={case}")
    small = compose_config("train", f"experiment={case}", "scale=small")
    assert (small.scale, published.scale) == ("small", "published")
    assert small.data.size in (48, 64, 96)
    sides = published.data.size
    assert small.data.size < (sides if isinstance(sides, int) else min(sides))
    assert small.data.source == published.data.source
    assert small.trainer.max_epochs <= published.trainer.max_epochs


@pytest.mark.parametrize("words", [[], ["experiment=wardrobe"]])
def test_scale_that_would_change_nothing_is_refused(
    compose_config: Compose, words: list[str]
) -> None:
    with pytest.raises(ConfigError, match=r"scale: a value is needed .* Choose an experiment"):
        check(compose_config("train", "scale=small", *words))


@pytest.mark.slow
def test_one_file_sweeps_over_all_that_was_tried_for_the_coats(
    command: Command, tmp_path: Path
) -> None:
    words = ["experiment=clothing", "sweep=clothing", "scale=small", "debug=one_step"]
    place = [f"paths.data={tmp_path}/data", f"hydra.sweep.dir={tmp_path}/sweep"]
    done = command("train", "--multirun", *words, *place, "data.source.scale=0.05")
    assert done.returncode == 0, done.stdout[-3000:]
    tried = {run.parent.name.partition("=")[2] for run in (tmp_path / "sweep").glob("*/run.json")}
    assert tried == {
        "none",
        "outer_geometric_x4",
        "outer_copy_x4",
        "outer_color_x4",
        "all_color_x4",
        "all_color_x4_outer_x8",
    }


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_small_experiment_runs_from_the_shell(command: Command, case: str, tmp_path: Path) -> None:
    words = [f"experiment={case}", "scale=small", f"hydra.run.dir={tmp_path}/run"]
    short = ["trainer.max_epochs=1", "trainer.limit_train_batches=2"]
    if case == "transfer":
        words.append("pretrain=[experiment=transfer_source,scale=small,debug=one_step]")
    done = command("train", *words, *short, f"paths.data={tmp_path}/data")
    assert done.returncode == 0, done.stderr[-3000:]
    record = json.loads((tmp_path / "run" / "run.json").read_bytes())
    assert record["state"] == "finished"
    assert 0 <= record["metrics"]["test/macro_recall"] <= 1


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_experiment_of_published_size_takes_a_real_step(
    compose_config: Compose, case: str, tmp_path: Path
) -> None:
    cfg = compose_config(
        "train",
        f"experiment={case}",
        "data.batch_size=2",
        "data.num_workers=0",
        "data.source.scale=0.2",
        "scheduler=none",  # which would refuse to warm up for longer than a step
        f"paths.data={tmp_path}/data",
        f"paths.cache={tmp_path}/cache",
    )
    check(cfg)
    build.seed_everything(cfg.seed)
    data = build.datamodule(cfg)
    data.prepare_data()
    classes = data.catalog.classes
    model = build.classifier(cfg, classes, data.plan.images.tolist())
    before = [p.detach().clone() for p in list(model.parameters())[:2]]
    trainer = pl.Trainer(
        accelerator="cpu",
        max_steps=1,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
        use_distributed_sampler=False,
    )
    trainer.fit(model, datamodule=data)
    assert trainer.global_step == 1
    assert any((a != b).any() for a, b in zip(before, model.parameters(), strict=False))
