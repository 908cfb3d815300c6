"""Every option of every group composes, fits the signature that it goes to, and builds."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

import conf
from project import build
from project.checking import check
from project.data.datamodule import PhotoDataModule
from project.errors import ConfigError
from project.launch.composition.composed import plain
from project.models.classifier import Classifier
from project.runs.directory import RunDirectory
from tests.conftest import Compose

FOLDER = Path(conf.__path__[0])
OPTIONS = sorted(
    f"{file.parent.name}={file.stem}"
    for file in FOLDER.glob("*/*.yaml")
    if file.stem[0] != "_" and file.parent.name != "published"  # data, not options
)
# What an option cannot do without.
NEEDS = {
    "data=folder": ["data.root=photos"],
    "data=filename": ["data.root=photos"],
    "data=table": ["data.root=photos", "data.source.table=labels.csv"],
    "model=timm": ["model.name=test_resnet"],
    "model=torchvision": ["model.name=resnet18"],
    "model=custom": ["model._target_=project.models.small_cnn.SmallCNN"],
    "model=cats_dogs": ["data.size=256"],
    "model=head_direction": ["model.adaptive=true", "model.width=0.1"],
    "optimizer=timm": ["optimizer.opt=lamb"],
    "trainer=ddp": ["trainer.accelerator=cpu"],
    "scale=small": ["experiment=clothing"],
    "hydra=cache": ["action=prune"],
    "hydra=compare": ["runs=somewhere"],
    "hydra=sweep": ["dir=somewhere"],
    "hydra=prepare": ["to=somewhere"],
}
NEEDS_GPU = set() if torch.cuda.is_available() else {"trainer=gpu", "trainer=fsdp"}
SETTINGS = {"paths", "hydra"}
OVERLAYS = {"debug", "experiment", "scale", "sweep"}
PARTS = {"sampler", "oversampling", "augmentation", "mixing"}
# Hundreds of megabytes of weights.
LARGE = {"model=vgg11", "model=alexnet", "model=resnet50", "model=cats_dogs"}


def composed(compose_config: Compose, option: str) -> Any:
    group = option.partition("=")[0]
    chosen = option.replace("=", "=[", 1) + "]" if group == "callbacks" else option
    if option.startswith("hydra="):
        root = option.partition("=")[2].replace("default", "evaluate")
        return compose_config(root, *NEEDS.get(option, ["run=somewhere"]))
    return compose_config("train", chosen, *NEEDS.get(option, []))


@pytest.mark.parametrize("option", OPTIONS)
def test_option_composes_and_fits_its_signature(compose_config: Compose, option: str) -> None:
    if option.startswith("hydra="):
        assert composed(compose_config, option).paths.output
    elif option in NEEDS_GPU:
        with pytest.raises(ConfigError, match="no usable GPU"):
            check(composed(compose_config, option))
    else:
        check(composed(compose_config, option))


def built_options() -> list[Any]:
    """Options that build something, the large ones marked as slow."""
    return [
        pytest.param(option, marks=pytest.mark.slow) if option in LARGE else option
        for option in OPTIONS
        if option.partition("=")[0] not in SETTINGS | OVERLAYS | {"data", "trainer"}
    ]


@pytest.mark.parametrize("option", built_options())
def test_option_builds(compose_config: Compose, option: str) -> None:
    cfg = composed(compose_config, option)
    group = option.partition("=")[0]
    if group in PARTS:
        assert build.part(cfg, group) is not None
    elif group in ("callbacks", "logger"):
        assert all(build.part(cfg[group], name) for name in cfg[group])
    else:
        assert isinstance(build.classifier(cfg, ["a", "b", "c"], [3, 4, 5]), Classifier)


@pytest.mark.parametrize("option", [o for o in OPTIONS if o.startswith("data=")])
def test_data_option_builds_its_source(compose_config: Compose, option: str) -> None:
    data = build.datamodule(composed(compose_config, option))
    assert isinstance(data, PhotoDataModule)


@pytest.mark.parametrize("name", ["auto", "cpu"])
def test_trainer_option_builds(tiny: Compose, name: str, tmp_path: Path) -> None:
    cfg = tiny(f"trainer={name}")
    data = build.datamodule(cfg)
    trainer = build.trainer(cfg, RunDirectory(tmp_path), data)
    assert trainer.max_epochs == cfg.trainer.max_epochs


@pytest.mark.parametrize(
    "option", [o for o in OPTIONS if o.partition("=")[0] not in SETTINGS | OVERLAYS]
)
def test_constructor_begins_with_its_target(option: str) -> None:
    group, _, name = option.partition("=")
    lines = (FOLDER / group / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    first = next(line for line in lines if line and not line.startswith("#"))
    named = group in ("callbacks", "logger") and re.fullmatch(r"\w+:|\{\}", first)
    assert first.startswith(("_target_:", "defaults:")) or named or option == "head=own"


@pytest.mark.parametrize("case", ["cats_dogs", "car_damage", "traffic_signs", "surface_crack"])
def test_option_for_photos_reads_the_layout_that_its_drawn_one_writes(
    compose_config: Compose, tmp_path: Path, case: str
) -> None:
    small = ["data.source.scale=0.01", "data.source.image_size=16", f"data.root={tmp_path}/photos"]
    drawn = compose_config("train", f"data={case}_drawn", *small)
    listing = build.part(drawn.data, "source")(root=drawn.data.root).listing()
    photos = compose_config("train", f"data={case}", f"data.root={tmp_path}/photos")
    found = build.part(photos.data, "source")(root=photos.data.root).listing()
    assert found["path"].equals(listing["path"])
    assert found["label"].equals(listing["label"])
    assert drawn.data.classes == photos.data.classes


def test_photos_of_one_traffic_sign_are_a_group(compose_config: Compose, tmp_path: Path) -> None:
    names = ["Train/3/00003_00001_00029.png", "Train/00007/00001_00029.png"]
    for name in [*names, names[0].replace("29", "28")]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    data = compose_config("train", "data=traffic_signs").data
    listing = build.part(data, "source")(root=tmp_path).listing()
    assert listing["group"].to_pylist() == ["00007/00001", "3/00003_00001", "3/00003_00001"]


def test_background_is_a_short_name_that_the_source_follows(compose_config: Compose) -> None:
    cfg = compose_config("train", "data=faces", "data.background=varied")
    assert cfg.data.source.background == "varied"
    assert [cfg.data.tests[name].background for name in cfg.data.tests] == ["shared", "shifted"]
    check(cfg)
    with pytest.raises(ConfigError, match=r"data\.background=shared: .* got varied at data"):
        check(compose_config("train", "data=faces", "data.source.background=varied"))
    with pytest.raises(ConfigError, match=r"data\.background=varied: .* got no such key"):
        check(compose_config("train", "+data.background=varied"))


def test_saved_configuration_is_plain(compose_config: Compose) -> None:
    values = plain(compose_config("train"))
    assert OmegaConf.create(values) == OmegaConf.create(OmegaConf.to_yaml(OmegaConf.create(values)))


def test_user_supplied_classes_build(compose_config: Compose) -> None:
    cfg = compose_config(
        "train",
        "augmentation=none",
        "+augmentation.transforms.blur._target_=albumentations.MedianBlur",
        "model=custom",
        "model._target_=torchvision.models.squeezenet1_1",
    )
    check(cfg)
    assert build.part(cfg, "augmentation").names == ("blur",)
    assert isinstance(build.classifier(cfg, ["a", "b"], [1, 1]), Classifier)


@pytest.mark.parametrize("option", [o for o in OPTIONS if o.startswith("experiment=")])
def test_experiment_opens_with_claim_source_command_expect_and_cost(option: str) -> None:
    file = FOLDER / f"{option.replace('=', '/')}.yaml"
    lines = file.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# @package _global_"
    header = "\n".join(line for line in lines if line.startswith("#"))
    opens = re.findall(r"^# (\w+): +\S", header, re.MULTILINE)
    assert opens == ["Claim", "Source", "Command", "Expect", "Cost"]
