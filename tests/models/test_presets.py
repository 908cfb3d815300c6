"""Every option of the groups that build models, losses, optimizers and schedules."""

from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from project.launch.cli.hydra_versions import instantiate
from project.models.backbones import COMPLETION, PREPARATION, prepare_backbone
from project.models.schedules import Course

CONF = Path(__file__).parents[2] / "conf"
COUNTS = [20, 300, 80]
SIZE = 256  # what the data is fitted to by default
BIG = {"alexnet", "vgg11", "resnet34", "resnet50", "googlenet", "efficientnet_b0"}
PUBLISHED = {"head_direction", "cats_dogs"}  # take one size of pictures unless told to adapt
OPEN = {"timm": "test_resnet", "torchvision": "mobilenet_v3_small"}


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def preset(group: str, option: str) -> DictConfig:
    config = OmegaConf.load(CONF / group / f"{option}.yaml")
    assert isinstance(config, DictConfig)
    return config


def model_preset(option: str) -> tuple[DictConfig, dict[str, Any]]:
    """What the network takes, small and of any image size, and what is done to it."""
    config = preset("model", option)
    if option in PUBLISHED:
        config.adaptive, config.width = True, 0.1
    prepared = {key: config.pop(key) for key in PREPARATION}
    for key in COMPLETION:
        config.pop(key, None)
    return config, prepared


def model_options() -> list[object]:
    return [
        pytest.param(option, marks=[pytest.mark.slow] if option in BIG else [])
        for option in options("model")
    ]


@pytest.mark.parametrize("option", model_options())
def test_each_model_gives_one_logit_a_class(option: str) -> None:
    config, prepared = model_preset(option)
    if option in OPEN:
        config.name = OPEN[option]
    if option == "custom":
        config["_target_"] = "project.models.small_cnn.SmallCNN"
    backbone = instantiate(config, num_classes=len(COUNTS))
    prepare_backbone(backbone, **prepared)
    with torch.inference_mode():
        logits = backbone.eval()(torch.rand(2, 3, SIZE, SIZE))
    assert logits.shape == (2, len(COUNTS))


@pytest.mark.slow
@pytest.mark.parametrize("size", [64, 96, 224])
@pytest.mark.parametrize("option", [o for o in options("model") if o not in {*OPEN, "custom"}])
def test_each_preset_trains_on_other_sizes(option: str, size: int) -> None:
    config, _ = model_preset(option)
    backbone = instantiate(config, num_classes=len(COUNTS)).train()
    torch.autograd.backward(backbone(torch.rand(2, 3, size, size)).sum())


@pytest.mark.parametrize("option", ["timm", "torchvision"])
def test_open_models_ask_for_a_name(option: str) -> None:
    assert OmegaConf.missing_keys(preset("model", option)) == {"name"}


@pytest.mark.parametrize("option", options("loss"))
def test_each_loss_can_be_trained_with(option: str) -> None:
    logits = torch.randn(4, len(COUNTS), requires_grad=True)
    loss = instantiate(preset("loss", option), class_counts=COUNTS)
    loss(logits, torch.tensor([0, 1, 2, 1])).backward()
    assert logits.grad is not None
    assert bool(logits.grad.isfinite().all())


@pytest.mark.parametrize("option", options("optimizer"))
def test_each_optimizer_takes_a_step(option: str) -> None:
    config = preset("optimizer", option)
    if option == "timm":
        assert OmegaConf.missing_keys(config) == {"opt"}
        config.opt = "lamb"
    weight = torch.nn.Parameter(torch.ones(2, 2))
    optimizer = instantiate(config, _convert_="all")([{"params": [weight]}])
    torch.autograd.backward(weight.square().sum())
    optimizer.step()
    assert bool((weight < 1).all())


@pytest.mark.parametrize("option", options("scheduler"))
def test_each_schedule_is_built(option: str) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    schedule = instantiate(preset("scheduler", option))
    configured = schedule(optimizer, Course(30, 10, "val/loss", "min"))
    assert (configured is None) == (option == "none")
