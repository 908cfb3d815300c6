import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from project import cache as entry
from project.data.store.folder import images_folder
from project.data.store.layout import Description, head, planned
from project.errors import ConfigError
from tests.conftest import Command, Compose

Run = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Caches of 1, 2 and 3 megabytes, which were used 1, 2 and 3 days ago."""
    folder = images_folder(tmp_path / "cache")
    folder.mkdir(parents=True)
    for days in (1, 2, 3):
        key = f"key{days}"
        description = Description(key, f"/photos/{days}", 1, 256, "bilinear", boxed=days == 3)
        index, size = planned(description, np.array([[1000, 333 * days]]))
        file = folder / f"{key}.images"
        file.write_bytes(head(description, index).ljust(size, b"\0"))
        os.utime(file, (0, time.time() - days * 86_400 - 60))
    return folder


@pytest.fixture
def run(
    compose_config: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str], folder: Path
) -> Run:
    def run_(*words: str) -> str:
        entry.run(compose_config("cache", f"paths.cache={tmp_path}/cache", *words))
        return capsys.readouterr().out

    return run_


def left(folder: Path) -> list[str]:
    return sorted(file.stem for file in folder.glob("*.images"))


def test_list_shows_what_is_kept_and_changes_nothing(
    command: Command, folder: Path, tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    done = command("cache", "list", f"paths.cache={tmp_path}/cache", COLUMNS="120")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    rows = [line for line in lines if "/photos/" in line]
    assert ["/photos/3" in rows[0], "/photos/1" in rows[2]] == [True, True]  # by last use
    assert "256 bilinear boxes" in rows[0]
    assert "key3.images" in rows[0]
    assert f"3 files (6.02 MB) in {folder}" in lines
    assert sorted(tmp_path.rglob("*")) == before


def test_list_of_nothing_says_where_it_looked(
    compose_config: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry.run(compose_config("cache", f"paths.cache={tmp_path}/none"))
    assert f"No images are kept in {tmp_path}/none/images." in capsys.readouterr().out


def test_prune_alone_removes_only_what_cannot_be_used(run: Run, folder: Path) -> None:
    (folder / "torn.images").write_bytes(b"EVEN")
    (folder / "killed.partial").write_bytes(b"EVEN")
    assert "cannot be" in run()
    said = run("action=prune")
    assert "removed torn.images (0.004 kB)" in said
    assert "removed killed.partial" in said
    assert left(folder) == ["key1", "key2", "key3"]
    assert "Removed: 2 files (0.008 kB). Kept: 3 files (6.02 MB)." in said
    assert "To remove more: older_than_days=<days>" in run("action=prune")


def test_prune_by_age(run: Run, folder: Path) -> None:
    said = run("action=prune", "older_than_days=1.5")
    assert left(folder) == ["key1"]
    assert "Removed: 2 files (5.01 MB). Kept: 1 file (1.01 MB)." in said


def test_prune_to_a_size_begins_with_what_was_used_longest_ago(run: Run, folder: Path) -> None:
    run("action=prune", "keep_gb=0.0045")
    assert left(folder) == ["key1", "key2"]
    run("action=prune", "keep_gb=0.0045")
    assert left(folder) == ["key1", "key2"]
    run("action=prune", "keep_gb=0")
    assert left(folder) == []


def test_prune_never_removes_what_a_process_has_open(run: Run, folder: Path) -> None:
    with (folder / "key2.images").open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_SH)
        said = run("action=prune", "all=true")
    assert left(folder) == ["key2"]
    assert "Those that are kept are open in other processes." in said
    run("action=prune", "all=true")
    assert left(folder) == []


def test_words_may_come_in_any_order() -> None:
    words = ["keep_gb=3", "prune", "--cfg", "job"]
    assert entry.ACTIONS.arranged(words) == ["keep_gb=3", "action=prune", "--cfg", "job"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["prnue"], r"expected one of list, prune, got 'prnue'\. Did you mean \"prune\"\?"),
        (["list", "-m"], "--multirun: expected one folder at a time; start project.cache for each"),
    ],
)
def test_misspelt_words_are_answered(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        entry.ACTIONS.arranged(words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["action=clear"], "expected one of list, prune, got 'clear'"),
        (["action=prune", "keep_gb=-1"], "keep_gb: expected a number from 0, or null, got -1"),
        (["action=prune", "older_than_days=old"], "older_than_days: expected a number .* 'old'"),
    ],
)
def test_values_that_cannot_be_are_answered(run: Run, words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        run(*words)


def test_mistakes_are_answered_on_the_command_line(command: Command) -> None:
    done = command("cache", "prune", "older_then_days=3")
    assert done.returncode == 1
    assert "older_then_days: there is no such key" in done.stderr
    assert "Traceback" not in done.stderr
