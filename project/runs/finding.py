"""From what a user names - runs, sweeps, patterns - to run directories."""

import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from project.errors import RunError
from project.runs.directory import RunDirectory
from project.runs.record import read_record


def find_runs(inputs: Sequence[str | Path]) -> list[RunDirectory]:
    """Finds training runs.

    Args:
        inputs: Run directories, folders with runs anywhere below them (sweeps), and glob patterns
            of either, where ``**`` stands for any folders and ``~`` for the home folder. What
            exists under exactly the given name is not read as a pattern.

    Returns:
        Each run once, in the order of the inputs and below each by name, where ``seed=10`` comes
        after ``seed=9``. Evaluations of runs are left out.

    Raises:
        RunError: An input names no run, or an evaluation; or a record has been damaged.
    """
    if not inputs:
        raise RunError("expected at least one run, got none. Name directories of runs or sweeps.")
    found: dict[Path, RunDirectory] = {}
    for text in inputs:
        for run in _runs_of(os.path.expanduser(text)):  # noqa: PTH111 - "**" is no path
            found.setdefault(run.path.resolve(), run)
    return list(found.values())


def _runs_of(text: str) -> list[RunDirectory]:
    if not Path(text).exists() and glob.has_magic(text):
        return _matching(text)
    if not Path(text).is_dir() or RunDirectory(Path(text)).record_file.is_file():
        return [open_training_run(Path(text))]
    runs = _trained([Path(text)])
    if not runs:
        raise RunError(
            f"expected runs in {text}, got a folder without any training run. {_near(Path(text))}"
        )
    return runs


def _matching(pattern: str) -> list[RunDirectory]:
    # Path.glob takes no absolute patterns.
    matches = glob.glob(_literal_start(pattern), recursive=True)  # noqa: PTH207
    folders = [Path(match) for match in matches]
    runs = _trained(sorted((f for f in folders if f.is_dir()), key=_natural))
    if not runs:
        raise RunError(
            f"expected runs at {pattern}, got {len(folders)} matches and no training run in them. "
            f"{_near(Path(pattern))}"
        )
    return runs


def _literal_start(pattern: str) -> str:
    """Escapes the folders that exist by name: those of runs may hold what patterns are made of."""
    path = Path()
    escaped: list[str] = []
    parts = Path(pattern).parts
    for number, part in enumerate(parts):
        path /= part
        if not path.exists():
            return str(Path(*escaped, *parts[number:]))
        escaped.append(glob.escape(part))
    return str(Path(*escaped))


def _trained(folders: Iterable[Path]) -> list[RunDirectory]:
    runs = {run.path: run for folder in folders for run in _below(folder)}
    return [run for run in runs.values() if read_record(run).kind == "training"]


def _below(folder: Path) -> Iterator[RunDirectory]:
    """The run in a folder, or else those below it; a run holds no other."""
    if RunDirectory(folder).record_file.is_file():
        yield RunDirectory(folder)
        return
    for entry in sorted(folder.iterdir(), key=_natural):
        if entry.is_dir() and not entry.is_symlink() and not entry.name.startswith("."):
            yield from _below(entry)


def _natural(path: Path) -> list[tuple[int, str]]:
    """Orders names as people do, numbers by their value."""
    parts = re.split(r"(\d+)", path.as_posix())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def open_training_run(path: Path) -> RunDirectory:
    """Opens the directory of a training run that has at least begun.

    Args:
        path: The folder of the run, as the user wrote it.

    Returns:
        The run directory.

    Raises:
        RunError: There is no run, or one that trained nothing.
    """
    run = RunDirectory.open(path)
    if read_record(run).kind == "evaluation":
        raise RunError(
            f"expected a training run at {run.path}, got an evaluation of one. Name the run that "
            "was evaluated; it stands in the evaluation's .hydra/config.yaml."
        )
    return run


def _near(path: Path) -> str:
    """The closest folder above that exists, and a run in it."""
    folder = next((parent for parent in path.parents if parent.is_dir()), Path())
    record = RunDirectory(folder).record_file.name
    for below in ("*", "*/*"):  # deeper could be the whole disk
        if found := sorted((f.parent for f in folder.glob(f"{below}/{record}")), key=_natural):
            return f"There are {len(found)} in {folder}, such as {found[0]}."
    return "Name the directory of a run or of a sweep, such as outputs/runs/<name>."
