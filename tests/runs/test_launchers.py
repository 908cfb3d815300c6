import contextlib
import os
import socket
from pathlib import Path

import pytest

from project.errors import RunError
from project.runs.launchers import announced, living_launchers
from project.runs.sweeps import SweepDirectory

OWN = f"process {os.getpid()} on {socket.gethostname()}"


@pytest.fixture
def sweep(tmp_path: Path) -> SweepDirectory:
    return SweepDirectory(tmp_path / "sweep")


def test_launcher_is_known_while_it_runs(sweep: SweepDirectory) -> None:
    assert living_launchers(sweep) == []
    with contextlib.suppress(KeyboardInterrupt), announced(sweep):
        assert living_launchers(sweep) == [OWN]
        raise KeyboardInterrupt
    assert living_launchers(sweep) == []
    assert list(sweep.launchers.iterdir()) == []


def test_launcher_that_was_killed_is_not_taken_for_the_process_that_has_its_number(
    sweep: SweepDirectory,
) -> None:
    sweep.launchers.mkdir(parents=True)
    (sweep.launchers / f"{socket.gethostname()}-{os.getpid()}").touch()
    assert living_launchers(sweep) == []
    with announced(sweep):
        assert living_launchers(sweep) == [OWN]


def test_second_launcher_does_not_hide_the_first(sweep: SweepDirectory) -> None:
    with announced(sweep):
        with announced(sweep):  # as another container of the same name, same number
            assert living_launchers(sweep) == [OWN, OWN.replace(" on", ".2 on")]
        assert living_launchers(sweep) == [OWN]


def test_folder_that_cannot_be_written_is_named(sweep: SweepDirectory) -> None:
    sweep.path.write_text("a file, where a folder cannot be")
    with pytest.raises(RunError, match=r"cannot lock .*launchers"), announced(sweep):
        pass
