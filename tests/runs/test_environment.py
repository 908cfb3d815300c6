import importlib.metadata
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from project.runs.environment import Hardware, code_version, hardware, packages


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "train.py").write_text("print()\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--no-verify", "-m", "Start")
    return tmp_path


def test_versions_are_those_installed() -> None:
    found = packages()
    assert found["python"] == sys.version.split()[0]
    assert found["numpy"] == importlib.metadata.version("numpy")


def test_what_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("project.runs.environment.version", absent)
    assert list(packages()) == ["python"]


def test_a_clean_checkout_has_its_commit(checkout: Path) -> None:
    version = code_version(checkout / "project")
    assert version is not None
    assert (version.commit, version.dirty) == (git(checkout, "rev-parse", "HEAD"), False)


@pytest.mark.parametrize("file", ["project/train.py", "conf.yaml"], ids=["changed", "added"])
def test_a_changed_checkout_is_dirty(checkout: Path, file: str) -> None:
    (checkout / file).write_text("changed\n")
    version = code_version(checkout / "project")
    assert version is not None
    assert version.dirty


def test_a_hook_of_another_repository_does_not_mislead(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(tmp_path_factory.mktemp("elsewhere")))
    version = code_version(checkout)
    assert version is not None
    assert version.commit == commit


def test_code_installed_below_a_foreign_checkout_has_no_version(checkout: Path) -> None:
    installed = checkout / "site-packages" / "project"
    installed.mkdir(parents=True)
    assert code_version(installed) is None


def test_a_repository_without_a_commit_has_no_version(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "train.py").touch()
    git(tmp_path, "add", ".")
    assert code_version(tmp_path) is None


def test_a_machine_without_git_has_no_version(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert code_version(checkout) is None


def test_hardware_is_described() -> None:
    found = hardware()
    assert found.cpu
    assert found.cores >= 1
    assert found.memory_gib is None or found.memory_gib > 0


def test_gpus_are_named_when_pytorch_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = SimpleNamespace(
        is_available=lambda: True,
        device_count=lambda: 2,
        get_device_name=lambda index: f"GPU {index}",
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    assert hardware().gpus == ["GPU 0", "GPU 1"]


def test_no_gpu_is_named_when_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = SimpleNamespace(is_available=lambda: False)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    assert hardware().gpus == []
    monkeypatch.delitem(sys.modules, "torch")
    assert hardware().gpus == []


def test_hardware_is_described_away_from_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object, **__: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", absent)
    monkeypatch.setattr("platform.processor", lambda: "")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    monkeypatch.delattr("os.sysconf", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    assert hardware() == Hardware(cpu="arm64", cores=4, memory_gib=None, gpus=[])


def test_importing_the_run_directory_is_cheap() -> None:
    code = (
        "import sys, project.runs.record, project.runs.names, project.runs.predictions;"
        "print(*{'torch', 'pytorch_lightning', 'hydra', 'omegaconf', 'matplotlib', 'pandas'}"
        " & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
