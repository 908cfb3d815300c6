import sys
from pathlib import Path

import pytest

from project.errors import ConfigError
from project.launch.packages import require


def test_installed_package_is_imported() -> None:
    assert require("json", "hydra/launcher=ray", "ray") is sys.modules["json"]


def test_missing_package_is_answered_with_the_command_that_installs_it() -> None:
    message = (
        r"sampler=cmaes: expected the package no_such_package, which is not installed\. "
        r"Install it: pip install 'evenhand\[optuna\]'"
    )
    with pytest.raises(ConfigError, match=message):
        require("no_such_package", "hydra.sweeper.sampler=cmaes", "optuna")


def test_package_that_is_broken_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_package.py").write_text("import no_such_package")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        require("broken_package", "hydra/launcher=slurm", "slurm")
