"""``python -m project.sweep``: how far a sweep is; starts it again, or stops it."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.text import Text

from project.errors import ConfigError, RunError
from project.launch.cancelling import cancel
from project.launch.cli.actions import Actions
from project.launch.cli.command import command
from project.report.sweeps.table import jobs_view
from project.report.sweeps.words import printable, tally
from project.runs.launchers import living_launchers
from project.runs.sweeps import JobStatus, SweepDirectory, SweepFacts, read_jobs

_LISTED = 20


def _folder(word: str) -> str | None:
    # A sweep's name has equals signs where it exists, and may be misspelt where it does not.
    is_one = Path(word).is_dir() or ("/" in word and "=" not in word)
    return f"dir={word}" if is_one else None


ACTIONS = Actions(
    "project.sweep",
    ("status", "retry", "cancel"),
    "status dir=outputs/sweeps/<name>",
    one="sweep",
    keyed=_folder,
)


def main() -> None:
    """Reads the command line."""
    command("sweep", run, ACTIONS.arranged)


def run(cfg: DictConfig) -> list[JobStatus]:
    """Does what is asked for.

    Args:
        cfg: A composed ``sweep`` configuration.

    Returns:
        The jobs of the sweep, as they are after that. ``retry`` does not return if there is
        something to do: the sweep's own command takes the place of this process.

    Raises:
        EvenhandError: If there is no such action or no sweep, or it cannot be done.
    """
    action = ACTIONS.check(str(cfg.action))
    if OmegaConf.is_missing(cfg, "dir"):
        raise ConfigError("dir: a value is needed and none was given. Add dir=<sweep directory>.")
    sweep = SweepDirectory(Path(str(cfg.dir)).expanduser())
    facts, jobs = SweepFacts.read(sweep), read_jobs(sweep)
    console = Console()
    if action == "status":
        _show(sweep, facts, jobs, console)
    elif action == "retry":
        _retry(sweep, facts, jobs, console)
    else:
        _cancel(sweep, facts, float(cfg.patience_seconds), console)
    return read_jobs(sweep)


def _show(
    sweep: SweepDirectory, facts: SweepFacts, jobs: Sequence[JobStatus], console: Console
) -> None:
    name = sweep.path.resolve().name
    console.print(jobs_view(name, jobs, facts.monitor, headline=facts.headline))
    console.print(Text(_launcher(sweep, facts), "dim"), soft_wrap=True)
    for job in jobs:
        if job.state == "failed":
            console.print(Text(f"failed: {printable(str(job.run.path))}"), soft_wrap=True)


def _launcher(sweep: SweepDirectory, facts: SweepFacts) -> str:
    if living := living_launchers(sweep):
        return f"launcher: {facts.launcher}, {' and '.join(living)}"
    return f"last launcher: {facts.launcher} on {facts.host}; not running any more"


def _retry(
    sweep: SweepDirectory, facts: SweepFacts, jobs: Sequence[JobStatus], console: Console
) -> None:
    """Starts the sweep's command again, unless all is done."""
    if living := living_launchers(sweep):
        raise RunError(
            f"expected a sweep that nobody runs at {sweep.path}, got one whose launcher is "
            f"{' and '.join(living)}. Wait for it, or stop it: "
            f"python -m project.sweep cancel dir={sweep.path}"
        )
    left = [job for job in jobs if job.state not in ("finished", "pruned")]
    # A search decides by itself whether there are trials to come.
    if jobs and not left and not any(job.name.startswith("trial=") for job in jobs):
        console.print(Text(f"Nothing to do: {tally(jobs)}."))
        return
    words, folder = _restartable(sweep, facts)
    console.print(Text(f"To do: {tally(jobs)}."))
    for job in left[:_LISTED]:
        console.print(Text(f"  {job.state:<12} {printable(job.name)}"), soft_wrap=True)
    if len(left) > _LISTED:
        console.print(Text(f"  and {len(left) - _LISTED} more"))
    sys.stdout.flush()
    os.chdir(folder)
    os.execv(words[0], words)  # noqa: S606 - the sweep's own words, without a shell


def _restartable(sweep: SweepDirectory, facts: SweepFacts) -> tuple[list[str], Path]:
    """The words of the sweep's command, for this interpreter, and where to start them."""
    if "-m" not in facts.command:
        raise RunError(
            f"expected the command of a sweep in {sweep.facts_file}, got {facts.command}. Start "
            "the sweep again by its command."
        )
    folder = Path(facts.folder)
    if not folder.is_dir():
        raise RunError(
            f"expected the folder in which the sweep was started at {folder}, got none there. "
            "Start the sweep again by its command, with hydra.sweep.dir=<its directory>."
        )
    return [sys.executable, *facts.command[facts.command.index("-m") :]], folder


def _cancel(sweep: SweepDirectory, facts: SweepFacts, patience: float, console: Console) -> None:
    left = [job.name for job in cancel(sweep, facts, _printer(console), patience)]
    left += [f"its launcher, {name}" for name in living_launchers(sweep)]
    if left:
        names = "".join(f"\n  {name}" for name in left)
        raise RunError(
            f"expected all of {sweep.path} to stop within {patience:.0f} s, got some that do not, "
            f"on {facts.host} or where its launcher ({facts.launcher}) put them:{names}\nThe "
            "request stays. Look again with "
            f"python -m project.sweep status dir={sweep.path}"
        )
    console.print(Text(f"Stopped: {tally(read_jobs(sweep))}."))


def _printer(console: Console) -> Callable[[str], None]:
    return lambda text: console.print(Text(text))


if __name__ == "__main__":
    main()
