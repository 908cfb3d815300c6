"""Warnings are errors here, so that each of these also shows that Hydra has none of them."""

import copy
import pickle
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra import compose, initialize_config_module
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf

from project.launch.cli.hydra_versions import instantiate, register_resolver, version_options

ROUNDED = {"_target_": "builtins.round", "_partial_": True, "ndigits": 1}


class Holder:
    """Keeps what it is given, as a user's own class might."""

    def __init__(self, kept: Any) -> None:
        self.kept = kept


def holding(kept: object) -> DictConfig:
    return OmegaConf.create({"_target_": f"{__name__}.Holder", "kept": kept})


def test_composing_needs_no_more_than_the_options_of_the_version() -> None:
    with initialize_config_module("conf", **version_options()):
        assert "_target_" in compose("train", ["model=resnet18"]).model
    hydra.main(config_path="pkg://conf", config_name="train", **version_options())


def test_anything_that_can_be_imported_is_built() -> None:
    built = instantiate(holding({"wait": [1, 2]}), _convert_="all")
    assert isinstance(built, Holder)
    assert type(built.kept["wait"]) is list


@pytest.mark.parametrize("below", [False, True])
@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "shutil.rmtree", "torch.os.remove"])
def test_what_no_configuration_should_do_is_refused(name: str, below: bool) -> None:
    node = OmegaConf.create({"_target_": name})
    with pytest.raises(InstantiationException, match=f"Target '{name.removeprefix('torch.')}"):
        instantiate(holding(node) if below else node)


def test_warnings_of_what_is_built_are_shown() -> None:
    node = OmegaConf.create({"_target_": "warnings.warn", "message": "from the user's own class"})
    with pytest.warns(UserWarning, match="from the user's own class"):
        instantiate(node)


@pytest.mark.parametrize("below", [False, True])
def test_partials_go_to_other_processes(below: bool) -> None:
    made = instantiate(holding(ROUNDED)).kept if below else instantiate(OmegaConf.create(ROUNDED))
    sent = pickle.loads(pickle.dumps(made))  # noqa: S301
    assert type(sent) is partial  # and needs no Hydra there
    assert [made(2.345), sent(2.345), copy.deepcopy(made)(2.345)] == [2.3, 2.3, 2.3]


def test_the_latest_resolver_of_a_name_counts() -> None:
    register_resolver("test_joined", lambda words: f"{words} of the first")
    register_resolver("test_joined", "-".join)
    cfg = OmegaConf.create({"words": ["a", "b"], "joined": "${test_joined:${words}}"})
    assert cfg.joined == "a-b"
    OmegaConf.clear_resolver("test_joined")


def test_plugins_are_found_from_any_folder_without_heavy_imports(tmp_path: Path) -> None:
    code = """
import sys
from hydra.core.plugins import Plugins
print(*[f"{found.__module__}.{found.__name__}" for found in Plugins.instance().discover()])
print(*sys.modules)
"""
    python = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(python, cwd=tmp_path, capture_output=True, text=True, check=True)
    found, loaded = (line.split() for line in done.stdout.splitlines())
    assert "hydra_plugins.evenhand.launchers.LocalLauncher" in found
    assert not {"torch", "pytorch_lightning", "timm", "pandas", "optuna", "ray"} & set(loaded)
