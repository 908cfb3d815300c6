"""Runs are composed as they would have been then, and composed again as they are today."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from project.errors import ConfigError
from project.launch.composition.earlier import Earlier
from project.launch.composition.recomposition import Kept, Recomposition, recompose
from project.runs.differences import NOTHING
from project.runs.directory import RunDirectory
from project.runs.record import RunRecord
from tests.conftest import Compose

Again = Callable[..., Recomposition]

PATHS = {"data": "data", "output": "outputs", "cache": "outputs/cache", "run": "outputs/new"}
RECORDED = ("data=folder", "data.root=/photos", "model.width=8", "oversampling=outer_copy_x4")


@pytest.fixture
def ran(compose_config: Compose) -> Callable[..., Earlier]:
    """``ran(*overrides, key=value)`` is a run that was trained with these, and other values."""

    def earlier(*overrides: str, composed: bool = True, **then: Any) -> Earlier:
        cfg = compose_config("train", *overrides, "paths.run=outputs/old")
        for key, value in then.items():
            OmegaConf.update(cfg, key.replace("__", "."), value, force_add=True)
        config: Any = OmegaConf.to_container(cfg, resolve=True)
        config["data"]["root"] = str(Path(config["data"]["root"]).absolute())
        choices: dict[str, str | None] = {"data": "folder"} if composed else {}
        own = list(overrides) if composed else []
        record = RunRecord(overrides=own, choices=choices)
        return Earlier(RunDirectory(Path("outputs/old")), record, config, own)

    return earlier


def test_without_overrides_everything_stays(ran: Callable[..., Earlier]) -> None:
    earlier = ran(*RECORDED)
    again = recompose(earlier, [], PATHS)
    assert again.config == again.then
    assert again.overrides == list(RECORDED)
    assert again.choices["oversampling"] == "outer_copy_x4"
    assert not any(name.startswith("hydra") for name in again.choices)
    assert again.kept == {}


def test_files_go_to_the_new_directory(ran: Callable[..., Earlier]) -> None:
    again = recompose(ran("logger=wandb"), [], PATHS)
    assert again.config["callbacks"]["best"]["run_dir"] == "outputs/new"
    assert again.config["logger"]["wandb"]["run_dir"] == "outputs/new"
    assert again.config["paths"] == PATHS


def test_an_override_replaces_the_recorded_one(ran: Callable[..., Earlier]) -> None:
    again = recompose(ran(*RECORDED), ["model.width=16", "seed=2"], PATHS)
    assert (again.config["model"]["width"], again.config["seed"]) == (16, 2)
    assert again.overrides == [
        *(o for o in RECORDED if "width" not in o),
        "model.width=16",
        "seed=2",
    ]


def test_an_option_is_switched_as_in_training(ran: Callable[..., Earlier]) -> None:
    again = recompose(ran(*RECORDED, "optimizer.lr=0.5"), ["oversampling=none"], PATHS)
    assert again.config["oversampling"] == recompose(ran(), [], PATHS).config["oversampling"]
    assert again.config["optimizer"]["lr"] == 0.5
    assert again.choices["oversampling"] == "none"


def test_an_experiment_brings_all_that_it_sets(ran: Callable[..., Earlier]) -> None:
    again = recompose(ran("model.width=8"), ["experiment=wardrobe"], PATHS)
    assert again.config["sampler"]["q"] == 0.0
    assert again.config["optimizer"]["lr"] == 0.002
    assert again.config["model"]["width"] == 8


def test_what_refers_to_an_overridden_key_follows_it(ran: Callable[..., Earlier]) -> None:
    again = recompose(ran(), ["monitor=val/loss", "monitor_mode=min"], PATHS)
    assert again.config["callbacks"]["best"]["monitor"] == "val/loss"


def test_a_default_that_changed_since_stays_as_in_the_run(ran: Callable[..., Earlier]) -> None:
    again = recompose(ran(optimizer__lr=0.123), ["seed=2"], PATHS)
    assert again.config["optimizer"]["lr"] == 0.123
    assert again.kept == {"optimizer.lr": Kept("0.123", "0.001")}


def test_todays_default_can_be_asked_for(ran: Callable[..., Earlier]) -> None:
    again = recompose(ran(optimizer__lr=0.123), ["optimizer.lr=0.001"], PATHS)
    assert again.config["optimizer"]["lr"] == 0.001
    assert again.kept == {}


def test_a_new_option_is_todays_whatever_the_old_one_had(ran: Callable[..., Earlier]) -> None:
    earlier = ran(scheduler__warmup_epochs=7.0, scheduler__gone=1)
    again = recompose(earlier, ["scheduler=cosine"], PATHS)
    assert again.config["scheduler"] == recompose(ran(), [], PATHS).config["scheduler"]


def test_keys_that_went_since_are_kept_and_named(ran: Callable[..., Earlier]) -> None:
    again = recompose(ran(loss__gone=1), [], PATHS)
    assert again.config["loss"]["gone"] == 1
    assert again.kept == {"loss.gone": Kept("1", NOTHING)}


def test_keys_that_went_since_can_be_dropped(ran: Callable[..., Earlier]) -> None:
    again = recompose(ran(loss__gone=1), ["~loss.gone"], PATHS)
    assert "gone" not in again.config["loss"]
    assert again.overrides == []


def test_what_came_to_a_complete_mapping_since_is_left_out(ran: Callable[..., Earlier]) -> None:
    earlier = ran("oversampling=outer_copy_x4")
    earlier.config["oversampling"]["factors"] = {"hat": 2}
    again = recompose(earlier, [], PATHS)
    assert again.config["oversampling"]["factors"] == {"hat": 2}
    assert again.kept["oversampling.factors.outer"] == Kept(NOTHING, "4")


def test_arguments_that_came_since_have_todays_default(ran: Callable[..., Earlier]) -> None:
    earlier = ran()
    del earlier.config["optimizer"]["amsgrad"]
    again = recompose(earlier, [], PATHS)
    assert again.config["optimizer"]["amsgrad"] is False
    assert "amsgrad" not in again.then["optimizer"]


def test_added_keys_can_be_overridden_and_dropped(ran: Callable[..., Earlier]) -> None:
    earlier = ran("+augmentation.transforms.blur.p=0.3", "+augmentation.transforms.blur.q=1")
    again = recompose(earlier, ["augmentation.transforms.blur.p=0.5"], PATHS)
    assert again.config["augmentation"]["transforms"]["blur"]["p"] == 0.5
    again = recompose(earlier, ["~augmentation.transforms.blur"], PATHS)
    assert "blur" not in again.config["augmentation"]["transforms"]
    assert again.overrides == []
    again = recompose(earlier, ["~augmentation.transforms.flip"], PATHS)
    assert "flip" not in again.config["augmentation"]["transforms"]
    assert again.overrides[-1] == "~augmentation.transforms.flip"


def test_a_rerun_of_a_rerun_stays_the_same(ran: Callable[..., Earlier]) -> None:
    earlier = ran(*RECORDED, optimizer__lr=0.123)
    once = recompose(earlier, ["sampler=balanced", "~augmentation.transforms.flip"], PATHS)
    record = RunRecord(overrides=once.overrides, choices=once.choices)
    twice = recompose(Earlier(earlier.run, record, once.config, once.overrides), [], PATHS)
    assert twice.config == once.config
    assert twice.overrides == once.overrides


def test_a_misspelt_override_gets_a_suggestion(ran: Callable[..., Earlier]) -> None:
    with pytest.raises(ConfigError, match=r"optimizr\.lr: .*Did you mean optimizer\.lr\?$"):
        recompose(ran(), ["optimizr.lr=1"], PATHS)
    with pytest.raises(ConfigError, match=r'oversampling=nonne: .*Did you mean "none"\?$'):
        recompose(ran(), ["oversampling=nonne"], PATHS)


@pytest.mark.parametrize("recorded", ["oversampling=removed", "model.removed=3"])
def test_a_recorded_override_that_no_longer_fits_is_named(
    ran: Callable[..., Earlier], recorded: str
) -> None:
    earlier = ran("model=small_cnn")
    earlier.overrides.append(recorded)
    key = recorded.partition("=")[0]
    with pytest.raises(
        ConfigError, match=rf"started with {recorded}, which .* or drop it with ~{key}"
    ):
        recompose(earlier, [], PATHS)


def test_a_recorded_override_that_no_longer_fits_can_be_replaced_or_dropped(
    ran: Callable[..., Earlier],
) -> None:
    earlier = ran()
    earlier.overrides[:] = ["oversampling=removed", "model.removed=3"]
    again = recompose(earlier, ["oversampling=outer_copy_x4", "~model.removed"], PATHS)
    assert again.overrides == ["oversampling=outer_copy_x4"]
    assert again.config["oversampling"]["factors"] == {"outer": 4}


def test_a_recorded_override_that_does_not_fit_a_new_option_is_named(
    ran: Callable[..., Earlier],
) -> None:
    with pytest.raises(ConfigError, match=r"drop it with ~model\.width"):
        recompose(ran(*RECORDED), ["model=resnet18"], PATHS)
    again = recompose(ran(*RECORDED), ["model=resnet18", "~model.width"], PATHS)
    assert again.config["model"]["name"] == "resnet18"


def test_a_misspelt_override_is_not_blamed_on_the_run(ran: Callable[..., Earlier]) -> None:
    with pytest.raises(ConfigError, match=r"model\.widths: .*Did you mean model\.width\?$"):
        recompose(ran(*RECORDED), ["model.widths=16"], PATHS)


def test_a_mistake_that_is_repeated_is_the_users_own(ran: Callable[..., Earlier]) -> None:
    earlier = ran("model=small_cnn")
    earlier.overrides.append("model.removed=3")
    with pytest.raises(ConfigError, match=r"^model\.removed: ((?!was started).)*$"):
        recompose(earlier, ["model.removed=3"], PATHS)


@pytest.mark.parametrize("composed", [True, False])
@pytest.mark.parametrize("node", [None, "resnet"])
def test_what_has_taken_the_place_of_a_node_is_named(
    ran: Callable[..., Earlier], composed: bool, node: object
) -> None:
    earlier = ran(*RECORDED, composed=composed)
    earlier.config["model"] = node
    with pytest.raises(ConfigError, match=r"model: expected keys and values .* model=<option>"):
        recompose(earlier, [], PATHS)
    again = recompose(earlier, ["model=small_cnn"], PATHS)
    assert again.config["model"]["_target_"] == "project.models.small_cnn.SmallCNN"


def test_a_configuration_without_a_directory_is_refused(ran: Callable[..., Earlier]) -> None:
    earlier = ran()
    del earlier.config["paths"]
    with pytest.raises(ConfigError, match=r"paths: expected .* got nothing\. Restore the file"):
        recompose(earlier, [], PATHS)


def test_a_misspelt_key_that_is_to_be_dropped_gets_a_suggestion(
    ran: Callable[..., Earlier],
) -> None:
    with pytest.raises(ConfigError, match=r'~optimizer\.nsterov: .*Did you mean "optimizer\.nest'):
        recompose(ran("optimizer=sgd"), ["~optimizer.nsterov"], PATHS)


@pytest.mark.parametrize("override", ["~paths.data", "hydra.run.dir=x", "++paths.run=x", "paths=x"])
def test_places_of_this_run_are_no_overrides_of_the_other(
    ran: Callable[..., Earlier], override: str
) -> None:
    with pytest.raises(ConfigError, match="got one of where this command itself runs"):
        recompose(ran(), [override], PATHS)


def test_new_places_can_be_added(ran: Callable[..., Earlier]) -> None:
    again = recompose(ran(), ["data.root=${paths.photos}"], {**PATHS, "photos": "/a b,c"})
    assert again.config["data"]["root"] == "/a b,c"


def test_what_has_been_replaced_since_takes_no_default_with_it(
    ran: Callable[..., Earlier],
) -> None:
    earlier = ran(optimizer__lr=0.123)
    earlier.overrides[:] = ["model=removed", "model.name=x"]  # neither composes without the other
    config = recompose(earlier, ["model=resnet18", "~model.name"], PATHS).config
    assert config["optimizer"]["lr"] == 0.123
    earlier.overrides[:] = ["model=removed", "model.name=resnet18"]
    config = recompose(earlier, ["model=timm"], PATHS).config
    assert (config["model"]["name"], config["optimizer"]["lr"]) == ("resnet18", 0.123)


def test_an_experiment_counts_where_the_runs_own_option_is_gone(
    ran: Callable[..., Earlier],
) -> None:
    earlier = ran()
    earlier.overrides[:] = ["oversampling=removed"]
    config = recompose(earlier, ["oversampling=none", "experiment=wardrobe"], PATHS).config
    assert config["optimizer"]["lr"] == 0.002


def test_what_cannot_change_a_result_is_kept_without_a_word(ran: Callable[..., Earlier]) -> None:
    again = recompose(ran(data__num_workers=7, trainer__log_every_n_steps=3), [], PATHS)
    assert again.config["data"]["num_workers"] == 7
    assert again.kept == {}


def test_where_photos_lay_is_no_default(
    ran: Callable[..., Earlier], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = ran("data=folder", "data.root=photos")
    monkeypatch.chdir(tmp_path)
    again = recompose(earlier, [], PATHS)
    assert again.config["data"]["root"] == earlier.config["data"]["root"]
    assert again.kept == {}


def test_other_data_lie_elsewhere(ran: Callable[..., Earlier]) -> None:
    again = recompose(ran(*RECORDED), ["data=cifar10"], PATHS)
    assert again.config["data"]["root"] == str(Path("data/cifar10").absolute())
    assert "data.root=/photos" not in again.overrides
    again = recompose(ran(*RECORDED), ["data=cifar10", "data.root=/there"], PATHS)
    assert again.config["data"]["root"] == "/there"
    again = recompose(ran(*RECORDED), ["data=folder"], PATHS)  # the run's own
    assert again.config["data"]["root"] == "/photos"
    again = recompose(ran(*RECORDED), ["data=table"], PATHS)
    assert again.config["data"]["root"] == "???"


@pytest.mark.parametrize("composed", [True, False])
def test_identity_in_a_tracker_is_not_carried_over(
    ran: Callable[..., Earlier], composed: bool
) -> None:
    earlier = ran("logger=wandb", "logger.wandb.id=abc", composed=composed)
    again = recompose(earlier, [], PATHS)
    assert again.config["logger"]["wandb"]["id"] is None
    assert again.then["logger"]["wandb"]["id"] is None
    assert "logger.wandb.id=abc" not in again.overrides
    again = recompose(earlier, ["logger.wandb.id=def"], PATHS)
    assert again.config["logger"]["wandb"]["id"] == "def"


@pytest.mark.parametrize(
    ("overrides", "same_photos", "expected"),
    [
        ([], True, False),
        (["seed=2"], True, True),
        (["seed=1"], True, False),
        (["model.width=8", "oversampling=outer_copy_x4"], True, False),
        (["data.num_workers=3", "logger=wandb", "tags=[a]"], True, False),
        (["data.root=/moved"], True, False),
        (["data.root=/moved"], False, True),
        ([], False, False),
        (["~augmentation.transforms.flip"], True, True),
        (["+model.kernel=5"], True, True),
        (["experiment=wardrobe"], True, True),
    ],
    ids=str,
)
def test_overrides_ask_for_other_results_if_they_can_bring_any(
    ran: Callable[..., Earlier], overrides: list[str], same_photos: bool, expected: bool
) -> None:
    earlier = ran(*RECORDED)
    del earlier.config["optimizer"]["amsgrad"]  # new since: nobody asked for it
    again = recompose(earlier, overrides, PATHS)
    assert again.asks_for_other_results(same_photos=same_photos) == expected


@pytest.mark.parametrize("override", ["seed=1,2", "seed=range(3)"])
def test_several_values_are_refused(ran: Callable[..., Earlier], override: str) -> None:
    with pytest.raises(ConfigError, match=r"expected one value, got several\. Rerun once for each"):
        recompose(ran(), [override], PATHS)


def test_what_is_no_override_is_refused(ran: Callable[..., Earlier]) -> None:
    with pytest.raises(ConfigError, match=r"seed=\[1: "):
        recompose(ran(), ["seed=[1"], PATHS)


class TestRunsOfPrograms:
    """Hydra did not compose them, so there is nothing but their configuration."""

    @pytest.fixture
    def earlier(self, ran: Callable[..., Earlier]) -> Earlier:
        overrides = ("optimizer=sgd", "sampler=effective_number", "sampler.beta=0.5")
        return ran(*RECORDED, *overrides, composed=False)

    def test_without_overrides_everything_stays(self, earlier: Earlier) -> None:
        again = recompose(earlier, [], PATHS)
        assert again.config == again.then
        assert (again.overrides, again.choices, again.kept) == ([], {}, {})

    def test_keys_of_its_own_options_are_overridden(self, earlier: Earlier) -> None:
        overrides = ["sampler.beta=0.9", "+loss.x=[1,2]", "~optimizer.nesterov", "data.root=there"]
        config = recompose(earlier, overrides, PATHS).config
        assert config["sampler"]["beta"] == 0.9
        assert config["loss"]["x"] == [1, 2]
        assert "nesterov" not in config["optimizer"]
        assert config["data"]["root"] == str(Path("there").absolute())

    def test_an_option_replaces_its_group_and_nothing_else(self, earlier: Earlier) -> None:
        config = recompose(earlier, ["oversampling=none", "optimizer.lr=0.5"], PATHS).config
        assert config["oversampling"]["factors"] is None
        assert config["sampler"]["beta"] == 0.5
        assert config["optimizer"]["lr"] == 0.5
        assert config["model"]["width"] == 8

    def test_keys_can_be_added_by_force(self, earlier: Earlier) -> None:
        config = recompose(earlier, ["++loss.x=1", "++sampler.beta=0.7"], PATHS).config
        assert (config["loss"]["x"], config["sampler"]["beta"]) == (1, 0.7)

    def test_a_misspelt_key_gets_a_suggestion(self, earlier: Earlier) -> None:
        with pytest.raises(ConfigError, match=r'no such key\. Did you mean "sampler\.beta"\?'):
            recompose(earlier, ["sampler.bta=0.9"], PATHS)


@pytest.mark.parametrize("composed", [True, False])
def test_another_head_leaves_the_rest_of_the_network_alone(
    ran: Callable[..., Earlier], composed: bool
) -> None:
    earlier = ran("model=resnet18", "model.drop_rate=0.3", composed=composed)
    again = recompose(earlier, ["head=gap"], PATHS)
    model = again.config["model"]
    assert (model["name"], model["drop_rate"]) == ("resnet18", 0.3)
    assert model["head"]["_target_"] == "project.models.heads.gap_head"
    assert model | {"head": None} == again.then["model"]
    assert again.asks_for_other_results(same_photos=True)
    other = ["model=small_cnn", "head=gap", *(["~model.drop_rate"] if composed else [])]
    both = recompose(earlier, other, PATHS).config["model"]
    assert both["_target_"] == "project.models.small_cnn.SmallCNN"
    assert both["head"] == model["head"]


def test_another_head_replaces_the_recorded_one(ran: Callable[..., Earlier]) -> None:
    again = recompose(ran(*RECORDED, "head=gap"), ["head=fixed"], PATHS)
    assert again.overrides == [*RECORDED, "head=fixed"]
    assert list(again.config["model"]["head"]["hidden"]) == [1024, 512]
    dropped = recompose(ran(*RECORDED, "head=gap"), ["head=own"], PATHS)
    assert dropped.config["model"]["head"] is None
