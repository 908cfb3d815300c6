"""Networks as configurations ask for them: head, batch norm, auxiliary losses, weights."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor, nn

from project import build
from project.checking import check
from project.commands import fastest
from project.commands.fastest import with_fastest
from project.commands.resuming import continued
from project.errors import ConfigError, ModelError
from project.evaluate import run as evaluate
from project.models.heads import gap_head
from project.models.timing import Way
from project.runs.directory import RunDirectory
from project.runs.record import read_record
from project.train import run
from tests.conftest import TINY, Command, Compose

CLASSES = ["hat", "outer", "top"]
NARROW = ("model=cats_dogs", "model.width=0.05")


class Plain(nn.Module):
    """A network that offers nothing but logits."""

    def __init__(self, num_classes: int, aux_logits: bool = False) -> None:
        super().__init__()
        self.aux_logits = aux_logits
        self.layer = nn.Linear(3, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.layer(images.mean((2, 3)))
        return logits


def backbone_of(cfg: Any) -> nn.Module:
    check(cfg)
    return build.classifier(cfg, CLASSES, [8, 16, 32]).backbone


def kinds(network: Any) -> list[str]:
    return [type(layer).__name__ for layer in network.classification_head]


def test_heads_of_the_cats_and_dogs_case_differ_in_their_ending_alone(tiny: Compose) -> None:
    hidden = ["Flatten", "Linear", "ReLU", "Linear", "ReLU", "Linear"]
    endings = {
        "fixed": [],
        "log_softmax": ["LogSoftmax"],
        "published_clamped": ["ReLU", "Dropout", "LogSoftmax"],
    }
    weights = []
    for head, ending in endings.items():
        torch.manual_seed(1)
        network: Any = backbone_of(tiny(*NARROW, "data.size=40", f"head={head}"))
        assert kinds(network) == hidden + ending
        assert [layer.out_features for layer in network.classification_head[1:6:2]] == [
            1024,
            512,
            3,
        ]
        weights.append(network.state_dict())
    for other in weights[1:]:
        assert all(torch.equal(other[name], value) for name, value in weights[0].items())


def test_flattened_features_are_counted_at_the_size_of_the_pictures(tiny: Compose) -> None:
    for size, places in ((40, 1), (56, 9)):
        network: Any = backbone_of(tiny(*NARROW, f"data.size={size}", "head=flatten_dense"))
        assert kinds(network) == ["Flatten", "Linear", "ReLU", "Dropout", "Linear"]
        assert network.classification_head[1].in_features == 8 * places  # 8 channels are left
        assert network.classification_head[1].out_features == 64


def test_sizes_and_features_are_keys(tiny: Compose) -> None:
    cfg = tiny("model=timm", "model.name=test_resnet", "data.size=64", "head=flatten_dense")
    OmegaConf.update(cfg, "model.head.hidden", [64, 32])
    OmegaConf.update(cfg, "model.head.features", "pooled")
    network: Any = backbone_of(cfg)
    widths = [m.out_features for m in network.classification_head if isinstance(m, nn.Linear)]
    assert widths == [64, 32, 3]
    assert network.classification_head[1].in_features == 96


def test_a_head_of_ones_own_is_named_by_its_target(tiny: Compose) -> None:
    cfg = tiny("head=gap", f"model.head._target_={__name__}.own_head", "~model.head.dropout")
    network: Any = backbone_of(cfg)
    assert network.classification_head.made_by == "own_head"


def own_head(shape: tuple[int, ...], num_classes: int) -> nn.Module:
    head = gap_head(shape, num_classes)
    head.made_by = "own_head"  # type: ignore[assignment]
    return head


def test_other_size_than_published_is_refused_before_training(tiny: Compose) -> None:
    with pytest.raises(ModelError, match=r"^Expected pictures of 256 x 256 pixels .*adaptive=tr"):
        backbone_of(tiny(*NARROW, "data.size=64"))
    backbone_of(tiny(*NARROW, "data.size=64", "model.adaptive=true"))
    backbone_of(tiny(*NARROW, "data.size=64", "head=gap"))


def test_option_in_the_place_of_a_node_is_answered(tiny: Compose) -> None:
    """Where a program composes; the command line reads it as a choice."""
    with pytest.raises(ConfigError, match=r"model\.head: .* got 'gap'\. Choose an option \(head="):
        check(tiny("model.head=gap"))


def test_mistakes_in_a_head_are_found_before_anything_is_read(tiny: Compose) -> None:
    with pytest.raises(ConfigError, match=r"model\.head\.hiden: dense_head has no such argument"):
        check(tiny("head=fixed", "+model.head.hiden=[3]"))
    with pytest.raises(ConfigError, match=r"model\.head\.dropout: expected float, got 'much'"):
        check(tiny("head=gap", "model.head.dropout=much"))
    with pytest.raises(ModelError, match=r'model\.head\.features to be one of .* got "pool"'):
        backbone_of(tiny("head=gap", "model.head.features=pool"))


def test_network_without_features_keeps_its_own_head(tiny: Compose) -> None:
    plain = ("model=custom", f"model._target_={__name__}.Plain")
    assert isinstance(backbone_of(tiny(*plain)), Plain)
    with pytest.raises(ModelError, match=r"got Plain without\. Give Plain that method, or take"):
        backbone_of(tiny(*plain, "head=gap"))


@pytest.mark.parametrize("way", ["freeze", "remove", "group"])
def test_batch_norm_is_one_key(tiny: Compose, way: str) -> None:
    network = backbone_of(tiny(f"model.batch_norm={way}", "head=gap"))
    assert not [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]


def test_unknown_way_with_batch_norm_is_answered(tiny: Compose) -> None:
    with pytest.raises(ModelError, match=r'model\.batch_norm to be .* got "fix"'):
        backbone_of(tiny("model.batch_norm=fix"))


@pytest.mark.slow
def test_auxiliary_losses_are_one_key(tiny: Compose) -> None:
    small = ("model=googlenet", "data.size=64")
    cfg = tiny(*small, "model.aux_logits=true", "model.aux_weight=0.25")
    check(cfg)
    model = build.classifier(cfg, CLASSES, [8, 16, 32])
    assert model.aux_weight == 0.25
    norm = next(m for m in model.backbone.modules() if isinstance(m, nn.BatchNorm2d))
    assert norm.num_batches_tracked == 0  # what tried it out has not been measured
    assert model.backbone.training
    off = build.classifier(tiny(*small), CLASSES, [8, 16, 32])
    assert off.aux_weight is None
    with pytest.raises(ModelError, match=r"aux_weight to be a number of at least 0, got -1"):
        build.classifier(
            tiny(*small, "model.aux_logits=true", "model.aux_weight=-1"), CLASSES, [8, 16, 32]
        )


@pytest.mark.slow
def test_pictures_below_what_auxiliary_heads_need_are_refused_early(tiny: Compose) -> None:
    """Inception's has a convolution of five pixels on an eighth of a map that is small itself."""
    inception = ("model=torchvision", "model.name=inception_v3", "data.size=96")
    backbone_of(tiny(*inception))
    with pytest.raises(ModelError, match=r"Inception3 cannot take pictures of .* 96 x 96 pixels"):
        backbone_of(tiny(*inception, "+model.aux_logits=true"))


