import sys
from pathlib import Path

import pytest

from project.errors import ConfigError
from project.launch.remote.packages import imported


def test_installed_package_is_imported() -> None:
    assert imported("json", "ray") is sys.modules["json"]


def test_missing_package_is_answered_with_the_command_that_installs_it() -> None:
    with pytest.raises(ConfigError, match=r"not installed.*pip install 'evenhand\[slurm\]'"):
        imported("no_such_package", "slurm")


def test_package_that_is_broken_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_package.py").write_text("import no_such_package")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        imported("broken_package", "slurm")
