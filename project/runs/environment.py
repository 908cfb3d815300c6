"""What a run ran on: packages, code and hardware."""

import os
import platform
import subprocess
import sys
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# Distributions whose version can change a number.
_PACKAGES = (
    "evenhand", "torch", "torchvision", "pytorch-lightning", "timm", "torchmetrics",
    "albumentations", "opencv-python-headless", "numpy", "pillow", "scikit-learn", "pyarrow",
    "hydra-core", "omegaconf",
)  # fmt: skip
_GIT_SECONDS = 10
_CODE = Path(__file__).resolve().parents[1]


@dataclass
class CodeVersion:
    """The commit that ran, and whether files differed from it."""

    commit: str
    dirty: bool


@dataclass
class Hardware:
    """What computed.

    Attributes:
        cpu: The processor's name.
        cores: Processor cores that this process may use.
        memory_gib: Main memory; None where the system does not tell.
        gpus: Names of the CUDA devices; empty when PyTorch is not in use.
    """

    cpu: str
    cores: int
    memory_gib: float | None
    gpus: list[str] = field(default_factory=list)


def packages() -> dict[str, str]:
    """Versions of Python and of the installed packages that can change a number.

    Returns:
        Version by distribution name; what is not installed is left out.
    """
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def code_version(folder: Path = _CODE) -> CodeVersion | None:
    """The version of the code in a folder.

    Args:
        folder: Where the code lies.

    Returns:
        Commit and cleanness of that folder, or None if git does not keep it: outside a checkout,
        without git, or for a package installed below somebody else's checkout.
    """
    if not _git(folder, "ls-files", "--", "."):
        return None
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:  # a repository without any commit
        return None
    return CodeVersion(commit, dirty=bool(_git(folder, "status", "--porcelain", "--", ":/")))


def hardware() -> Hardware:
    """Processor, memory and, if PyTorch has been imported, CUDA devices.

    Returns:
        What was found.
    """
    return Hardware(_cpu(), _cores(), _memory_gib(), _gpus())


def _git(folder: Path, *arguments: str) -> str:
    # Inside a git hook these variables point at another repository.
    environment = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", *arguments],
            cwd=folder, env=environment, capture_output=True, text=True, errors="replace",
            timeout=_GIT_SECONDS, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, "") or platform.processor() or platform.machine()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # Linux; respects containers' and schedulers' limits
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_gib() -> float | None:
    if not hasattr(os, "sysconf"):  # Windows
        return None
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)


def _gpus() -> list[str]:
    torch = sys.modules.get("torch")  # importing it takes seconds, and it may not be needed
    if torch is None or not torch.cuda.is_available():
        return []
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
