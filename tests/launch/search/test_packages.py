import pytest

from project.errors import ConfigError
from project.launch.search.packages import require


def test_package_that_is_there_is_fine() -> None:
    require("optuna", "hydra/sweeper=optuna")


def test_package_that_lacks_is_told_with_its_cure() -> None:
    with pytest.raises(
        ConfigError,
        match=r"sampler=cmaes: no_such_package is not installed. pip install 'evenhand\[optuna\]'",
    ):
        require("no_such_package", "hydra.sweeper.sampler=cmaes")
