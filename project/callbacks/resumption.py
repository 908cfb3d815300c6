"""From where a run that was stopped can go on."""

import logging
import pickle
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from project.callbacks.checkpoints import REST
from project.callbacks.loops import AT_REST
from project.runs.directory import RunDirectory

log = logging.getLogger(__name__)

_KEPT = ("last", "previous")  # the newest first
_DAMAGE = (  # whatever reading a damaged archive may end in
    OSError, EOFError, ValueError, KeyError, RuntimeError, NotImplementedError,
    zipfile.BadZipFile, zlib.error, pickle.UnpicklingError,
)  # fmt: skip


@dataclass(frozen=True)
class Restart:
    """A state of a run that training goes on from.

    Attributes:
        file: The checkpoint.
        data: Where the data were; see ``PhotoDataModule.state_dict``.
        metrics_csv: What had been logged.
    """

    file: Path
    data: dict[str, int]
    metrics_csv: str


def find_restart(run: RunDirectory, *, mend: bool) -> tuple[Restart | None, list[str]]:
    """Finds the newest checkpoint that is whole.

    Args:
        run: The run.
        mend: Whether to remove those that are damaged, so that none of them takes the place of a
            whole one, and what was being written when the run ended. One process of a run does so.

    Returns:
        Where to go on, None if there is no such checkpoint; and what a reader should be told.
    """
    remarks: list[str] = []
    damaged: list[Path] = []
    found: Restart | None = None
    for which in _KEPT:
        file = run.checkpoints / f"{which}.ckpt"
        if not file.exists():
            continue
        try:
            found = _read(file)
            break
        except _DAMAGE as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            remarks.append(f"{file.name} is damaged and cannot be used ({reason}).")
            damaged.append(file)
    if mend:
        for file in [*damaged, *run.checkpoints.glob("*.unfinished")]:
            file.unlink(missing_ok=True)
    return found, remarks


def _read(file: Path) -> Restart:
    with zipfile.ZipFile(file) as archive:
        torn = archive.testzip()  # reads all of it: torch itself does not look at checksums
    if torn is not None:
        raise ValueError(f"the checksum of {torn} is wrong")
    content: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    if AT_REST not in content["loops"]["fit_loop"]["state_dict"]:
        raise ValueError("an earlier version wrote it, in the midst of its bookkeeping")
    return Restart(file, content[REST]["data"], content[REST]["metrics_csv"])
