"""From where a run that was stopped can go on."""

import errno
import pickle
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from project.callbacks.checkpoints import REST
from project.callbacks.loops import AT_REST
from project.errors import RunError
from project.runs.directory import RunDirectory

_KEPT = ("last", "previous")  # the newest first
_DAMAGE = (zipfile.BadZipFile, EOFError)  # cut short, or bytes are not what they were
# Whole as far as can be told, but something else has written it, or an earlier version.
_STRANGE = (
    ValueError, LookupError, TypeError, AttributeError, RuntimeError, ArithmeticError,
    pickle.UnpicklingError, zlib.error, struct.error,
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
            whole one, and what was being written when the run ended; and to put aside those that
            are not to be gone on from for another reason. One process of a run does so.

    Returns:
        Where to go on, None if there is no such checkpoint; and what a reader should be told.

    Raises:
        RunError: If a checkpoint cannot be read, which says nothing about its content. All stay.
    """
    remarks: list[str] = []
    damaged: list[Path] = []
    strange: list[Path] = []
    found: Restart | None = None
    for which in _KEPT:
        file = run.checkpoints / f"{which}.ckpt"
        if not file.exists():
            continue
        try:
            found = _read(file)
            break
        except FileNotFoundError:  # the process that mends was faster
            continue
        except OSError as error:
            raise _unreadable(file, error) from error
        except _DAMAGE as error:
            remarks.append(f"{file.name} is damaged and cannot be used ({_said(error)}).")
            damaged.append(file)
        except _STRANGE as error:
            aside = run.unusable(file).name
            remarks.append(f"{file.name} cannot be used and is kept as {aside} ({_said(error)}).")
            strange.append(file)
    if mend:
        for file in strange:
            file.replace(run.unusable(file))
        for file in [*damaged, *run.checkpoints.glob("*.unfinished")]:
            file.unlink(missing_ok=True)
    return found, remarks


def _unreadable(file: Path, error: OSError) -> RunError:
    return RunError(
        f"expected to read the checkpoint {file}, got: {error.strerror or error}. Go on when it "
        "can be read again; to go on without it, move it away."
    )


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _read(file: Path) -> Restart:
    try:
        with zipfile.ZipFile(file) as archive:
            torn = archive.testzip()  # reads all of it: torch itself does not look at checksums
    except OSError as error:
        if error.errno == errno.EINVAL:  # it says that a part lies before the beginning of the file
            raise ValueError("a part of it is said to lie outside") from error
        raise
    if torn is not None:
        raise zipfile.BadZipFile(f"the checksum of {torn} is wrong")
    content: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    if AT_REST not in content["loops"]["fit_loop"]["state_dict"]:
        raise ValueError("an earlier version wrote it, in the midst of its bookkeeping")
    return Restart(file, content[REST]["data"], content[REST]["metrics_csv"])
