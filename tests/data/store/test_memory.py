from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from project.data.store import memory
from project.data.store.memory import available_memory

Write = Callable[..., None]


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """``groups(own, **contents)``: the groups of this process, and files by their path."""
    monkeypatch.setattr(memory, "_OWN", tmp_path / "own")
    monkeypatch.setattr(memory, "_GROUPS", tmp_path / "groups")

    def write(own: str, contents: dict[str, str]) -> None:
        (tmp_path / "own").write_text(own)
        for path, content in contents.items():
            file = tmp_path / "groups" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)

    return write


def second(folder: str, limit: str, used: int = 0) -> dict[str, str]:
    return {
        f"{folder}/memory.max": f"{limit}\n",
        f"{folder}/memory.current": f"{used}\n",
        f"{folder}/memory.stat": "anon 700\ninactive_file 300\n",
    }


def first(folder: str, limit: int, used: int = 0) -> dict[str, str]:
    return {
        f"memory{folder}/memory.limit_in_bytes": f"{limit}\n",
        f"memory{folder}/memory.usage_in_bytes": f"{used}\n",
        f"memory{folder}/memory.stat": "inactive_file 1\ntotal_inactive_file 300\n",
    }


@pytest.mark.parametrize(
    ("own", "contents"),
    [
        pytest.param("0::/\n", {}, id="no groups"),
        pytest.param("0::/\n", second(".", "max", 1000), id="no limit"),
        pytest.param("4:memory:/\n", first("", 2**63 - 4096, 1000), id="no limit, first version"),
        pytest.param("3:cpu:/a\n", first("/a", 1), id="another controller's group"),
    ],
)
def test_without_a_limit_the_machines_memory_counts(
    groups: Write, own: str, contents: dict[str, str]
) -> None:
    groups(own, contents)
    assert available_memory() == pytest.approx(psutil.virtual_memory().available, rel=0.2)


def test_systems_without_groups_have_the_machines_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(memory, "_OWN", tmp_path / "nothing")
    assert available_memory() == pytest.approx(psutil.virtual_memory().available, rel=0.2)


def test_a_container_may_leave_less(groups: Write) -> None:
    groups("0::/\n", second(".", "5000", 1000))
    assert available_memory() == 4300  # what is only cached of files is given up on demand


@pytest.mark.parametrize("version", [second, first])
@pytest.mark.parametrize("limited", ["/slurm", "/slurm/job_1", "/slurm/job_1/step_0"])
def test_any_group_around_the_process_may_leave_less(
    groups: Write, version: Callable[..., dict[str, str]], limited: str
) -> None:
    folder = limited.lstrip("/") if version is second else limited
    own = "0::" if version is second else "7:cpu:/\n4:hugetlb,memory:"
    groups(f"{own}/slurm/job_1/step_0\n", version(folder, 5000, 1000))
    assert available_memory() == 4300


def test_the_tightest_group_counts(groups: Write) -> None:
    contents = second("a", "9000", 6000) | second("a/b", "5000", 1000) | second("other", "5")
    groups("0::/a/b\n", contents)
    assert available_memory() == 3300


@pytest.mark.parametrize("own", ["/docker/0dd2/x", "/../../elsewhere"])
def test_groups_that_a_container_does_not_see_are_passed_over(groups: Write, own: str) -> None:
    groups(f"4:memory:{own}\n", first("", 5000, 1000))
    assert available_memory() == 4300


def test_memory_that_is_overdrawn_is_none(groups: Write) -> None:
    groups("0::/\n", second(".", "5000", 9000))
    assert available_memory() == 0
