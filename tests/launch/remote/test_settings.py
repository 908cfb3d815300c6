import math
from pathlib import Path
from typing import Any

import pytest
import yaml

import conf
from project.errors import ConfigError
from project.launch.remote.ray import Needs
from project.launch.remote.settings import at_most, settings
from project.launch.remote.slurm import Allocation

OF_THE_LAUNCHER = {
    "_target_", "cluster", "wait", "max_jobs", "address", "retries", "keep_checkpoints",
    "reserve_gb",
}  # fmt: skip


@pytest.mark.parametrize(("launcher", "kind"), [("slurm", Allocation), ("ray", Needs)])
def test_configuration_lists_every_setting_with_its_default(launcher: str, kind: Any) -> None:
    file = Path(conf.__path__[0]) / "hydra" / "launcher" / f"{launcher}.yaml"
    given = yaml.safe_load(file.read_text(encoding="utf-8"))
    own = {name: value for name, value in given.items() if name not in OF_THE_LAUNCHER}
    assert own.keys() == vars(kind()).keys()
    assert settings(kind, own) == kind()


def test_misspelt_setting_is_answered_with_the_right_one() -> None:
    with pytest.raises(ConfigError, match=r'launcher\.partitio: .* Did you mean "partition"\?'):
        settings(Allocation, {"partitio": "gpu"})


def test_number_of_jobs_is_one_or_more_or_left_open() -> None:
    assert (at_most(3), at_most(None)) == (3, math.inf)
    with pytest.raises(ConfigError, match=r"max_jobs: expected 1 or more, or null, got 0"):
        at_most(0)
