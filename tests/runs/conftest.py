"""A run directory to write to."""

from pathlib import Path

import pytest

from project.runs.directory import RunDirectory


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """The directory of a run that has not begun."""
    return RunDirectory(tmp_path / "sweep" / "seed=1")
