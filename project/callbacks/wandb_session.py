"""The W&B run of this process: how it begins, and how it ends whatever happens."""

import contextlib
import logging
import os
import re
import shlex
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import wandb

from project.callbacks.wandb_mode import Mode, reachable
from project.runs.atomic import write_text

log = logging.getLogger(__name__)

_INIT_SECONDS = 30.0
_UNSENT = "unsent"  # marks an online run that the server has not got as a whole
_WEAKER: dict[Mode, Mode] = {"online": "offline", "offline": "disabled"}


@dataclass(frozen=True)
class Identity:
    """What a W&B run is called and where it belongs.

    Attributes:
        project: Name of the W&B project.
        entity: User or team; None takes the default of whoever is logged in.
        name: Name of the run for people.
        group: What the run belongs to.
        job_type: What it does.
        tags: Free words.
        id: The run's own; None goes on with the one of an earlier attempt, or makes one.
    """

    project: str
    entity: str | None
    name: str
    group: str | None
    job_type: str
    tags: Sequence[str] = ()
    id: str | None = None


def open_run(
    folder: Path, identity: Identity, mode: Mode, upload_timeout_seconds: float
) -> wandb.Run:
    """Opens a W&B run, offline if it cannot be opened online; never asks at a prompt.

    An agent of a sweep decides about project and id itself.

    Args:
        folder: The run's directory; what W&B keeps goes to its folder ``wandb``.
        identity: Who the run is.
        mode: What to try first.
        upload_timeout_seconds: Longest wait for uploads when the run ends.

    Returns:
        The run, which also is ``wandb.run``.
    """
    by_agent = "WANDB_SWEEP_ID" in os.environ
    settings = wandb.Settings(
        silent=True,  # we say where the run is ourselves
        console="off",  # train.log holds what was said
        init_timeout=_INIT_SECONDS,
        finish_timeout=upload_timeout_seconds,
        finish_timeout_raises=True,
    )
    run_id = _remembered_id(folder, identity.id)
    try:
        run = wandb.init(
            dir=folder,
            mode=mode,
            resume="allow",
            id=None if by_agent else run_id,
            project=None if by_agent else identity.project,
            entity=None if by_agent else identity.entity,
            name=identity.name,
            group=identity.group,
            job_type=identity.job_type,
            tags=list(identity.tags),
            settings=settings,
        )
    except Exception as error:  # its service has bare Exceptions, too
        if mode == "disabled":
            raise
        wandb.teardown()  # the service has taken the id for what did not come to be
        log.warning("W&B: cannot be %s (%s). Going on %s.", mode, error, _WEAKER[mode])
        return open_run(folder, identity, _WEAKER[mode], upload_timeout_seconds)
    if not (run.offline or run.disabled):
        log.info("W&B: %s", run.url)
    return run


def close_run(exit_code: int) -> str | None:
    """Ends the W&B run of this process, if there is one; waits no longer than was configured.

    Args:
        exit_code: 0 for success; anything else marks the run as failed.

    Returns:
        The command that uploads what W&B has not got, or None if it has everything.
    """
    run = wandb.run
    if run is None:
        return None
    try:
        wandb.finish(exit_code=exit_code)
        complete = run.offline or run.disabled or reachable()
    except Exception as error:  # noqa: BLE001 - a dead service raises bare Exceptions
        log.warning("W&B: not everything could be uploaded (%s).", error)
        complete = False
    part = Path(run.dir).parent
    if not complete and part.is_dir():
        (part / _UNSENT).touch()
    return sync_command(run) if part.is_dir() and _waits(part) else None


def sync_command(run: wandb.Run) -> str:
    """The command that uploads a run, with what is left of its earlier attempts.

    Args:
        run: Was kept offline, or could not be uploaded.

    Returns:
        A line to be pasted into a shell, in whatever folder.
    """
    folder = Path(run.dir).parent.parent.resolve()
    # A second attempt in the same second gets a number at its end.
    name = re.compile(rf"(offline-)?run-\d+_\d+-{re.escape(run.id)}(-\d+)?")
    parts = [part for part in folder.iterdir() if name.fullmatch(part.name)]
    waiting = [part for part in parts if _waits(part)]
    # By time, which follows "run-": W&B puts the parts together in this order.
    waiting.sort(key=lambda part: part.name.removeprefix("offline-"))
    online = any(part.name.startswith("run-") for part in waiting)
    options = ["--include-online"] if online else []
    return shlex.join(["wandb", "sync", *options, *map(str, waiting)])


@contextlib.contextmanager
def harmless(what: str) -> Iterator[None]:
    """Turns whatever W&B raises into a warning: tracking must not end what is tracked.

    Args:
        what: Is sent in the block, as in "could not send <what>".
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 - a dead service raises bare Exceptions
        log.warning("W&B: could not send %s (%s: %s).", what, type(error).__name__, error)


def _waits(part: Path) -> bool:
    """Whether W&B has not got an attempt, or not all of it."""
    unsent = part.name.startswith("offline-") or (part / _UNSENT).exists()
    return unsent and not any(part.glob("*.wandb.synced"))


def _remembered_id(folder: Path, configured: str | None) -> str:
    """The id of the run in this folder, the same for every attempt."""
    file = folder / "wandb" / "id.txt"
    earlier = file.read_text(encoding="utf-8").strip() if file.is_file() else None
    chosen = os.environ.get("WANDB_RUN_ID") or configured or earlier or uuid.uuid4().hex[:8]
    if chosen != earlier:
        write_text(file, chosen + "\n")
    return chosen
