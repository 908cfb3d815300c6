from pathlib import Path

import psutil
import pytest

from project.data.store import memory
from project.data.store.memory import available_memory


def test_without_a_container_the_machines_memory_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_CONTAINER", tmp_path)
    free = psutil.virtual_memory().available
    assert available_memory() == pytest.approx(free, rel=0.2)
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("1000\n")
    assert available_memory() == pytest.approx(free, rel=0.2)


def test_a_container_may_leave_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_CONTAINER", tmp_path)
    (tmp_path / "memory.max").write_text("5000\n")
    (tmp_path / "memory.current").write_text("1000\n")
    (tmp_path / "memory.stat").write_text("anon 700\ninactive_file 300\n")
    assert available_memory() == 4300  # what is only cached of files is given up on demand
