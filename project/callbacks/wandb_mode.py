"""Whether Weights & Biases can be reached, and what happens where it cannot."""

import configparser
import http.client
import logging
import netrc
import os
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from project.errors import ConfigError

Mode = Literal["online", "offline", "disabled"]

_MODES: tuple[Mode, ...] = ("online", "offline", "disabled")
_PUBLIC_SERVER = "https://api.wandb.ai"
_ANSWER_SECONDS = 5.0  # also covers names that no server resolves

log = logging.getLogger(__name__)


def told_mode(mode: Mode | Literal["auto"]) -> Mode:
    """What to aim at, as far as it can be known without the network.

    Args:
        mode: As configured; ``auto`` is what W&B's own variable says, else online with a key.

    Raises:
        ConfigError: If W&B is to be online and would have to ask for a key, or its address is none.
    """
    if mode == "auto":
        told = os.environ.get("WANDB_MODE")
        found: Mode | None = next((known for known in _MODES if known == told), None)
        mode = found or ("online" if _key_known() else "offline")
    if mode != "online":
        return mode
    if not _key_known():
        raise ConfigError(
            "logger.wandb.mode=online: nobody has logged in to W&B here. Run `wandb login`, set "
            "WANDB_API_KEY, or take logger.wandb.mode=offline."
        )
    if urlsplit(server()).scheme not in ("http", "https"):
        raise ConfigError(
            f"WANDB_BASE_URL: expected an address such as {_PUBLIC_SERVER}, got {server()!r}. "
            "Correct or unset it."
        )
    return mode


def possible_mode(mode: Mode) -> Mode:
    """The mode, or offline where it is online and nothing answers; says so in one line."""
    if mode == "online" and not reachable():
        log.warning("W&B: %s does not answer. The run is kept here for later.", server())
        return "offline"
    return mode


def server() -> str:
    """The address of W&B, as the environment says or ``wandb login`` has remembered it."""
    told = os.environ.get("WANDB_BASE_URL")
    return told or _remembered_server() or _PUBLIC_SERVER


def reachable(seconds: float = _ANSWER_SECONDS) -> bool:
    """Whether the server answers anything at all.

    Args:
        seconds: How long to wait for it.
    """
    answers: list[bool] = []
    # A thread, because resolving a name cannot be given a time limit.
    asking = threading.Thread(target=lambda: answers.append(_answers(seconds)), daemon=True)
    asking.start()
    asking.join(seconds)
    return answers == [True]


def _answers(seconds: float) -> bool:
    try:
        with urllib.request.urlopen(server(), timeout=seconds):  # noqa: S310 - a checked scheme
            return True
    except urllib.error.HTTPError as error:  # it refuses this page, so it is there
        error.close()
        return True
    except (OSError, http.client.HTTPException, ValueError):
        return False


def _key_known() -> bool:
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    try:
        known = netrc.netrc(os.environ.get("NETRC"))
    except (OSError, netrc.NetrcParseError):  # wandb will say what is wrong with the file
        return False
    return known.authenticators(urlsplit(server()).hostname or "") is not None


def _remembered_server() -> str | None:
    folder = os.environ.get("WANDB_CONFIG_DIR", "~/.config/wandb")
    settings = configparser.ConfigParser(interpolation=None)
    try:
        settings.read(Path(folder).expanduser() / "settings", encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):  # wandb will say what is wrong with the file
        return None
    return settings.get("default", "base_url", fallback=None)