def test_auxiliary_losses_go_with_the_networks_own_head(tiny: Compose) -> None:
    text = r"model\.aux_logits=true: expected the network's own head, .* got project.*gap_head\. S"
    plain = ("model=custom", f"model._target_={__name__}.Plain", "+model.aux_logits=true")
    with pytest.raises(ConfigError, match=text):
        backbone_of(tiny(*plain, "head=gap"))
    text = r"Expected auxiliary logits of Plain with model\.aux_logits=true, got none"
    with pytest.raises(ModelError, match=text):
        backbone_of(tiny(*plain))


@pytest.mark.parametrize("network", ["model=resnet18", "model=googlenet"], ids=str)
def test_weights_come_from_one_place_for_any_network(tiny: Compose, network: str) -> None:
    text = r"both model\.pretrained=true and model\.checkpoint_path=a\.pth\. Leave one of them out"
    with pytest.raises(ModelError, match=text):
        backbone_of(tiny(network, "model.pretrained=true", "model.checkpoint_path=a.pth"))


@pytest.mark.parametrize("network", ["timm", "torchvision"])
def test_named_networks_start_from_a_local_file(
    tiny: Compose, tmp_path: Path, network: str
) -> None:
    name = {"timm": "test_resnet", "torchvision": "mobilenet_v3_small"}[network]
    model = (f"model={network}", f"model.name={name}")
    saved = backbone_of(tiny(*model)).state_dict()
    torch.save({key: value + 1 for key, value in saved.items()}, tmp_path / "weights.pth")
    loaded = backbone_of(tiny(*model, f"model.checkpoint_path={tmp_path}/weights.pth"))
    assert all(torch.equal(value, saved[key] + 1) for key, value in loaded.state_dict().items())


