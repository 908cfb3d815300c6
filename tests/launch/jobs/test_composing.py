import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra._internal.callbacks import Callbacks
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import HydraContext, RunMode

from project.launch.composition.composed import settled
from project.launch.jobs.composing import Composer, entry_module
from project.launch.jobs.job import Job
from tests.conftest import Compose

Make = Callable[..., Composer]


@pytest.fixture
def composer(compose_config: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """``composer(*words)`` is what Hydra gives a launcher under ``--multirun``."""

    def made(*words: str) -> Composer:
        monkeypatch.setattr(sys, "argv", ["train", "--multirun", *words])
        hydra = GlobalHydra.instance().hydra
        assert isinstance(hydra, Hydra)
        place = f"hydra.sweep.dir={tmp_path}/sweep"
        config = hydra.compose_config("train", [place, *words], RunMode.MULTIRUN)
        return Composer(HydraContext(hydra.config_loader, Callbacks(config)), config)

    return made


def test_job_has_the_configuration_that_its_process_will_compose(
    composer: Make, compose_config: Compose, tmp_path: Path
) -> None:
    job = composer("model.width=8", "seed=1,2")(["model.width=8", "seed=2"], 1)
    place = f'paths.run="{tmp_path}/sweep/seed=2"'
    alone = compose_config("train", "model.width=8", "seed=2", place)
    output = {"paths": {**settled(alone)["paths"], "output": "", "cache": ""}}
    own = {**job.config, "paths": {**job.config["paths"], "output": "", "cache": ""}}
    assert own == {**settled(alone), **output}
    assert job.name == "seed=2"
    assert job.run.path == tmp_path / "sweep" / "seed=2"


def test_command_line_holds_the_overrides_and_what_is_said_of_hydra(
    composer: Make, tmp_path: Path
) -> None:
    words = ["seed=1,2", "hydra.verbose=true", "hydra.launcher.retries=1", "hydra/launcher=local"]
    job = composer(*words)(["seed=2"], 1)
    placed = ["hydra.mode=RUN", f'hydra.run.dir="{tmp_path}/sweep/seed=2"']
    numbered = ["hydra.job.num=1", "hydra.job.id=1"]
    assert job.arguments(resume=False) == ["seed=2", "hydra.verbose=true", *numbered, *placed]
    assert job.arguments(resume=True)[-1] == f'resume="{tmp_path}/sweep/seed=2"'


@pytest.mark.parametrize("flag", ["-cd", "--config-dir"])
def test_flags_that_say_where_configurations_are_reach_the_job(
    flag: str, composer: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = composer("seed=1")
    for words in ([flag, "mine"], [f"{flag}=mine"]):
        monkeypatch.setattr(sys, "argv", ["train", "-m", *words, "seed=1"])
        assert made(["seed=1"], 0).arguments(resume=False)[:3] == ["--config-dir", "mine", "seed=1"]


def test_hydra_is_left_as_it_was(composer: Make) -> None:
    before = HydraConfig.instance().cfg
    composer("seed=1")(["seed=1"], 0)
    assert HydraConfig.instance().cfg is before


def test_devices_are_those_of_the_trainer(composer: Make) -> None:
    assert composer("trainer=ddp", "trainer.devices=3").devices == 3
    job: Job = composer("seed=1")(["trainer.devices=[0,1]"], 0)
    assert job.devices == 2


def test_program_that_is_no_command_of_ours_starts_trainings() -> None:
    assert entry_module() == "project.train"
