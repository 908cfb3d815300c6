"""The W&B run of this process: how it begins, and how it ends whatever happens."""

import contextlib
import logging
import os
import re
import shlex
import uuid
from collections.abc import Iterator
from pathlib import Path

import wandb

from project.atomic import write_text
from project.callbacks.tracking.identity import Identity
from project.callbacks.tracking.mode import Mode, reachable
from project.errors import ConfigError

log = logging.getLogger(__name__)

_INIT_SECONDS = 30.0
_UNSENT = "unsent"  # marks an online run that the server has not got as a whole
_MODES: tuple[Mode, ...] = ("online", "offline", "disabled")  # from the one that needs most
_WEAKER = {"online": "offline", "offline": "disabled", "disabled": "without it"}

# What this process has opened and not closed: at most one. Lightning asks for it in one place, and
# the block around the training closes it in another.
_ours: list[wandb.Run] = []


def check_variables() -> None:
    """Has W&B read its variables: one that it refuses would keep every run from beginning.

    Raises:
        ConfigError: With W&B's own words.
    """
    try:
        wandb.Settings().update_from_env_vars(dict(os.environ))
    except (wandb.Error, ValueError) as error:
        raise ConfigError(
            f"WANDB_...: W&B refuses one of its variables ({' '.join(str(error).split())}). "
            "Correct or unset it."
        ) from None


def open_run(
    folder: Path, identity: Identity, mode: Mode, upload_timeout_seconds: float
) -> wandb.Run | None:
    """Opens a W&B run, offline if it cannot be opened online; never asks at a prompt.

    An agent of a sweep decides about project and id itself. A run that the caller has opened is
    left alone; ours begins beside it.

    Args:
        folder: The run's directory; what W&B keeps goes to its folder ``wandb``.
        identity: Who the run is.
        mode: What to try first.
        upload_timeout_seconds: Longest wait for uploads when the run ends.

    Returns:
        The run, which also is ``wandb.run`` unless that is the caller's. The one that this process
        has opened already, if it is still open; None if W&B cannot be used at all.
    """
    if _ours:
        return _ours[-1]
    for tried in _MODES[_MODES.index(mode) :]:
        try:
            run = _begin(folder, identity, tried, upload_timeout_seconds)
        except Exception as error:  # noqa: BLE001 - its service has bare Exceptions, too
            _give_up_id()
            log.warning("W&B: cannot be %s (%s). Going on %s.", tried, error, _WEAKER[tried])
            continue
        _ours.append(run)
        if not (run.offline or run.disabled):
            log.info("W&B: %s", run.url)
        return run
    return None


def close_run(exit_code: int) -> str | None:
    """Ends the W&B run that `open_run` began, if any; waits no longer than was configured.

    Args:
        exit_code: 0 for success; anything else marks the run as failed.

    Returns:
        The command that uploads what W&B has not got, or None if it has everything.
    """
    if not _ours:
        return None
    run = _ours.pop()
    try:
        run.finish(exit_code=exit_code)
        complete = run.offline or run.disabled or reachable()
    except Exception as error:  # noqa: BLE001 - a dead service raises bare Exceptions
        log.warning("W&B: not everything could be uploaded (%s).", error)
        complete = False
    try:
        return _command_for_rest(run, complete=complete)
    except OSError as error:
        log.warning("W&B: cannot tell what waits for its upload (%s).", error)
        return None


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


def _begin(
    folder: Path, identity: Identity, mode: Mode, upload_timeout_seconds: float
) -> wandb.Run:
    by_agent = "WANDB_SWEEP_ID" in os.environ
    # What is disabled leaves nothing to go on with, and so needs no name in the run's directory.
    run_id = None if mode == "disabled" else _remembered_id(folder, identity.id)
    return wandb.init(
        dir=folder,
        mode=mode,
        resume="allow",
        reinit="create_new" if mode != "disabled" and _another_is_open() else None,
        id=None if by_agent else run_id,
        project=None if by_agent else identity.project,
        entity=None if by_agent else identity.entity,
        name=identity.name,
        group=identity.group,
        job_type=identity.job_type,
        tags=list(identity.tags),
        settings=wandb.Settings(
            silent=True,  # we say where the run is ourselves
            console="off",  # train.log holds what was said
            init_timeout=_INIT_SECONDS,
            finish_timeout=upload_timeout_seconds,
            finish_timeout_raises=True,
        ),
    )


def _another_is_open() -> bool:
    """Whether the caller has a run. It need not be ``wandb.run``, which may be a dead one, too."""
    return wandb.setup().most_recent_active_run is not None


def _give_up_id() -> None:
    """Has the service forget the id, which it has taken for what did not come to be."""
    with contextlib.suppress(Exception, SystemExit):  # the latter if the service has crashed
        if not _another_is_open():  # it would end, too
            wandb.teardown()


def _command_for_rest(run: wandb.Run, *, complete: bool) -> str | None:
    part = Path(run.dir).parent
    if not complete and part.is_dir():
        (part / _UNSENT).touch()
    return sync_command(run) if part.is_dir() and _waits(part) else None


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