def test_way_to_compute_is_measured_on_the_network_with_its_head(
    tiny: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[Any] = []

    def measure(backbone: nn.Module, tried: list[Way], *_: Any, **__: Any) -> dict[Way, float]:
        measured.append(backbone)
        return dict.fromkeys(tried, 1.0)

    monkeypatch.setattr(fastest, "milliseconds_per_step", measure)
    for head in ("gap", "linear"):
        with_fastest(tiny("trainer.precision=auto", f"head={head}", "model.batch_norm=group"), 3)
    assert kinds(measured[0]) == ["GlobalAverage", "Dropout", "Linear"]
    assert kinds(measured[1]) == ["Flatten", "Linear"]
    assert not [m for m in measured[0].modules() if isinstance(m, nn.BatchNorm2d)]


@pytest.mark.slow
def test_run_with_a_head_is_evaluated_and_handed_on(
    tiny: Compose, compose_config: Compose, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dense = ("head=fixed", "model.head.hidden=[8]", "model.batch_norm=group")
    first = run(tiny(*dense, f"paths.run={tmp_path}/first"))
    assert first.state == "finished"
    again = evaluate(compose_config("evaluate", f"run={tmp_path}/first"))
    assert again.metrics["test/accuracy"] == first.metrics["test/accuracy"]
    best = f"model.checkpoint_path={RunDirectory(tmp_path / 'first').checkpoint('best')}"
    saved = backbone_of(tiny(*dense, best)).state_dict()
    other = backbone_of(tiny(*dense, best)).state_dict()
    assert all(torch.equal(saved[name], other[name]) for name in saved)
    assert "another head" not in caplog.text
    with caplog.at_level(logging.WARNING):
        plain = backbone_of(tiny(best, "model.batch_norm=group")).state_dict()
    assert "was saved with another head: classifier.weight, classifier.bias keep" in caplog.text
    assert torch.equal(plain["features.0.0.weight"], saved["features.0.0.weight"])
    assert read_record(RunDirectory(tmp_path / "first")).metrics == first.metrics


@pytest.mark.slow
def test_googlenet_learns_with_its_auxiliary_heads_and_is_measured_without(
    tiny: Compose, tmp_path: Path
) -> None:
    small = ("model=googlenet", "data.size=32", "debug=one_step")
    record = run(tiny(*small, "model.aux_logits=true", f"paths.run={tmp_path}/run"))
    assert record.state == "finished"
    weights = torch.load(RunDirectory(tmp_path / "run").checkpoint("best"), weights_only=True)
    assert "backbone.aux1.fc2.weight" in weights["state_dict"]
    path = RunDirectory(tmp_path / "run").checkpoint("best")
    without = backbone_of(tiny(*small, f"model.checkpoint_path={path}"))
    assert "aux1.fc2.weight" not in without.state_dict()


def test_command_line_names_a_head_by_its_key(command: Command) -> None:
    shown = command(
        "train", "model.head=flatten_dense", "model.head.hidden=[64,32]", "--cfg", "job"
    )
    assert shown.returncode == 0, shown.stderr
    model = OmegaConf.create(shown.stdout).model
    assert model.head._target_ == "project.models.heads.dense_head"
    assert list(model.head.hidden) == [64, 32]
    assert model.batch_norm == "keep"


def test_command_line_answers_an_unknown_head(command: Command) -> None:
    done = command("train", "model.head=fixd", "--cfg", "job")
    assert done.returncode == 1
    assert "head=fixd: expected one of fixed, " in done.stderr
    assert 'Did you mean "fixed"?' in done.stderr


@pytest.mark.slow
def test_sweep_over_heads_trains_each(command: Command, photos: Path, tmp_path: Path) -> None:
    done = command(
        "train",
        "--multirun",
        *TINY,
        f"data.root={photos}",
        "model.width=8",
        "model.depth=2",
        "model.head=own,gap",
        f"hydra.sweep.dir={tmp_path}/sweep",
    )
    assert done.returncode == 0, done.stderr[-3000:]
    records = [read_record(RunDirectory(tmp_path / "sweep" / f"head={h}")) for h in ("own", "gap")]
    assert [record.choices["head"] for record in records] == ["own", "gap"]
    assert all(record.state == "finished" for record in records)


def test_run_goes_on_with_the_head_that_it_has() -> None:
    gap = {"_target_": "gap_head", "dropout": 0.0}
    then = {"model": {"width": 8, "head": gap}, "paths": {}, "seed": 2}
    now = {"model": {"width": 32, "head": gap}, "paths": {}, "seed": 1}
    assert continued(then, now, ["head=gap"]) == then
    now["model"] = {"width": 32, "head": None}
    with pytest.raises(ConfigError, match=r"model\.head\._target_: gap_head, now nothing"):
        continued(then, now, ["head=own"])
